"""``factornet-model pack`` and ``unpack``: a model folder as one file, to hand on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...store.text import format_bytes, format_count
from ..common.arguments import HelpFormatter, add_common_options, naming_force
from ..common.model_options import resolve_model, warn_if_written
from ..common.output import print_json, print_line, print_warning


def add_parser(commands: Any) -> None:
    """Add both sub-commands."""
    pack: argparse.ArgumentParser = commands.add_parser(
        "pack",
        help="pack a model folder into one verified file, to hand on",
        description="Verify a model folder and write its files into one: a zip archive, not compressed, with the "
        "SHA-256 of each file. The same folder gives the same bytes. Files that are not the model's are left out, and "
        "named.",
        epilog="example:\n  factornet-model pack models/MAX -o MAX.factornet",
        formatter_class=HelpFormatter,
    )
    pack.add_argument("model", type=Path, metavar="MODEL", help="model folder of factornet, or a fetched model")
    pack.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="file to write, *.factornet or *.zip"
    )
    pack.add_argument("--force", action="store_true", help="replace the file")
    add_common_options(pack)
    pack.set_defaults(handler=_pack)
    unpack: argparse.ArgumentParser = commands.add_parser(
        "unpack",
        help="write the model folder that a packed model holds",
        description="Compare every file in a packed model with its digest, and write the model folder; nothing is "
        "written where one differs.",
        epilog="example:\n  factornet-model unpack MAX.factornet -o models/MAX",
        formatter_class=HelpFormatter,
    )
    unpack.add_argument("file", type=Path, metavar="FILE", help="file of factornet-model pack")
    unpack.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="model folder to create")
    add_common_options(unpack)
    unpack.set_defaults(handler=_unpack)


def _pack(options: argparse.Namespace) -> int:
    from ...model.model_dir.packed import pack_model
    from ...store.files.digest import file_digest

    folder = resolve_model(options.model)
    warn_if_written(folder)
    with naming_force():
        packed = pack_model(folder, options.output, overwrite=options.force)
    sha256 = file_digest(options.output)
    if packed.left_out:
        print_warning(f"{folder}: left out, not of the model: {', '.join(packed.left_out)}")
    if options.json:
        content = {"output": str(options.output), "sha256": sha256, "files": list(packed.files)}
        print_json(content | {"left_out": list(packed.left_out)})
        return 0
    print_line(
        f"{options.output}: {packed.name}, {format_count(len(packed.files), 'file')}, "
        f"{format_bytes(options.output.stat().st_size)}, sha256 {sha256}"
    )
    return 0


def _unpack(options: argparse.Namespace) -> int:
    from ...model.model_dir.packed import unpack_model

    packed = unpack_model(options.file, options.output)
    if options.json:
        print_json({"output": str(options.output), "name": packed.name, "files": list(packed.files)})
        return 0
    print_line(
        f"{options.output}: {packed.name}, {format_count(len(packed.files), 'file')}, {format_bytes(packed.size)}, "
        "each equal to its digest"
    )
    return 0
