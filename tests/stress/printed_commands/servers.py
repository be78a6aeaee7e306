"""Run what stands for the publishers' servers, a bucket, a web site and a cluster; give commands their environment."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from support.encode_cart import write_cart
from support.schedulers import running_scheduler
from support.servers import moto_server, web_server

from factornet.etl.download.registry import default_registry

OF_OPTION = {
    "--fasta": "genome.fa",
    "--gtf": "annotation/genes.gtf.gz",
    "--cpg": "annotation/cpgIslandExt.txt.gz",
    "--blacklist": "annotation/blacklist.bed.gz",
    "--track Unique35=": "tracks/Unique35.bw",
}
_STUBS = {
    "srun": '#!/bin/sh\n# SLURM in place: runs the command once, here.\nexec "$@"\n',
    "scontrol": "#!/bin/sh\n# SLURM in place: the one host.\necho localhost\n",
}


@dataclass(frozen=True)
class Servers:
    """What runs while pages are run.

    Attributes:
        web: URL of a folder, for stores.
        folder: that folder.
        scheduler: address of a dask scheduler with two workers.
        port: that nothing uses, for what scripts start themselves.
        environment: of every command.
    """

    web: str
    folder: Path
    scheduler: str
    port: int
    environment: dict[str, str]


@contextmanager
def running_servers(work: Path, experiment: Path) -> Iterator[Servers]:
    """Run all servers, their files in `work`, until the block ends."""
    folder, bin_folder = work / "www", work / "bin"
    folder.mkdir()
    _write_stubs(bin_folder)
    with ExitStack() as stack:
        web = stack.enter_context(web_server(folder))
        s3 = stack.enter_context(moto_server())
        urlopen(Request(f"{s3}/bucket", method="PUT"), timeout=30).close()
        registry = _write_registry(folder, experiment, web)
        cart = write_cart(folder / "encode", experiment)
        (work / "metadata.tsv").write_text(cart.table(f"{web}/encode"))
        path = os.pathsep.join([str(bin_folder), str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("FACTORNET_", "AWS_", "PYTHONPATH"))},
            "PATH": path,
            "HOME": str(work / "home"),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": s3,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "FACTORNET_REGISTRY": str(registry),
            "SLURM_JOB_NODELIST": "localhost",
            "SLURM_PROCID": "0",
        }
        (work / "home").mkdir()
        log = work / "scheduler.log"
        log.unlink(missing_ok=True)  # the address is read from it
        scheduler, _ = stack.enter_context(running_scheduler(log, workers=2, folder=work))
        yield Servers(web, folder, scheduler, _free_port(), environment)


def _write_stubs(folder: Path) -> None:
    folder.mkdir()
    for name, text in _STUBS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def _write_registry(folder: Path, experiment: Path, web: str) -> Path:
    """Write the files that stand for those of the registry, and a registry that has them at `web` with their digests."""
    entries, rows = json.loads(default_registry().read_text()), ["path\tdigest\tbytes"]
    for name, entry in entries.items():
        if "files" in entry:
            entry["urls"] = [f"{web}/repository/"]
            continue
        (folder / entry["assembly"]).mkdir(exist_ok=True)
        content = (experiment / OF_OPTION[entry["option"]]).read_bytes()
        content = gzip.compress(content) if entry["option"] == "--fasta" else content
        (folder / entry["assembly"] / name).write_bytes(content)
        entry.pop("digests", None), entry.pop("bytes", None)
        entry |= {"urls": [f"{web}/{entry['assembly']}/{name}"], "digest": f"md5:{hashlib.md5(content).hexdigest()}"}
    for path, source in _files_of_repository(experiment).items():
        target = folder / "repository" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        content = target.read_bytes()
        rows.append(f"{path}\tsha256:{hashlib.sha256(content).hexdigest()}\t{len(content)}")
    (folder / "factornet-files.tsv").write_text("\n".join(rows) + "\n")
    (folder / "registry.json").write_text(json.dumps(entries))
    return folder / "registry.json"


def _files_of_repository(experiment: Path) -> dict[str, Path]:
    """Return paths in the original's repository and the files that stand for them."""
    found = {"resources/HOCOMOCOv9.meme": experiment / "motifs.meme"}
    found["resources/sample_ladder_regions.blacklistfiltered.bed.gz"] = experiment / "tables/ladder.bed.gz"
    for path in sorted((experiment / "tables").glob("*cpgisland*")) + sorted((experiment / "tables").glob("wgEncode*")):
        found[f"resources/{path.name}"] = path
    for path in sorted((experiment / "cells").rglob("*")):
        if path.is_file() and path.suffix != ".bw" and path.parent.name not in ("Th17", "PC-3", "liver", "iPSC"):
            found[f"data/{path.relative_to(experiment / 'cells')}"] = path
    for path in sorted((experiment / "published").rglob("*")):
        if path.is_file():
            found[f"models/{path.relative_to(experiment / 'published')}"] = path
    return found
