"""Sheets of a cell-line folder, row by row.

    rows    read the rows of any sheet, and check the files and names in them
    tracks  read the tracks of bigwig.txt

May import the modules of `inputs` but `cell_line_folder` and `chip_peaks`.
"""

from .tracks import SignalFile, describe_track

__all__ = ["SignalFile", "describe_track"]
