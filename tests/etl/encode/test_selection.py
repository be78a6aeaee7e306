"""Which files of a cart are taken: rule by rule, on small tables."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.encode_cart import (
    CONSERVATIVE,
    DENSITY,
    ENCODE3,
    IDR,
    OPTIMAL,
    PSEUDO,
    ROWS,
    TAKEN,
    ServedCart,
    dnase,
    peaks,
    row,
)

from factornet.etl.encode.eligible import CartOptions
from factornet.etl.encode.metadata import parse_metadata
from factornet.etl.encode.selection import select
from factornet.store import UsageError
from factornet.store.schema import check_name


def table(*rows):
    filled = [{**r, "Size": "12", "md5sum": r["md5sum"] or "a" * 32} for r in rows]
    return parse_metadata("m.tsv", enumerate(ServedCart(None, filled).table("https://e").splitlines(), 1))


def decide(*rows, listed=frozenset(), **options):
    """Accession -> what became of it: cell, role and name, or the reason."""
    selection = select(table(*rows), CartOptions(**options), listed=listed)
    return {d.file.accession: (d.cell, d.role, d.name) if d.taken else d.reason for d in selection.decisions}


def test_each_file_of_the_cart_is_taken_or_has_a_reason():
    found = decide(*ROWS, assembly="hg38")
    assert list(found) == [r["File accession"] for r in ROWS]
    assert {a for a, became in found.items() if isinstance(became, tuple)} == {*TAKEN}
    assert found["ENCFF017MAX"] == ("HepG2", "conservative", "MAX")
    assert found["ENCFF018MAX"] == ("HepG2", "relaxed", "MAX")
    reasons = {a[5:8]: became for a, became in found.items() if a not in TAKEN}
    assert reasons == {
        "002": "other replicates of the experiment", "003": "signal of the other kind", "004": "another output type",
        "005": "another assembly", "007": "another file format", "008": "another file format",
        "011": "another file format", "012": "another analysis of the experiment", "013": "another assembly",
        "014": "another output type", "015": "another experiment of the same factor or track",
        "016": "another experiment of the same factor or track", "021": "other peaks of the experiment",
        "023": "archived", "024": "control", "025": "audit ERROR", "026": "treated biosample",
        "027": "genetically modified biosample", "028": "another assay", "029": "revoked", "030": "another assay",
    }  # fmt: skip


def test_assembly_must_be_chosen_where_there_are_two():
    with pytest.raises(UsageError, match=r"files of 2 assemblies \(GRCh38, hg19\); choose one"):
        decide(*ROWS)
    with pytest.raises(UsageError, match="no file of assembly 'mm10'; the table has GRCh38, hg19"):
        decide(*ROWS, assembly="mm10")
    assert decide(peaks("ENCFF001AAA", IDR, "E1", "K562", "MAX"))["ENCFF001AAA"] == ("K562", "conservative", "MAX")
    assert decide(*ROWS, assembly="GRCh37")["ENCFF013CTC"] == ("HepG2", "conservative", "CTCF")


A, B, C = (f"ENCFF00{i}AAA" for i in "123")


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        (CONSERVATIVE, PSEUDO, {"conservative": A, "relaxed": B}),
        (IDR, PSEUDO, {"conservative": A, "relaxed": B}),
        (OPTIMAL, PSEUDO, {"conservative": A, "relaxed": B}),
        (OPTIMAL, CONSERVATIVE, {"conservative": B, "relaxed": A}),
        (CONSERVATIVE, "peaks", {"conservative": A, "relaxed": B}),
        (PSEUDO, "signal", {"conservative": A}),
        (PSEUDO, "replicated peaks", {"conservative": A}),
        (IDR, IDR, {"conservative": A}),
    ],
)
def test_conservative_and_relaxed_peaks_of_an_experiment(first, second, taken):
    rows = peaks(A, first, "E1", "K562", "MAX"), peaks(B, second, "E1", "K562", "MAX")
    found = decide(*rows)
    assert {became[1]: a for a, became in found.items() if isinstance(became, tuple)} == taken


@pytest.mark.parametrize(
    "better",
    [
        {"file_status": "released"},
        {"audit_not_compliant": ""},
        {"file_analysis_title": "ENCODE4 v1.10.0 GRCh38"},
        {"biological": "1, 2, 3"},
        {"experiment_date": "2021-01-01"},
    ],
)
def test_better_experiment_of_a_factor_is_taken_whatever_the_order(better):
    plain = {"file_status": "archived", "audit_not_compliant": "poor library"}
    plain = {key: value for key, value in plain.items() if key in better}
    rows = peaks(A, IDR, "E1", "K562", "MAX", **plain), peaks(B, IDR, "E2", "K562", "MAX", **{**plain, **better})
    for some in permutations(rows):
        found = decide(*some, archived=True)
        assert (found[B], found[A]) == (
            ("K562", "conservative", "MAX"),
            "another experiment of the same factor or track",
        )


def test_relaxed_peaks_decide_between_equal_experiments_and_are_of_the_same_analysis():
    with_relaxed = peaks(B, IDR, "E2", "K562", "MAX"), peaks(C, PSEUDO, "E2", "K562", "MAX")
    plain = peaks(A, IDR, "E1", "K562", "MAX", experiment_date="2022-01-01")
    assert decide(plain, *with_relaxed)[C] == ("K562", "relaxed", "MAX")
    older = peaks(C, PSEUDO, "E2", "K562", "MAX", file_analysis_title=ENCODE3)
    assert decide(with_relaxed[0], older)[C] == "another analysis of the experiment"


def test_track_has_the_output_type_that_all_cell_lines_have():
    atac = {"assay": "ATAC-seq"}
    rows = (
        dnase(A, "bigWig", "fold change over control", "E1", "HepG2", **atac),
        dnase(B, "bigWig", "signal p-value", "E1", "HepG2", **atac),
        dnase(C, "bigWig", "signal p-value", "E2", "K562", **atac),
    )
    assert decide(*rows)[B] == ("HepG2", "bigwig", "ATAC")
    assert decide(*rows)[A] == "another output type"
    assert decide(*rows[:2])[A] == ("HepG2", "bigwig", "ATAC")
    only = (rows[0], rows[2])
    selection = select(table(*only), CartOptions())
    warning = (
        "tracks of ATAC-seq have other values in some cell lines than in others: fold change over control in HepG2; sig"
    )
    assert [w[: len(warning)] for w in selection.warnings] == [warning]


def test_reads_are_taken_where_chosen_or_where_there_is_no_bigwig():
    bigwig = dnase("ENCFF009AAA", "bigWig", DENSITY, "E1", "K562")
    bams = [dnase(a, "bam", "alignments", "E1", "K562", biological=r) for a, r in ((A, "1"), (B, "2"), (C, "1"))]
    reads = {A: ("K562", "reads", "DGF"), B: ("K562", "reads", "DGF"), C: "other replicates of the experiment"}
    assert decide(*bams) == reads
    assert decide(bigwig, *bams, signal="reads") == {"ENCFF009AAA": "signal of the other kind", **reads}
    assert {*decide(bigwig, *bams).values()} == {("K562", "bigwig", "DNase"), "signal of the other kind"}
    assert {*decide(*bams, signal="bigwig").values()} == {"signal of the other kind"}
    merged = dnase(C, "bam", "alignments", "E1", "K562", biological="1, 2")
    assert decide(*bams[:2], merged)[C] == ("K562", "reads", "DGF")
    assert decide(*bams[:2], merged)[A] == "other replicates of the experiment"


def test_fragments_of_single_cells_give_way_to_alignments():
    fragments = row(A, "tsv", "fragments", "E1", "K562", assay="snATAC-seq")
    bulk = dnase(B, "bam", "alignments", "E2", "K562", assay="ATAC-seq")
    assert decide(fragments)[A] == ("K562", "reads", "ATAC")
    assert decide(fragments, bulk)[B] == ("K562", "reads", "ATAC")


def test_variants_donors_and_archived_files_are_taken_where_asked_for():
    assert decide(*ROWS, assembly="hg38", variants=True)["ENCFF026CTC"][0] == "HepG2_dexamethasone_100_nM"
    assert decide(*ROWS, assembly="hg38", variants=True)["ENCFF027ZNF"][0] == "K562_CRISPR_insertion"
    assert decide(*ROWS, assembly="hg38", audit_errors=True)["ENCFF025GAB"] == ("K562", "conservative", "GABPA")
    rows = [
        {
            **peaks(a, IDR, e, "right lobe of liver", "MAX"),
            "Biosample type": "tissue",
            "Donor(s)": f"/human-donors/{d}/",
        }
        for a, e, d in ((A, "E1", "ENCDO451RUA"), (B, "E2", "ENCDO793LXB"))
    ]
    assert decide(*rows)[A][0] == "right_lobe_of_liver_ENCDO451RUA"
    assert decide(*rows)[B][0] == "right_lobe_of_liver_ENCDO793LXB"
    assert decide(*rows, pool_donors=True)[A][0] == "right_lobe_of_liver"
    archived = peaks(A, IDR, "E1", "K562", "MAX", file_status="archived")
    assert decide(archived)[A] == "archived"
    assert decide(archived, archived=True)[A] == ("K562", "conservative", "MAX")


def test_tagged_factors_are_taken_as_the_plain_biosample_where_asked_for():
    tag = {
        "biosample_genetic_modifications_methods": "CRISPR",
        "biosample_genetic_modifications_categories": "insertion",
    }
    tagged = peaks(A, CONSERVATIVE, "E1", "K562", "3xFLAG-MAX", **tag)
    plain = peaks(B, PSEUDO, "E2", "K562", "MAX", audit_not_compliant="poor library")
    knockout = peaks(
        C, IDR, "E3", "K562", "eGFP-REST", **tag | {"biosample_genetic_modifications_categories": "deletion, insertion"}
    )
    assert decide(*ROWS, assembly="hg38", tagged=True)["ENCFF027ZNF"] == ("K562", "conservative", "ZNF24")
    assert decide(tagged, tagged=True)[A] == ("K562", "conservative", "MAX")
    assert decide(tagged, plain, tagged=True)[B] == ("K562", "conservative", "MAX")
    assert decide(knockout, tagged=True)[C] == "genetically modified biosample"
    assert decide(knockout, tagged=True, variants=True)[C] == (
        "K562_CRISPR_deletion_insertion",
        "conservative",
        "eGFP-REST",
    )


def test_accession_that_is_not_in_the_table_cannot_be_excluded():
    with pytest.raises(UsageError, match="the table has no file or experiment ENCFF0 to exclude"):
        decide(*ROWS, assembly="hg38", excluded=frozenset({A[:6], "ENCSR009CTC"}))


def test_long_description_of_a_variant_is_a_name_of_bounded_length():
    rows = [peaks(a, IDR, a, "K562", "MAX", biosample_treatments=("very long " * 40) + a) for a in (A, B)]
    found = decide(*rows, variants=True)
    assert {len(became[0]) for became in found.values()} == {207}
    assert found[A][0] != found[B][0]


def test_files_are_excluded_by_their_own_and_their_experiments_accession_and_by_the_list():
    first, second = peaks(A, IDR, "E1", "K562", "MAX"), peaks(B, IDR, "E2", "K562", "MAX")
    assert decide(first, second, excluded=frozenset({A}))[A] == "excluded by name"
    assert decide(first, second, excluded=frozenset({"E1"}))[B] == ("K562", "conservative", "MAX")
    listed = frozenset({f"https://e/files/{B}/@@download/{B}.bed.gz"})
    assert decide(first, second, listed=listed) == {A: "not in files.txt", B: ("K562", "conservative", "MAX")}


def test_biosamples_whose_names_differ_in_case_only_get_names_that_differ():
    found = decide(
        peaks(A, IDR, "E1", "H1", "MAX"), peaks(B, IDR, "E2", "h1", "MAX"), peaks(C, IDR, "E3", "H 1", "MAX")
    )
    names = [became[0] for became in found.values()]
    assert len({n.casefold() for n in names}) == 3
    assert names[0].startswith("H1_")
    assert names[2] == "H_1"


FILES = table(*ROWS)


@given(
    st.permutations(FILES),
    st.text(min_size=1, max_size=20),
    st.text(max_size=5),
    st.sets(st.sampled_from([f.accession for f in FILES])),
)
def test_decisions_do_not_depend_on_the_order_and_names_are_safe(files, biosample, target, renamed):
    files = [replace(f, biosample=biosample, target=target) if f.accession in renamed else f for f in files]
    options = CartOptions(assembly="GRCh38", variants=True, archived=True, audit_errors=True)
    first = {d.file.accession: d for d in select(files, options).decisions}
    second = {d.file.accession: d for d in select(files[::-1], options).decisions}
    assert first == second
    taken = [d for d in first.values() if d.taken]
    assert all(check_name(d.cell, "cell line") and check_name(d.name, "name") for d in taken)
    roles = [(d.cell, d.role, d.name) for d in taken if d.role != "reads"]
    assert len(roles) == len({*roles})
    assert {(d.cell, d.name) for d in taken if d.role == "relaxed"} <= {
        (d.cell, d.name) for d in taken if d.role == "conservative"
    }
