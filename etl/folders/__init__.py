"""Write cell-line folders: their sheets, safe names, and where their files are from.

    guess       tell from names and content what the files of a folder are
    name_words  take names of files apart
    names       make names of cell lines, tracks and factors from the words of other people
    sheets      write bigwig.txt and chip.txt, and sources.json next to them

May import only `factornet.store` and `factornet.etl.inputs`.
"""

from .guess import FolderGuess, GuessedFile, guess_folder
from .names import distinct_names, safe_name
from .sheets import ChipRow, TrackRow, differing_sheets, sheet_texts, write_sheets, write_sources

__all__ = [
    "ChipRow",
    "FolderGuess",
    "GuessedFile",
    "TrackRow",
    "differing_sheets",
    "distinct_names",
    "guess_folder",
    "safe_name",
    "sheet_texts",
    "write_sheets",
    "write_sources",
]
