"""Simulate a small experiment and write its source files: genome, annotation, tracks and cell lines.

May import only `factornet.store`.
"""

from .write_files import DemoSummary, write_demo

__all__ = ["DemoSummary", "write_demo"]
