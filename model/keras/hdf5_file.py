"""Read names and arrays of one HDF5 file, and of nothing outside it.

An HDF5 file can refer to others: by external and soft links, by datasets whose values are in other files (external raw
data, virtual datasets), and by filters that are loaded as plugins. Values that were never written read as zeros, and a
small file can declare arrays of any size. Keras writes none of these: groups and contiguous arrays of floats, each with
one name. So all else is refused, and nothing is read before its size is known to be the expected one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5l, h5t, h5z
from numpy.typing import NDArray

from ...store.errors import InputError
from ...store.text import format_foreign

_LINKS = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}
_FILTERS = {h5z.FILTER_DEFLATE: "gzip", h5z.FILTER_SZIP: "szip", h5z.FILTER_LZF: "lzf", h5z.FILTER_SHUFFLE: "shuffle"}
_MAX_NAMES, _MAX_NAMES_SIZE = 1024, 1024 * 1024  # of one attribute; in bytes
_MAX_HEAP_SIZE = 2**32  # bytes of all names of variable length of one attribute, at worst
_MAX_TEXT_SIZE = 100  # bytes of a version
_MAX_CHUNKS = 100_000
_HINT = "use a file as Keras wrote it"


class Hdf5File:
    """HDF5 file of a stranger, opened for reading; a context manager.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be read, or is not HDF5.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # HDF5 would lock it, which some network file systems cannot, and refuses what is locked by others.
        self._file = h5py.File(path, "r", locking=False)
        self._read: dict[int, str] = {}  # address of each dataset -> its name

    def __enter__(self) -> Hdf5File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def root(self) -> Any:
        """The root group."""
        return self._file["/"]

    def has(self, group: Any, name: str) -> bool:
        """Return whether a group has an entry of this name, whatever it is."""
        return bool(group.id.links.exists(name.encode()))

    def group(self, parent: Any, name: str) -> Any:
        """Return a group inside another.

        Raises:
            InputError: there is none, or a link in its place.
        """
        return self._member(parent, name, h5py.Group)

    def names(self, group: Any, attribute: str) -> list[str]:
        """Return an attribute that is a list of names.

        Raises:
            InputError: it is missing, or something else, or has a name twice.
        """
        where = f"attribute {attribute} of {self._show(group.name)}"
        if attribute not in group.attrs:
            raise InputError(self.path, f"damaged, or not weights of Keras ({where} is missing)", hint=_HINT)
        stored = group.attrs.get_id(attribute)
        shape, kind = stored.shape, stored.get_type()
        if len(shape) == 1 and shape[0] == 0:  # of layers without weights; Keras writes an empty list of floats
            return []
        if len(shape) != 1 or not isinstance(kind, h5t.TypeStringID):
            raise InputError(self.path, f"{where} is not a list of names", hint=_HINT)
        # All names of variable length can be one and the same, as long as the file.
        varies = kind.is_variable_str()
        size, limit = (self.path.stat().st_size, _MAX_HEAP_SIZE) if varies else (kind.get_size(), _MAX_NAMES_SIZE)
        if shape[0] > _MAX_NAMES or shape[0] * size > limit:
            problem = f"{where} has {shape[0]:,} names of up to {size:,} bytes, which is too much"
            raise InputError(self.path, problem, hint=_HINT)
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in group.attrs[attribute]]
        if twice := [name for name, n in Counter(names).items() if n > 1]:
            raise InputError(self.path, f"{where} has {self._show(twice[0])} twice", hint=_HINT)
        return names

    def text(self, group: Any, attribute: str) -> str:
        """Return an attribute that is a short text; empty where there is none.

        Raises:
            InputError: it is something else.
        """
        if attribute not in group.attrs:
            return ""
        stored = group.attrs.get_id(attribute)
        kind = stored.get_type()
        size = kind.get_size() if isinstance(kind, h5t.TypeStringID) and not kind.is_variable_str() else 0
        if stored.shape != () or not isinstance(kind, h5t.TypeStringID) or size > _MAX_TEXT_SIZE:
            where = f"attribute {attribute} of {self._show(group.name)}"
            raise InputError(self.path, f"{where} is not a short text", hint=_HINT)
        value = group.attrs[attribute]
        return format_foreign(value.decode(errors="replace") if isinstance(value, bytes) else value, _MAX_TEXT_SIZE)

    def axes(self, group: Any, name: str) -> int:
        """Return the number of axes of an array.

        Raises:
            InputError: there is no such array.
        """
        return len(self._member(group, name, h5py.Dataset).shape)

    def array(self, group: Any, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return an array of finite floats.

        Raises:
            InputError: it has another shape or type, was not written, or its values are not in this file.
        """
        dataset = self._member(group, name, h5py.Dataset)
        layer = f"layer {self._show(group.name.rpartition('/')[2])!r}"
        where = f"{layer}: {self._show(name)}"
        if dataset.shape != shape:
            problem = f"{where} has shape {dataset.shape}, but by model.json it has {shape}"
            raise InputError(self.path, problem, hint="use weights and model.json of one training")
        self._check_type(dataset, where)
        self._check_storage(dataset, where)
        address = h5py.h5o.get_info(dataset.id).addr
        if (other := self._read.setdefault(address, where)) != where:
            raise InputError(self.path, f"{where} and {other} are one array", hint=_HINT)
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite, which is refused below
            array = np.asarray(dataset[()], dtype=np.float32)
        if bad := int((~np.isfinite(array)).sum()):
            problem = f"{layer}: {bad} of {array.size} values of {self._show(name)} are not finite (NaN or infinite)"
            raise InputError(self.path, problem, hint="use weights of a training that did not diverge")
        value = array.flat[0] if array.size else 0.0
        if array.ndim > 1 and (array == value).all() and (array.size > 1 or not value):  # a fill value, whatever it is
            problem = f"{where} was never written: all {array.size} values are {value:g}"
            raise InputError(self.path, problem, hint=_HINT)
        return array

    def _member(self, parent: Any, name: str, kind: type) -> Any:
        """Return an entry of a group; of names with slashes, no part may be a link to elsewhere."""
        node = parent
        for part in name.split("/"):
            where = f"{self._show(node.name.rstrip('/'))}/{self._show(part)}"
            if not isinstance(node, h5py.Group) or part in ("", ".", "..") or not self.has(node, part):
                raise InputError(self.path, f"damaged, or not weights of Keras ({where} is missing)", hint=_HINT)
            link = node.id.links.get_info(part.encode()).type
            if link != h5l.TYPE_HARD:
                problem = f"{where} is {_LINKS.get(link, 'a link of an unknown kind')}; links are not followed"
                raise InputError(self.path, problem, hint=_HINT)
            node = node[part]
        if not isinstance(node, kind):
            raise InputError(self.path, f"{where} is not a {kind.__name__.lower()}", hint=_HINT)
        return node

    def _check_type(self, dataset: Any, where: str) -> None:
        stored = dataset.id.get_type()
        if not isinstance(stored, h5t.TypeFloatID) or stored.get_size() > 8:
            problem = f"{where} has dtype {format_foreign(dataset.dtype)}, expected float32"
            raise InputError(self.path, problem, hint=_HINT)
        if stored.committed():
            raise InputError(self.path, f"{where} has a type that is stored elsewhere in the file", hint=_HINT)

    def _check_storage(self, dataset: Any, where: str) -> None:
        """Check that the values are in this file, all of them, and need no more memory than they have."""
        settings = dataset.id.get_create_plist()
        layout, size = settings.get_layout(), dataset.size * dataset.id.get_type().get_size()
        if layout == h5d.VIRTUAL:
            raise InputError(self.path, f"{where} is a virtual dataset: its values are elsewhere", hint=_HINT)
        if settings.get_external_count():
            raise InputError(self.path, f"{where} has its values in another file", hint=_HINT)
        if filters := [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]:
            names = ", ".join(_FILTERS.get(code, f"filter {code}") for code in filters)
            hint = "rewrite the file with h5repack, without filters"
            raise InputError(self.path, f"{where} is compressed ({names}), which Keras does not do", hint=hint)
        if layout == h5d.CHUNKED:
            self._check_chunks(dataset, settings.get_chunk(), where)
        elif (written := dataset.id.get_storage_size()) != size:
            raise InputError(self.path, f"{where} was never written: {written} of {size} bytes are stored", hint=_HINT)

    def _check_chunks(self, dataset: Any, chunk: Sequence[int], where: str) -> None:
        limit = max(2 * dataset.size, 2**20)
        expected = math.prod(-(-n // k) for n, k in zip(dataset.shape, chunk, strict=True))
        if math.prod(chunk) > limit or expected > _MAX_CHUNKS:
            problem = f"{where} has chunks of {'x'.join(map(str, chunk))}, for a shape of {dataset.shape}"
            raise InputError(self.path, problem, hint=_HINT)
        if (written := dataset.id.get_num_chunks()) != expected:
            raise InputError(
                self.path, f"{where} was never written in full: {written} of {expected} chunks are stored", hint=_HINT
            )

    def _show(self, name: str) -> str:
        return format_foreign(name, 100)
