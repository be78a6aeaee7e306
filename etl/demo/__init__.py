"""Simulate a small experiment and write its source files: genome, annotation, tracks and cell lines.

May import only `factornet.store`.
"""
