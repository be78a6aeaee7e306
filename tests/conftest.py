"""What several test files need: the demo experiment and its stores, servers of them, where the real data lie."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from support.servers import S3, Proxy, moto_server, serving, web_server
from support.tiny_experiment import build, write_tiny

from factornet.cli import etl
from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome, write_demo

pytest.register_assert_rewrite("support.transfer_helpers")

settings.register_profile("shared machine", deadline=None)  # how long an example takes says nothing there
settings.load_profile("shared machine")

# One thread a process: pytest-xdist keeps the cores busy, and idle threads of OpenMP spin. Set before torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument alone: content may carry a time (gzip's does), and the workers must agree on names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Make a folder in the first process of pytest-xdist that needs it, for all of them; not to be changed."""
    base = tmp_path_factory.getbasetemp()
    base = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    base.mkdir(exist_ok=True)

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        with (base / f"{name}.lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.seek(0)
            if not lock.read():
                shutil.rmtree(base / name, ignore_errors=True)
                (base / name).mkdir()
                make(base / name)
                lock.write("made")
        return base / name

    return folder


@pytest.fixture(scope="session")
def demo_files(made_once) -> Path:
    """The demo experiment as files; not to be changed."""
    return made_once("demo-files", lambda folder: write_demo(folder / "files")) / "files"


@pytest.fixture(scope="session")
def demo_store(made_once, demo_files) -> Path:
    """A store of the demo experiment; not to be changed."""
    return made_once("demo", lambda folder: build_demo(demo_files, folder / "demo.zarr")) / "demo.zarr"


def build_demo(demo_files: Path, path: Path) -> None:
    """Build the store of the demo experiment."""
    inputs = GenomeInputs(
        demo_files / "genome.fa",
        gtf=demo_files / "annotation/genes.gtf.gz",
        cpg=demo_files / "annotation/cpgIslandExt.txt.gz",
        blacklist=demo_files / "annotation/blacklist.bed.gz",
        tracks={"Unique35": demo_files / "tracks/Unique35.bw"},
    )
    build_genome(path, inputs, GenomeOptions(assembly="demo"), Resources(1))
    for cell in ("GM12878", "HepG2", "K562"):
        build_cell(path, demo_files / "cells" / cell, CellOptions(), Resources(1))


@pytest.fixture(scope="session")
def raw_store(made_once, demo_store) -> Path:
    """The demo, unpacked by the command; not to be changed."""

    def unpack(folder: Path) -> None:
        assert etl.main(["unpack", str(demo_store), str(folder / "raw.zarr"), "-p", "1"]) == 0

    return made_once("raw", unpack) / "raw.zarr"


@pytest.fixture
def store(demo_store, tmp_path) -> Path:
    """A copy of the demo store, to be changed."""
    return Path(shutil.copytree(demo_store, tmp_path / "copy.zarr"))


@pytest.fixture
def files(tmp_path) -> Path:
    """A tiny experiment, with a store of its genome."""
    write_tiny(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory) -> Path:
    """A store of the tiny experiment, with cell line A; not to be changed."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny(folder)
    build(folder)
    return folder / "s.zarr"


@pytest.fixture(scope="session")
def foreign(tmp_path_factory) -> Path:
    """A store of another genome."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "g.fa").write_text(">chr1\n" + "ACGT" * 500 + "\n")
    build_genome(folder / "f.zarr", GenomeInputs(folder / "g.fa"), GenomeOptions(chroms=("chr1",)), Resources(1))
    return folder / "f.zarr"


@pytest.fixture(scope="session")
def exported(made_once, demo_store) -> Path:
    """What export makes, to be put on a web server; not to be changed."""

    def export(folder: Path) -> None:
        assert etl.main(["export", str(demo_store), str(folder / "demo.zarr")]) == 0

    return made_once("exported", export) / "demo.zarr"


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """URL of an S3 server."""
    with moto_server() as url:
        yield url


@pytest.fixture
def s3(moto, monkeypatch, tmp_path) -> Iterator[S3]:
    """An empty bucket, behind a proxy that can be told to fail; settings for whoever reads from it."""
    with serving(Proxy(moto)) as proxy:
        for name, value in server_settings(tmp_path, AWS_ENDPOINT_URL=proxy.url).items():
            monkeypatch.setenv(name, value)
        yield S3(proxy)


@pytest.fixture
def location(s3, tmp_path):
    """Where a store of some kind is put."""
    return lambda kind: s3.url if kind == "s3" else tmp_path / kind


@pytest.fixture
def settings(monkeypatch, tmp_path) -> None:
    """Settings for whoever reads from a web server on loopback."""
    for name, value in server_settings(tmp_path).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def website(exported, settings):
    """URL of the demo store on a plain web server."""
    with web_server(exported.parent) as url:
        yield f"{url}/demo.zarr"


@pytest.fixture(scope="session")
def s3_exported(demo_store, moto, tmp_path_factory) -> dict[str, bytes]:
    """Objects of the demo store (one cell line) as export puts them into object storage, by name."""
    with pytest.MonkeyPatch.context() as patch, serving(Proxy(moto)) as proxy:
        for name, value in server_settings(tmp_path_factory.mktemp("s3"), AWS_ENDPOINT_URL=proxy.url).items():
            patch.setenv(name, value)
        bucket = S3(proxy)
        assert etl.main(["export", str(demo_store), bucket.url, "--cells", "K562"]) == 0
        return {name: bucket.client.get_object(**bucket.key(name))["Body"].read() for name in bucket.names()}


@pytest.fixture
def s3_demo_store(s3_exported, s3):
    """The demo store (one cell line) in object storage."""
    s3.put(s3_exported)
    return s3


def server_settings(tmp_path: Path, **more: str) -> dict[str, str]:
    """Few and short tries, a cache of the test's own, and no proxy between."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "FACTORNET_CACHE": str(tmp_path / "cache"),
        "FACTORNET_TRIES": "3",
        "FACTORNET_TIMEOUT": "10",
        **more,
    }


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real data, or skip."""
    folder = Path(os.environ.get("FACTORNET_REALDATA", Path(__file__).parent.parent.parent / "shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set FACTORNET_REALDATA")
    return folder
