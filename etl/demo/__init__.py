"""Simulate a small experiment and write it as the files a laboratory would have.

May import `factornet.store`.
"""
