"""Find the published models in the registry, those that were fetched, and download one.

A published model is a folder of a group of the registry, ``CTCF/metaGENCODE_RNAseq_Unique35_DGF``; its factor is a name
for all models of the factor. Fetched models are model folders under the same names in one folder, by default the
user's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urljoin, urlsplit

from ...store.errors import UsageError
from ...store.files.outputs import output_lock, remove
from ...store.storage.retry import RetryPolicy
from .fetch import OnBytes, download_files
from .registry import Download
from .user_data import user_data_folder

GROUP = "factornet-models"
"""Group of the registry with the published models."""
_NOT_NEEDED = ".pkl"  # history.pkl, of Python's pickle: it is not read


@dataclass(frozen=True)
class PublishedModel:
    """A published model.

    Attributes:
        name: factor and folder, ``CTCF/metaGENCODE_RNAseq_Unique35_DGF``.
        downloads: its files.
    """

    name: str
    downloads: tuple[Download, ...]

    @property
    def factor(self) -> str:
        """Factor under which it was published; a multi-task model predicts others, too."""
        return self.name.partition("/")[0]

    @property
    def origin(self) -> dict[str, str]:
        """Where it is from, its licence and what to cite, as JSON values."""
        first = self.downloads[0]
        url = first.urls[0].removesuffix(quote(PurePosixPath(first.name).name))
        return {"name": self.name, "url": url, "licence": first.licence, "citation": first.citation}


def published_models(registry: Sequence[Download]) -> tuple[PublishedModel, ...]:
    """Return the published models of a registry, in its order."""
    files: dict[str, list[Download]] = {}
    for download in registry:
        folder = str(PurePosixPath(download.name).parent)
        if download.group == GROUP and folder.count("/") == 1 and not download.name.endswith(_NOT_NEEDED):
            files.setdefault(folder, []).append(download)
    return tuple(PublishedModel(name, tuple(downloads)) for name, downloads in files.items())


def select_models(published: Sequence[PublishedModel], names: Sequence[str]) -> tuple[PublishedModel, ...]:
    """Return the models of these names: of one model, of a factor, or ``all``; each once, in the order of `published`.

    Raises:
        UsageError: there is none of a name; the message lists the factors.
    """
    chosen = set[str]()
    for name in names:
        found = [m.name for m in published if name.rstrip("/") in (m.name, m.factor, "all")]
        if not found:
            factors = ", ".join(dict.fromkeys(m.factor for m in published))
            raise UsageError(f"no published model {name!r}; there are models of {factors}")
        chosen |= set(found)
    return tuple(m for m in published if m.name in chosen)


def models_folder() -> Path:
    """Return the user's folder of fetched models."""
    return user_data_folder() / "models"


def fetched_models(folder: Path) -> tuple[str, ...]:
    """Return the names of the model folders in a folder, and one level below, sorted."""
    found = [path for pattern in ("*/model.json", "*/*/model.json") for path in folder.glob(pattern)]
    names = [path.parent.relative_to(folder) for path in found]
    return tuple(sorted(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts)))


def find_models(name: str, folder: Path, order: Sequence[PublishedModel] = ()) -> tuple[Path, ...]:
    """Return the fetched models of a name: of one model, or of a factor.

    Args:
        name: such as ``CTCF`` or ``CTCF/meta_RNAseq_Unique35_DGF``.
        folder: of the fetched models.
        order: models of a factor come in this order, others after them by name.
    """
    found = [found for found in fetched_models(folder) if name in (found, found.partition("/")[0])]
    places = {model.name: i for i, model in enumerate(order)}
    return tuple(folder / found for found in sorted(found, key=lambda n: (places.get(n, len(places)), n)))


@contextmanager
def fetch_lock(model: PublishedModel, folder: Path) -> Iterator[None]:
    """Hold the lock of a model that is being fetched into a folder, until it is imported.

    Raises:
        InputError: another process fetches the model.
    """
    with output_lock(_download_folder(folder) / model.name, parents=True):
        yield


def download_model(
    model: PublishedModel,
    folder: Path,
    *,
    mirror: str = "",
    retry_policy: RetryPolicy,
    on_bytes: OnBytes = lambda name, done, total: None,
) -> Path:
    """Download the files of a model, as they were published; return the folder that they are in.

    It is in a hidden folder inside `folder`, where the next call finds what an interrupted one has left. Remove it
    (`remove_download`) once the model was imported. The caller holds the lock (`fetch_lock`).

    Args:
        model: what to download.
        folder: of the fetched models.
        mirror: URL under which the files are, as ``models/CTCF/...``, in place of those of the registry.
        retry_policy: of the requests.
        on_bytes: called as bytes arrive.

    Raises:
        StoreError: no server has a file with the expected digest.
        UsageError: the mirror is no URL.
    """
    downloads = [replace(download, group="") for download in model.downloads]  # files that differ are not kept
    if mirror:
        if urlsplit(mirror).scheme not in ("http", "https"):
            raise UsageError(f"mirror {mirror!r} is not a URL, http:// or https://")
        base = mirror.rstrip("/") + "/models/"
        downloads = [replace(d, urls=(urljoin(base, quote(d.name)),)) for d in downloads]
    parent = _download_folder(folder)
    download_files(downloads, parent, retry_policy=retry_policy, on_bytes=on_bytes)
    return parent / model.name


def remove_download(model: PublishedModel, folder: Path) -> None:
    """Remove what was downloaded of a model."""
    remove(_download_folder(folder) / model.name)


def _download_folder(folder: Path) -> Path:
    return folder / ".downloads"
