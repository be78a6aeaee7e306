"""What stands for what: the tables by which pages are run. All of it is printed in the report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .pages import Printed

STAND_INS = {
    "hg19, hg38": "a simulated genome of seven chromosomes (chr1 2 7 8 11 20 21), 1.3 Mb, with genes, CpG islands, blacklist and "
    "uniqueness; its stores are built before the pages that begin with one",
    "the 13 cell lines, and Th17": "simulated folders with bigWigs and peaks of CTCF, MAX, REST and GABPA",
    "servers of UCSC, GENCODE, ENCODE and FactorNet's repository": "a web server on loopback with files under the same names, in "
    "a list of downloads that FACTORNET_REGISTRY names; ENCODE's cart is one of 30 files",
    "the published models": "folders as the original wrote them, with random weights, of 4 kernels",
    "s3://bucket": "moto, an S3 server on loopback, by AWS_ENDPOINT_URL",
    "a cluster": "a dask scheduler on loopback with two workers; `srun` runs its command once, `scontrol` names localhost",
    "several GPUs": "two processes of torchrun on the CPU (gloo)",
    "several nodes": "one",
    "resources/dream_pairs.tsv": "one pair in place of 13, trained on two cell lines",
    "real expression, reads, fragments": "simulated tables of 300 genes, two BAM files of 4,000 reads, 4,000 fragments",
    "JASPAR, HOCOMOCO": "the four motifs of the simulation",
}


@dataclass(frozen=True)
class Substitution:
    """A change of a command's text.

    Attributes:
        pattern: regular expression of what is replaced.
        by: in place of it, with names of `Values` in braces.
        why: for readers.
    """

    pattern: str
    by: str
    why: str


TRAINING = r"^(?!factornet-train .*--preset blocks)((?:\w+=\S+ )*(?:factornet-train|factornet train|torchrun .*factornet\.cli\.train|bash docs/dream\.sh)\b.*)$"
SUBSTITUTIONS = (
    Substitution(
        r"(^| |\"|')/(shared|scratch|var/www)/",
        r"\1{folder}/\2/",
        "a folder of the run's own in place of one of the system",
    ),
    Substitution(r"https://example\.org", "{web}", "a web server on loopback"),
    Substitution(r"tcp://login1:8786", "{scheduler}", "the scheduler on loopback"),
    Substitution(r"\b8786\b", "{port}", "a port that is free"),
    Substitution(r"\b29500\b", "{port}", "a port that is free"),
    Substitution(r"--workers (8|16)\b", "--workers 2", "two workers"),
    Substitution(r"--nproc-per-node 4", "--nproc-per-node 2", "two processes in place of four GPUs"),
    Substitution(r"--nnodes 2", "--nnodes 1", "one node"),
    Substitution(r"\bimport SOURCE\b", "import hg19.zip", "a sound copy has a name"),
    Substitution(r"\bexport STORE\b", "export hg19.zarr", "the store has a name"),
    Substitution(r"--fdr 0\.1\b", "--fdr 0.5", "no score of so small a model has a lower rate on 71 bound bins"),
    Substitution(TRAINING, r"\1 -e 1", "one epoch in place of all"),
    Substitution(
        r"^(factornet-crossval .*)$",
        r"\1 -i GM12878 K562 -- -e 1 -k 4 -r 2 -d 4",
        "two cell lines, one epoch and a small network",
    ),
    Substitution(r"(-m factornet\.cli\.train .*models/MAX8)", r"\1 -e 1", "one epoch in place of all"),
    Substitution(r'"build/tracked"', '"tracked"', "no folder `build` of the clone"),
)
"""Applied one after the other."""


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return a text with values in place of their names in braces; other braces stay."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def substitute(item: Printed, values: Mapping[str, str]) -> tuple[str, list[Substitution]]:
    """Return what is run in place of what is printed, and why it differs."""
    text, made = item.text, []
    for s in SUBSTITUTIONS:
        changed = re.sub(s.pattern, fill(s.by, values), text, flags=re.M)
        if changed != text:
            made.append(s)
            text = changed
    return text, made


@dataclass(frozen=True)
class Page:
    """What a page begins with, and what is done between its commands.

    Attributes:
        needs: names in its folder, and what of the prepared things they are.
        steps: shell commands that are run before a command, by how that begins: what the page leaves to its reader. `{www}`
            is the folder of the web server.
        status: exit status of commands, by how these begin, where it is not 0 and the page says so.
    """

    needs: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, int] = field(default_factory=dict)


_DATA = {"data": "data", "tracks": "tracks"}
_HG19 = {"hg19.zarr": "hg19.zarr"}
_PREEMPTED = (
    "factornet train --store hg19.zarr -f MAX -i GM12878 K562 -o models/MAX -e 1 > log & "
    "until grep -q windows: log; do sleep 0.1; done; sleep 0.5; kill -TERM $!; wait; test -e models/MAX/model.json"
)
_DEMO = {"build/demo/demo.zarr": "hg19.zarr"}
PAGES = {
    "README.md": Page(
        needs={
            **_DATA,
            **_DEMO,
            "data/Th17": "own/Th17",
            "Th17.rep1.bam": "reads/Th17.rep1.bam",
            "Th17.rep2.bam": "reads/Th17.rep2.bam",
            "metadata.tsv": "metadata.tsv",
            "regions.bed.gz": "tables/regions.bed.gz",
            "K562": "predictions/K562",
            "old": "predictions/old",
            "new": "predictions/new",
            "models/REST": "models/REST",
            "MAX_peaks.narrowPeak.gz": "data/K562/ChIPseq.K562.MAX.conservative.train.narrowPeak.gz",
            "HOCOMOCOv9.meme": "motifs.meme",
            "published": "published",
        },
        steps={"factornet-etl list": "factornet-etl export hg19.zarr {www}/stores/hg19.zarr"},
    ),
    "docs/choosing.md": Page(
        needs={**_DATA, **_HG19, "genome.zarr": "genome.zarr"},
        steps={"factornet-etl plan": "rm -r hg19.zarr && mv genome.zarr hg19.zarr"},
    ),
    "docs/cluster.md": Page(
        needs={
            **_DATA,
            "hg19.zarr": "genome.zarr",
            "shared/hg19.zarr": "genome.zarr",
            "shared/data": "data",
            "shared/tracks": "tracks",
            "hg38.zarr": "hg38.zarr",
            "shared/hg38.zarr": "hg38.zarr",
            "models/REST": "models/REST",
            "shared/models/REST": "models/REST",
            "K562": "predictions/K562",
        },
        steps={
            "#!/bin/bash\n#SBATCH --ntasks=32": "rm -r shared/hg19.zarr && cp -r hg19.zarr shared/hg19.zarr "
            "&& factornet-etl rm shared/hg19.zarr K562",
            "factornet-predict --store hg38.zarr": "factornet-model fetch MAX",
            "#!/bin/bash\n#SBATCH --nodes=2": "factornet-etl build shared/hg19.zarr shared/data/GM12878",
        },
    ),
    "docs/commands.md": Page(needs={**_HG19, "models/MAX": "models/MAX"}),
    "docs/dream.md": Page(
        needs={
            **_DATA,
            "hg19.zarr": "genome.zarr",
            "docs": "docs",
            "resources/dream_pairs.tsv": "tables/dream_pairs.tsv",
            "test_regions.blacklistfiltered.bed.gz": "tables/regions.bed.gz",
        }
    ),
    "docs/encode.md": Page(
        needs={"hg38.zarr": "genome38.zarr", "metadata.tsv": "metadata.tsv", "data/HepG2": "own/HepG2"}
    ),
    "docs/evaluation.md": Page(
        needs={
            **_HG19,
            "MAX_HeLa-S3.bw": "predictions/MAX_HeLa-S3.bw",
            "old": "predictions/old",
            "new": "predictions/new",
        }
    ),
    "docs/expression.md": Page(
        needs={"data": "data38", "hg38.zarr": "genome38.zarr", "tpm.tsv": "tables/tpm.tsv", "new.tsv": "tables/new.tsv"}
    ),
    "docs/from-factornet.md": Page(
        needs={
            **_DATA,
            "hg19.zarr": "hg19.published.zarr",
            "resources/sample_ladder_regions.blacklistfiltered.bed.gz": "tables/ladder.bed.gz",
            "models/CTCF": "published/CTCF",
            "models/REST": "published/REST",
            "models/MAX": "models/MAX",
            "own-models": "models",
            "hg19.fa.gz": "hg19.fa.gz",
            "gencode.v19.annotation.gtf.gz": "annotation/genes.gtf.gz",
            "cpgIslandExt.txt.gz": "annotation/cpgIslandExt.txt.gz",
        },
        steps={
            "factornet-model unpack": "rm -r models/MAX",
            "factornet-etl genome hg19.zarr": "mv hg19.zarr with-cells.zarr",
            "factornet-predict --store hg19.zarr -i Th17 -m models/*": "rm -r hg19.zarr models && mv with-cells.zarr hg19.zarr "
            "&& mv own-models models",
        },
    ),
    "docs/from-reads.md": Page(
        needs={
            "hg38.zarr": "genome38.zarr",
            "Th17.rep1.bam": "reads/Th17.rep1.bam",
            "Th17.rep2.bam": "reads/Th17.rep2.bam",
            "fragments.tsv.gz": "reads/fragments.tsv.gz",
            "clusters.tsv": "reads/clusters.tsv",
            "genes.gtf.gz": "annotation/genes.gtf.gz",
            "Th17_peaks.bed": "tables/peaks.bed",
            "models/MAX": "models/MAX",
            "models/CTCF": "models/CTCF",
        }
    ),
    "docs/own-networks.md": Page(needs={**_DEMO, "peaks.bed": "tables/peaks.bed"}),
    "docs/store.md": Page(
        needs={
            **_DEMO,
            **_DATA,
            **_HG19,
            "hg19.fa.gz": "hg19.fa.gz",
            "Unique35.bw": "tracks/Unique35.bw",
            "theirs.zarr": "hg19.zarr",
            "more.zip": "hg19.zip",
        },
        steps={
            "factornet-etl import https://": "rm -rf {www}/hg19.zarr && cp -r var/www/hg19.zarr {www}/hg19.zarr",
            "factornet-etl list https://": "mkdir -p {www}/stores && cp -r var/www/stores/. {www}/stores",
        },
    ),
    "docs/training.md": Page(needs={**_DEMO, **_HG19}, steps={"factornet train": _PREEMPTED}),
    "docs/tutorial.md": Page(),
}

NOT_RUN = {
    ("README.md", "make demo"): "its commands are those of docs/tutorial.md, below",
    ("README.md", "make test"): "the tests, of which this run is one",
    ("CONTRIBUTING.md", "git clone"): "the run is in a clone",
    ("CONTRIBUTING.md", "make install"): "done before",
    ("CONTRIBUTING.md", "make check"): "it ran in CI",
    ("CONTRIBUTING.md", "packaging/release.sh"): "it would tag a release",
    ("docs/architecture.md", "store "): "the order of the packages; no command",
    ("docs/cluster.md", "from dask_jobqueue"): "needs dask-jobqueue and SLURM",
    ("docs/cluster.md", "from dask_kubernetes"): "needs dask-kubernetes and a cluster",
    ("docs/cluster.md", "factornet-etl build /data/hg19.zarr"): "needs Kubernetes",
    ("docs/commands.md", '{"error"'): "output",
    ("docs/training.md", "#!/bin/bash"): "needs SLURM",
    ("docs/commands.md", "[options]"): "a file for `--config`",
    ("docs/evaluation.md", "factornet-crossval"): "the same command is run in README.md",
    ("docs/from-reads.md", "Th17.rep1.bam "): "rows of a sheet",
    ("docs/own-networks.md", "StreamSettings(1000, batch_size=400"): "lines to put into a program of several processes",
    ("docs/tutorial.md", "files/genome.fa"): "output",
}
"""Blocks that are not run, by page and begin, and why."""


def why_not_run(item: Printed) -> str | None:
    """Return why something printed is not run; None if it is."""
    for (page, begin), why in NOT_RUN.items():
        if item.page == page and item.text.startswith(begin):
            return why
    return None
