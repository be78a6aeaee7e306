#!/usr/bin/env bash
# Real data, chr20 of hg19: CTCF learned in K562 by the published recipe, predicted in HeLa-S3; and by the recommended
# one each of the FACTORS, learned in the other cell lines that have it. Usage: docs/real.sh DIR [FACTOR ...]
# Data: FACTORNET_REALDATA, or ../shared/data beside the checkout. Sequence: Debian's package vt-examples, or CHR20_FASTA.
set -euo pipefail
dir=${1:?give a folder to work in}
shift
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
factornet-etl build chr20.zarr "$data/cells/GM12878" "$data/cells/K562" "$data/cells/HeLa-S3"
split=(-v chr20:40000000-45000000 -t chr20:45000000-63025520)
motifs=(--motifs "$data/annotation/HOCOMOCOv9.meme")
factornet-train --store chr20.zarr -f CTCF -i K562 "${split[@]}" -n 5 -e 30 -mo "${motifs[@]}" -oc model
factornet-predict --store chr20.zarr -f CTCF -i HeLa-S3 -m model --regions chr20:45000000-63025520 \
    -o CTCF_HeLa-S3.bed.gz --force
factornet-evaluate CTCF_HeLa-S3.bed.gz --store chr20.zarr --baselines "${motifs[@]}" --picture locus.png
factornet-evaluate CTCF_HeLa-S3.bed.gz --store chr20.zarr --json >scores.json

for factor in "$@"; do
    others=(GM12878)
    [ "$factor" = CTCF ] && others=() # it has no CTCF
    factornet-train --store chr20.zarr -f "$factor" -i K562 ${others[@]+"${others[@]}"} "${split[@]}" "${motifs[@]}" --preset blocks \
        -oc "blocks/$factor"
    factornet-predict --store chr20.zarr -f "$factor" -i HeLa-S3 -m "blocks/$factor" --fdr 0.5 --force \
        --regions chr20:45000000-63025520 -o "blocks/$factor.bw"
done
if [ $# -gt 0 ]; then
    factornet-evaluate blocks/*.bw --store chr20.zarr --baselines "${motifs[@]}" --plot blocks/scores.png
fi
