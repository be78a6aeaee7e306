"""``factornet-model list`` and ``fetch``: the published models, and those that were fetched."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...etl.download.models import (
    PublishedModel,
    download_model,
    fetch_lock,
    fetched_models,
    models_folder,
    published_models,
    remove_download,
    select_models,
)
from ...etl.download.registry import default_registry, read_registry
from ...store.errors import InputError
from ...store.storage.retry import RetryPolicy
from ...store.text import format_bytes, shell_word
from ..common.arguments import HelpFormatter, add_common_options
from ..common.output import print_json, print_line, print_table
from ..common.progress import progress_line
from ..common.runner import report_interrupt

_FOLDER_HELP = "folder of fetched models; default: models in $FACTORNET_DATA or the user's data folder, where -m looks"
_REGISTRY_HELP = (
    "another list of files, in the format of resources/registry.json; default: $FACTORNET_REGISTRY, or factornet's own"
)


def add_parser(commands: Any) -> None:
    """Add both sub-commands."""
    listing: argparse.ArgumentParser = commands.add_parser(
        "list",
        help="list the published models that can be fetched, and those that were",
        description="List the published models that `factornet-model fetch` fetches, and the models in the folder of "
        "fetched ones, which -m takes by name.",
        epilog="example:\n  factornet-model list",
        formatter_class=HelpFormatter,
    )
    listing.add_argument("--folder", type=Path, metavar="DIR", help=_FOLDER_HELP)
    listing.add_argument("--registry", type=Path, metavar="FILE", help=_REGISTRY_HELP)
    add_common_options(listing)
    listing.set_defaults(handler=_list)
    fetch: argparse.ArgumentParser = commands.add_parser(
        "fetch",
        help="fetch published models by name",
        description="Download published models, each file compared with its digest, and import them as "
        "`factornet-model import` does. The same command resumes an interrupted download; models that are there are "
        "kept.",
        epilog="examples:\n  factornet-model fetch CTCF                # the models of a factor\n"
        "  factornet-model fetch CTCF/metaGENCODE_RNAseq_Unique35_DGF\n"
        "  factornet-model fetch all --mirror https://mirror.example.org/FactorNet",
        formatter_class=HelpFormatter,
    )
    fetch.add_argument("names", nargs="+", metavar="NAME", help="models or factors (see list), or all")
    fetch.add_argument(
        "--mirror", default="", metavar="URL", help="download URL/models/CTCF/... in place of the publisher's server"
    )
    fetch.add_argument("--folder", type=Path, metavar="DIR", help=_FOLDER_HELP)
    fetch.add_argument("--registry", type=Path, metavar="FILE", help=_REGISTRY_HELP)
    add_common_options(fetch)
    fetch.set_defaults(handler=_fetch)


def _list(options: argparse.Namespace) -> int:
    folder = options.folder or models_folder()
    published = published_models(read_registry(options.registry or default_registry()))
    fetched = fetched_models(folder)
    names = [*(m.name for m in published), *(name for name in fetched if name not in {m.name for m in published})]
    sizes = {m.name: _size(m) for m in published}
    if options.json:
        rows = [
            {"name": n, "published": n in sizes, "fetched": str(folder / n) if n in fetched else None} for n in names
        ]
        print_json({"folder": str(folder), "models": rows})
        return 0
    print_table(
        "", ("model", "size", "fetched"), [(n, sizes.get(n, "-"), "yes" if n in fetched else "") for n in names]
    )
    print_line(f"{folder}: {len(fetched)} fetched; factornet-model fetch NAME fetches one, and -m takes it by its name")
    return 0


def _size(model: PublishedModel) -> str:
    known = format_bytes(sum(d.size for d in model.downloads))
    return f"more than {known}" if any(not d.size for d in model.downloads) else known


def _fetch(options: argparse.Namespace) -> int:
    from ...model.keras import import_model

    folder = options.folder or models_folder()
    published = published_models(read_registry(options.registry or default_registry()))
    found: list[tuple[PublishedModel, bool]] = []
    with (
        report_interrupt("run the same command again to resume"),
        progress_line("fetch", 0, unit="MB") as line,
    ):
        bytes_of: dict[str, int] = {}
        shown = 0

        def on_bytes(name: str, size: int, total: int) -> None:
            nonlocal shown
            bytes_of[name] = size
            now = sum(bytes_of.values()) // 1_000_000
            line.total = max(line.total, (sum(bytes_of.values()) - size + total) // 1_000_000)
            line.advance(now - shown, name)
            shown = now

        for model in select_models(published, options.names):
            with fetch_lock(model, folder):
                is_new = model.name not in fetched_models(folder)
                if is_new:
                    retry_policy = RetryPolicy.from_environment()
                    original = download_model(
                        model, folder, mirror=options.mirror, retry_policy=retry_policy, on_bytes=on_bytes
                    )
                    import_model.write_imported(original, folder / model.name, origin=model.origin)
                    remove_download(model, folder)
                else:
                    _check_fetched(folder / model.name)
            found.append((model, is_new))
            if not options.json:
                state = f"fetched, {len(model.downloads)} files compared with their digests"
                print_line(f"{folder / model.name}: {state if is_new else 'already there, without faults'}")
    if options.json:
        print_json([{"name": m.name, "path": str(folder / m.name), "new": is_new} for m, is_new in found])
    elif options.folder is None and found:
        name = shell_word(found[0][0].name)
        print_line(f"next: factornet-predict -m {name} ..., or factornet-model card {name}")
    return 0


def _check_fetched(folder: Path) -> None:
    """Check the files of a model that is there.

    Raises:
        InputError: one is damaged or missing.
    """
    from ...model.model_dir.packed import describe_fault
    from ...model.model_dir.verification.verify import verify_model

    if faults := verify_model(folder).faults:
        hint = f"remove {folder}, and run the same command again"
        raise InputError(folder / faults[0].path, describe_fault(faults[0]), hint=hint)
