"""Make the stores, models and predictions that pages begin with, by the commands themselves."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

from .experiment import CELLS

_QUICK = "-k 4 -r 2 -d 4 -n 1 -e 1 -b 50"
_GENOME = (
    "--fasta genome.fa --gtf annotation/genes.gtf.gz --cpg annotation/cpgIslandExt.txt.gz "
    "--blacklist annotation/blacklist.bed.gz -p 1"
)
_FOLDERS = " ".join(f"data/{cell}" for cell in CELLS if cell not in ("A549", "Th17"))
COMMANDS = (
    f"factornet-etl genome genome.zarr --assembly hg19-small {_GENOME} --track Unique35=tracks/Unique35.bw",
    "cp -r genome.zarr hg19.zarr",
    f"factornet-etl build hg19.zarr {_FOLDERS} -p 2",
    "factornet-etl export hg19.zarr hg19.zip --cells K562 HepG2",
    f"factornet-etl genome hg19.published.zarr --assembly hg19-small {_GENOME} --track Unique35=tracks/Unique35.bw "
    "--annotation-rules published",
    f"factornet-etl build hg19.published.zarr {_FOLDERS} data/A549 data/Th17 -p 2",
    f"factornet-etl genome genome38.zarr --assembly hg38-small {_GENOME} --uniqueness 35",
    "cp -r genome38.zarr hg38.zarr",
    "factornet-etl build hg38.zarr data38/K562 data38/Th17 -p 1",
    *(
        f"factornet-train --store hg19.zarr -f {factor} -i GM12878 HepG2 --tracks DGF {_QUICK} -o models/{factor}"
        for factor in ("MAX", "CTCF", "REST")
    ),
    "factornet-predict --store hg19.zarr -f MAX -i HeLa-S3 -m models/MAX --regions chr1 chr8 chr21 -o predictions/MAX_HeLa-S3.bw",
    "factornet-predict --store hg19.zarr -i K562 -m models/MAX models/CTCF --regions chr1 chr21 -o predictions/K562/",
    "mkdir predictions/old predictions/new",
    "cp predictions/MAX_HeLa-S3.bw predictions/old/MAX.bw && cp predictions/MAX_HeLa-S3.bw.json predictions/old/MAX.bw.json",
    f"factornet-train --store hg19.zarr -f MAX -i GM12878 K562 --tracks DGF {_QUICK} --seed 2 -o models/MAX-2",
    *(
        f"factornet-predict --store hg19.zarr -f {factor} -i HeLa-S3 -m models/{model} --regions chr1 chr8 chr21 "
        f"-o predictions/new/{factor}.bw"
        for factor, model in (("MAX", "MAX-2"), ("CTCF", "CTCF"))
    ),
)


def prepare(folder: Path, run: Callable[[str, Path], None]) -> None:
    """Make all that pages need in the folder of the experiment.

    Args:
        folder: of the files of the experiment.
        run: runs a shell command in a folder, and raises an error if it fails.
    """
    shutil.copytree(folder / "cells", folder / "data")
    _write_cells_without_uniqueness(folder)
    _write_own_folders(folder)
    (folder / "hg19.fa.gz").write_bytes(gzip.compress((folder / "genome.fa").read_bytes()))
    for name in ("models", "predictions"):
        (folder / name).mkdir()
    for command in COMMANDS:
        run(command, folder)


def _write_cells_without_uniqueness(folder: Path) -> None:
    """Write cell-line folders for a genome that has its uniqueness computed: no row of it, and no expression."""
    shutil.copytree(folder / "cells", folder / "data38")
    for sheet in (folder / "data38").glob("*/bigwig.txt"):
        sheet.write_text(
            "".join(line for line in sheet.read_text().splitlines(keepends=True) if "Unique35" not in line)
        )
    for sheet in (folder / "data38").glob("*/meta.txt"):
        sheet.unlink()


def _write_own_folders(folder: Path) -> None:
    """Write folders of files without sheets, as a laboratory has them."""
    for cell in ("Th17", "HepG2"):
        own = folder / "own" / cell
        own.mkdir(parents=True)
        shutil.copy(folder / f"cells/{cell}/{cell}.DGF.bw", own / f"{cell}_DNase.bigWig")
        for factor in ("CTCF", "MAX"):
            for kind in ("conservative.train", "relaxed"):
                source = folder / f"cells/{cell}/ChIPseq.{cell}.{factor}.{kind}.narrowPeak.gz"
                shutil.copy(source, own / f"{cell}_{factor}_{kind.partition('.')[0]}.narrowPeak.gz")
