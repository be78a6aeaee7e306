#!/usr/bin/env bash
# The whole way on a made-up experiment: files -> store -> model -> predictions -> scores. Usage: docs/demo.sh DIR
set -euo pipefail
dir=${1:?give a folder to work in}
rm -rf "$dir"
mkdir -p "$dir"
cd "$dir"

factornet-etl demo files
factornet-etl genome demo.zarr --assembly demo --fasta files/genome.fa \
    --gtf files/annotation/genes.gtf.gz --cpg files/annotation/cpgIslandExt.txt.gz \
    --blacklist files/annotation/blacklist.bed.gz --track Unique35=files/tracks/Unique35.bw
factornet-etl build demo.zarr files/cells/GM12878 files/cells/HepG2 files/cells/K562

# chr11 validates, chr1 and chr21 (and K562) are never seen in training: FactorNet's own defaults.
factornet-train --store demo.zarr -f CTCF -i GM12878 HepG2 -n 5 -e 15 -mo --motifs files/motifs.meme -o model
factornet-predict --store demo.zarr -f CTCF -i K562 -m model --regions chr1 chr21 -o CTCF_K562.bed.gz
factornet-evaluate CTCF_K562.bed.gz --store demo.zarr --baselines --motifs files/motifs.meme --picture locus.png \
    --plot measures.png
echo "pictures: $PWD/model/training.png, $PWD/locus.png and $PWD/measures.png"
