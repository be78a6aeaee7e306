#!/usr/bin/env bash
# Real data, chr20 of hg19: CTCF learned in K562, predicted in HeLa-S3. Usage: docs/real.sh DIR
# Data: FACTORNET_REALDATA, or ../shared/data beside the checkout. Sequence: Debian's package vt-examples, or CHR20_FASTA.
set -euo pipefail
dir=${1:?give a folder to work in}
root=$(cd "$(dirname "$0")/.." && pwd)
data=$(cd "${FACTORNET_REALDATA:-$root/../shared/data}" 2>/dev/null && pwd) || {
    echo "skipped: no real data; set FACTORNET_REALDATA to its folder"
    exit 0
}
mkdir -p "$dir"
cd "$dir"
fasta=${CHR20_FASTA:-$PWD/vt/usr/share/doc/vt/examples/ref/20.fa.gz}
if [ ! -f "$fasta" ]; then
    (cd "$(mktemp -d)" && apt-get -qq download vt-examples && dpkg-deb -x vt-examples_*.deb "$OLDPWD/vt") || {
        echo "skipped: no sequence; it is in Debian's package vt-examples, or set CHR20_FASTA"
        exit 0
    }
fi
gencode=$data/annotation/wgEncodeGencodeBasicV19
rm -rf chr20.zarr

factornet-etl genome chr20.zarr --fasta "$fasta" --chrom-alias 20=chr20 --blacklist "$data/annotation/blacklist.bed.gz" \
    --annotation-bed cpg="$data/annotation/cpgisland.bed.gz" cds="$gencode.cds.merged.bed.gz" \
    intron="$gencode.intron.merged.bed.gz" promoter="$gencode.promoter.merged.bed.gz" \
    utr5="$gencode.utr5.merged.bed.gz" utr3="$gencode.utr3.merged.bed.gz" \
    --track Unique35="$data/tracks/chr20.selfUniqueness35bp.bw"
factornet-etl build chr20.zarr "$data/cells/K562" "$data/cells/HeLa-S3"
factornet-train --store chr20.zarr -f CTCF -i K562 -v chr20:40000000-45000000 -t chr20:45000000-63025520 \
    -n 5 -e 30 -mo --motifs "$data/annotation/HOCOMOCOv9.meme" -oc model
factornet-predict --store chr20.zarr -f CTCF -i HeLa-S3 -m model --regions chr20:45000000-63025520 \
    -o CTCF_HeLa-S3.bed.gz --force
factornet-evaluate CTCF_HeLa-S3.bed.gz --store chr20.zarr -i HeLa-S3 -f CTCF --track DNase \
    --motifs "$data/annotation/HOCOMOCOv9.meme" --picture locus.png
factornet-evaluate CTCF_HeLa-S3.bed.gz --store chr20.zarr -i HeLa-S3 -f CTCF --json > scores.json
