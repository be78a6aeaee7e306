"""Signal of few distinct values as small integers and a table of the values, lossless.

    table        which values a signal has, and the code of each
    look_up      look up the values of codes by a compiled loop
    coded_array  an array of a raw store, or in memory, that is kept as codes

May import what `store.format` may, and modules of it but `store.format.sharded`.
"""

from .coded_array import CodedArray, coded_nodes, is_coded, map_coded_array
from .table import MAX_VALUES, ValueTable, find_table

__all__ = ["MAX_VALUES", "CodedArray", "ValueTable", "coded_nodes", "find_table", "is_coded", "map_coded_array"]
