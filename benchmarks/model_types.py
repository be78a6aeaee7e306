"""Train the five kinds of model on the demo: time, validation loss, and average precision on K562, chr1 and chr21.

The value of features is measured by shuffling them among the windows of chr11 of three cell lines: average precision
before and after, and the mean change of a probability.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from factornet.cli import etl, evaluate, predict, train
from factornet.model import average_precision, load_network
from factornet.model.data.batches import stream_settings
from factornet.store import Sampler, WindowStream, open_store, parse_region, split_genome

TYPES = {
    "multiTask": "",
    "onePeak": "-f CTCF -n 5 -mo",
    "meta": "-f CTCF -n 5 -mo -m",
    "GENCODE": "-f CTCF -n 5 -mo -g",
    "metaGENCODE": "-f CTCF -n 5 -mo -m -g",
}


def run(program, words: str) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        if program.main(shlex.split(words)) != 0:
            raise SystemExit(f"failed: {words}")
    return output.getvalue()


def shuffled_precision(folder: Path, store_path: Path) -> tuple[float, float, float]:
    """Return average precision as is and with shuffled features, and the mean change of a probability."""
    network, store = load_network(folder), open_store(store_path)
    split = split_genome(store.coordinates, valid=[parse_region("chr11", store.coordinates)], test=[])
    cells = ("GM12878", "HepG2", "K562")
    sampler = Sampler(store, cells=cells, factor="CTCF", split=split, window_length=1000, negatives=5)
    stream = WindowStream(store, sampler.validation(1), stream_settings(network.config, batch_size=4000), seed=(1,))
    rng, scores, labels = torch.Generator().manual_seed(0), [], []
    for batch in stream:
        features = torch.from_numpy(batch.features)
        orders = (torch.arange(len(features)), torch.randperm(len(features), generator=rng))
        with torch.no_grad():
            windows = torch.from_numpy(batch.codes), torch.from_numpy(batch.tracks)
            scores.append(np.hstack([network(*windows, features[o]).numpy() for o in orders]))
        labels.append(batch.labels[:, 0])
    both, truth = np.concatenate(scores), np.concatenate(labels).astype(np.float32)
    change = float(np.abs(both[:, 0] - both[:, 1]).mean())
    return average_precision(truth, both[:, 0]), average_precision(truth, both[:, 1]), change


def main() -> None:
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        run(etl, "demo files")
        annotation = "files/annotation"
        run(
            etl,
            f"genome demo.zarr --assembly demo --fasta files/genome.fa --gtf {annotation}/genes.gtf.gz --cpg "
            f"{annotation}/cpgIslandExt.txt.gz --blacklist {annotation}/blacklist.bed.gz "
            "--track Unique35=files/tracks/Unique35.bw",
        )
        run(etl, "build demo.zarr files/cells/GM12878 files/cells/HepG2 files/cells/K562")
        print(
            "model        minutes  epochs  val_loss first  best    AP of CTCF in K562  features shuffled (validation)"
        )
        for name, flags in TYPES.items():
            begin = perf_counter()
            cells, epochs = ("HepG2", 6) if name == "multiTask" else ("GM12878 HepG2", 15)
            motif = "--motifs files/motifs.meme" if "-mo" in flags else ""
            run(train, f"--store demo.zarr -i {cells} {flags} {motif} -e {epochs} -o {name}")
            minutes = (perf_counter() - begin) / 60
            losses = [row["val_loss"] for row in json.loads(Path(name, "history.json").read_text())]
            run(predict, f"--store demo.zarr -f CTCF -i K562 -m {name} --regions chr1 chr21 -o {name}.bed.gz")
            result = run(evaluate, f"{name}.bed.gz --store demo.zarr -i K562 -f CTCF --json")
            precision = json.loads(result)["scores"]["model"]["average_precision"]
            shuffle = ""
            if load_network(name).config.features:
                shuffle = "{:.4f} -> {:.4f}, p changes by {:.4f}".format(
                    *shuffled_precision(Path(name), Path("demo.zarr"))
                )
            print(
                f"{name:12s} {minutes:7.1f} {len(losses):7d} {losses[0]:14.3f} {min(losses):6.3f} {precision:16.3f}"
                f"    {shuffle}",
                flush=True,
            )


if __name__ == "__main__":
    main()
