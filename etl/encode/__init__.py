"""Make cell-line folders of the files of an ENCODE cart.

    cart       plan the folders, download their files, write their sheets and a table of all files
    eligible   say which files may be used, as what, and why the others may not
    metadata   read the table of files that ENCODE's cart gives
    selection  choose one experiment for each track and factor of each cell line, and its files

May import `factornet.store`, `etl.publish`, `etl.inputs`, `etl.download` and `etl.folders`.
"""

from .cart import Cart, CartFolder, CartReport, download_cart, plan_cart
from .eligible import CartOptions
from .metadata import EncodeFile, parse_metadata
from .selection import Decision, Selection, select

__all__ = [
    "Cart",
    "CartFolder",
    "CartOptions",
    "CartReport",
    "Decision",
    "EncodeFile",
    "Selection",
    "download_cart",
    "parse_metadata",
    "plan_cart",
    "select",
]
