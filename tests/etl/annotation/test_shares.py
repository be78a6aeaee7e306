"""The record of an annotation: bases and shares of features, and warnings of those unlike a gene set's."""

import gzip

import numpy as np
import pytest

from factornet.etl.annotation.features import Annotation, annotation_from_beds
from factornet.etl.annotation.shares import annotation_notes, describe_annotation
from factornet.store.annotation_rules import README_RULES, AnnotationRules, published_rules
from factornet.store.genome.intervals import GenomeCoordinates
from factornet.store.schema import FEATURES

SHARES = {  # roughly, of genomes with whole gene sets: CpG islands, CDS, introns, promoters, UTRs
    "human": (0.007, 0.012, 0.42, 0.009, 0.003, 0.010),
    "human, chromosome 19": (0.033, 0.035, 0.50, 0.03, 0.010, 0.025),
    "human, chromosome 13": (0.004, 0.005, 0.33, 0.004, 0.0012, 0.004),
    "human, CpG islands of unmasked sequence": (0.013, 0.012, 0.42, 0.009, 0.003, 0.010),
    "mouse": (0.004, 0.013, 0.38, 0.008, 0.003, 0.010),
    "fly": (0.05, 0.17, 0.35, 0.05, 0.02, 0.04),
    "worm": (0.01, 0.25, 0.30, 0.08, 0.008, 0.02),
    "thale cress": (0.02, 0.28, 0.15, 0.09, 0.02, 0.04),
}


def warnings_of(shares, *, size=100_000_000, rules=README_RULES):
    bases = {name: round(share * size) for name, share in zip(FEATURES, shares, strict=True)}
    return describe_annotation(Annotation({}, rules, ()), bases, size)["notes"]


@pytest.mark.parametrize("genome", SHARES)
def test_shares_of_whole_gene_sets_have_no_warning(genome):
    assert warnings_of(SHARES[genome]) == []
    published = published_rules()
    wider = [share * (1.5 if name == "promoter" else 1) for name, share in zip(FEATURES, SHARES[genome], strict=True)]
    assert warnings_of(wider, rules=published) == []


@pytest.mark.parametrize(
    ("feature", "share"), [("intron", 0.9), ("cds", 0.6), ("cds", 1e-4), ("promoter", 1e-5), ("cpg", 0.3)]
)
def test_share_unlike_that_of_a_gene_set_is_warned_of(feature, share):
    shares = [share if name == feature else s for name, s in zip(FEATURES, SHARES["human"], strict=True)]
    (warning,) = warnings_of(shares)
    assert warning.startswith(f"warning: {share:.3%} of the genome are {feature}, of genomes with a whole gene set ")
    assert warnings_of(shares, size=8_000_000) == []  # a part of a genome, or a simulated one


def test_wide_promoters_may_cover_more():
    shares = [0.3 if name == "promoter" else s for name, s in zip(FEATURES, SHARES["thale cress"], strict=True)]
    assert len(warnings_of(shares)) == 1
    assert warnings_of(shares, rules=AnnotationRules(upstream=2000, downstream=200)) == []


def test_features_without_a_base_are_warned_of_in_every_genome():
    (warning,) = warnings_of([0 if name in ("cds", "utr5") else 0.01 for name in FEATURES], size=60_000)
    assert warning == "warning: no base of the genome is cds, utr5: does the file have its lines?"


def test_lines_of_the_summary():
    record = describe_annotation(Annotation({}, README_RULES, ("a note",)), dict.fromkeys(FEATURES, 5), 1000)
    bases = ", ".join(f"{name} 5 (0.500%)" for name in FEATURES)
    assert annotation_notes(record, 1000) == [
        f"annotation: bases (share of the genome): {bases}",
        "annotation: rules: readme (promoters of 300/100 bases, UTRs of coding transcripts)",
        "annotation: a note",
    ]
    assert annotation_notes(None, 1000) == ["no annotation given: the genome has none"]
    assert annotation_notes({**record, "rules": None}, 1000)[1] == "annotation: rules: not known"


def beds(tmp_path, promoters):
    files = {name: tmp_path / f"{name}.bed" for name in FEATURES}
    for path in files.values():
        path.write_text("chr1\t5\t9\nchrM\t5\t9\n")
    files["promoter"].write_text("".join(f"chr1\t{a}\t{b}\n" for a, b in promoters))
    return files


GENOME = GenomeCoordinates(("chr1",), (20_000,))


@pytest.mark.parametrize(
    ("promoters", "rules"),
    [
        (((0, 300), (1000, 1401), (3000, 3700)), README_RULES),
        (((1000, 1601), (3000, 3700), (19_900, 20_000)), published_rules()),
        (((1000, 1501), (3000, 3601)), None),
        (((0, 401),), None),
    ],
)
def test_rules_of_bed_files_are_those_of_the_width_of_promoters(tmp_path, promoters, rules):
    found = annotation_from_beds(beds(tmp_path, promoters), GENOME, {})
    assert found.rules == rules
    said = [note for note in found.notes if "promoters of" in note]
    assert said == (
        [f"promoters of {rules.promoter_width} bases: taken as made by the rules {rules.name}"] if rules else []
    )
    assert "cpg: 1 interval left out, on 1 chromosome that the store lacks: chrM (1)" in found.notes
    assert annotation_from_beds(beds(tmp_path, promoters), GENOME, {}, README_RULES).rules == README_RULES


@pytest.mark.realdata
def test_published_annotation_of_chr20_has_no_warning(realdata):
    files = {f: realdata / f"annotation/wgEncodeGencodeBasicV19.{f}.merged.bed.gz" for f in FEATURES[1:]}
    files["cpg"] = realdata / "annotation/cpgisland.bed.gz"
    for path in files.values():
        assert gzip.decompress(path.read_bytes())
    found = annotation_from_beds(files, GenomeCoordinates(("chr20",), (63_025_520,)), {})
    bases = {name: int(np.sum(i.stops - i.starts)) for name, i in found.features.items()}
    assert found.rules == published_rules()
    assert [n for n in describe_annotation(found, bases, 63_025_520)["notes"] if n.startswith("warning")] == []
