"""Arrays of signal that are kept as codes, in memory or in a raw store.

In a raw store such an array is a group of two: ``codes``, uint8 or uint16, one a base, and ``values``, the float32
value of each code. There is no array at the path of the signal, so that a reader that does not know codes finds none,
instead of codes that look like signal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...errors import StoreError
from ...storage.base import GroupStorage
from ..manifest import NOT_FACTORNET, Objects
from ..memmap import map_array, raw_node
from .look_up import look_up
from .table import CODE_TYPES, ValueTable

CODES, VALUES = "codes", "values"
TABLE_DIMENSION = "code"


class CodedArray:
    """A signal kept as codes, sliced like the float32 array that it stands for.

    Args:
        codes: one a base, of the type that the table's codes have, (n,).
        table: values of the codes.
        location: for messages.
    """

    def __init__(self, codes: NDArray[Any], table: ValueTable, *, location: str = "") -> None:
        self.codes, self.table, self.location = codes, table, location

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the signal."""
        return self.codes.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.codes.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the signal."""
        return self.table.values.dtype

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, key: Any) -> Any:
        return look_up(np.asarray(self.codes[key]), self.table.padded)

    def __array__(self, dtype: DTypeLike | None = None, *, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a signal kept as codes has no memory of its own")
        return np.asarray(self[:], dtype)


def is_coded(name: str, objects: Objects) -> bool:
    """Return whether the signal at a path of a group is kept as codes."""
    return f"{name}/{CODES}/zarr.json" in objects


def map_coded_array(group: GroupStorage, name: str, objects: Objects) -> CodedArray:
    """Memory-map the codes of a signal in a raw store, and read their table.

    Args:
        group: folder of the group that the manifest covers.
        name: path of the signal in that folder.
        objects: objects that the manifest lists.

    Raises:
        StoreError: as `map_array`, or codes and values do not belong together.
    """
    location = f"{group.location}/{name}"
    codes, values = (map_array(group, f"{name}/{part}", objects) for part in (CODES, VALUES))
    if codes.dtype not in CODE_TYPES or codes.ndim != 1:
        problem = f"codes are {codes.dtype} {codes.shape}, not uint8 or uint16 (positions,)"
        raise StoreError(f"{location}/{CODES}", problem, hint=NOT_FACTORNET)
    try:
        if values.dtype != np.float32 or values.ndim != 1:
            raise ValueError(f"{values.dtype} {values.shape}, not float32 (values,)")
        table = ValueTable(values)
        if table.dtype != codes.dtype:
            raise ValueError(f"{len(table)} values, for codes of {codes.dtype}")
    except ValueError as e:
        raise StoreError(f"{location}/{VALUES}", f"is no table of values ({e})", hint=NOT_FACTORNET) from e
    return CodedArray(codes, table, location=f"{location}/{CODES}")


def coded_nodes(node: dict[str, Any], table: ValueTable) -> dict[str, dict[str, Any]]:
    """Return the ``zarr.json`` of a signal kept as codes: of the group (``""``), ``codes`` and ``values``.

    Args:
        node: ``zarr.json`` of the float32 array.
        table: its values.
    """
    fill = int(np.iinfo(table.dtype).max)
    group = {"attributes": {**node["attributes"], "signal": "values[codes]"}, "zarr_format": 3, "node_type": "group"}
    codes = {"data_type": table.dtype.name, "fill_value": fill, "attributes": {"codes": f"rows of values; {fill}=none"}}
    values = {"shape": [len(table)], "dimension_names": [TABLE_DIMENSION], "attributes": {}}
    return {"": group, CODES: raw_node({**node, **codes}), VALUES: raw_node({**node, **values})}
