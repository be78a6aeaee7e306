#!/usr/bin/env bash
# Train, predict and score the pairs of a table, as the final round of ENCODE-DREAM (docs/dream.md).
#   bash docs/dream.sh STORE PAIRS OUT "TEST REGIONS" [options of factornet-train]
# Repeat it after an interruption: models and predictions that are done are kept.
set -euo pipefail
store=$1 pairs=$2 out=$3 test=$4
shift 4
mkdir -p "$out"
while IFS=$'\t' read -r factor cell training; do
    [[ -z $factor || $factor == "#"* ]] && continue
    model=$out/$factor predictions=$out/${factor}_$cell.bw
    [[ -e $predictions ]] && continue
    resume=()
    [[ -e $model/model.json ]] && resume=(--resume)
    # Words are split on purpose: cell lines and regions are lists.
    # shellcheck disable=SC2086
    factornet-train --store "$store" -f "$factor" -i $training -t $test -o "$model" "$@" ${resume[@]+"${resume[@]}"} </dev/null
    # shellcheck disable=SC2086
    factornet-predict --store "$store" -f "$factor" -i "$cell" -m "$model" --regions $test --resume \
        -o "$predictions" </dev/null
done <"$pairs"
factornet-evaluate "$out"/*.bw --store "$store" --plot "$out/dream.png" | tee "$out/dream.txt"
