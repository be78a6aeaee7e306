"""Import modules of the package on a machine that has only numpy and torch, and on which it is not installed.

The repository's root is the package. The faces of its folders (`__init__.py`) import all of it, with zarr, h5py and
matplotlib, so they are passed over: a folder is a bare package whose modules are found by name. A library that a module
imports at its top and that is absent here is replaced by a placeholder, which raises an error when it is called.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "factornet"
_LIBRARIES = ("numba", "numcodecs", "platformdirs", "psutil")


def open_package(root: Path) -> list[str]:
    """Make the modules of the package importable; return the names of the libraries that are replaced.

    Args:
        root: of the repository.
    """
    sys.meta_path.insert(0, _BarePackages(root))
    absent = [name for name in _LIBRARIES if not _imports(name)]
    for name in absent:
        sys.modules[name] = _AbsentModule(name)
    return absent


def has_library(name: str) -> bool:
    """Return whether a library can be imported."""
    return _imports(name) and not isinstance(sys.modules[name], _AbsentModule)


def _imports(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


class _BarePackages(MetaPathFinder):
    """Finds the folders of the package, without running their faces."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a folder; None for modules and for all other packages."""
        del path, target
        first, *rest = fullname.split(".")
        folder = self._root.joinpath(*rest)
        if first != PACKAGE or not folder.is_dir():
            return None
        if not rest:  # its face holds the version, and imports nothing
            return spec_from_file_location(fullname, folder / "__init__.py", submodule_search_locations=[str(folder)])
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        return spec


class _AbsentModule(ModuleType):
    """Stands for a library that is not installed."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(f"{self.__name__}.{name}")


class _Absent:
    """Stands for a name of a library that is not installed; it may decorate a function, which then cannot be called."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> _Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(f"{self._name}.{name}")

    def __call__(self, *arguments: Any, **options: Any) -> _Absent:
        decorates = callable(arguments[0]) if arguments else bool(options)
        if decorates:
            return self
        raise ImportError(f"{self._name} was called, and its library is not installed here")
