"""Signals unlike those of training: other units are refused, other scales and assays warned of, with both figures."""

import json
from pathlib import Path

import pytest

from factornet.model.data.signals import compare_among, compare_signals, recorded_signals, track_signals
from factornet.store import InputError, StoreError, UsageError, open_store

FIXTURE = Path(__file__).parents[2] / "fixtures/store-schema-1.zip"


def signal(mean=0.022, top=2.3, nonzero=0.015, *, negative=0.0, assay="", units=""):
    """A signal; the defaults are those of DNase cuts of 60 M reads of 36 bases, in 1x."""
    quantiles = {"0.5": 0.0, "0.9": 0.0, "0.99": 1.1, "0.999": top}
    figures = {"mean": mean, "nonzero": nonzero, "negative": negative, "quantiles": quantiles}
    return {"assay": assay, "units": units, "figures": figures}


def compare(own, *training, **options):
    recorded = {"DNase": {f"T{i}": other for i, other in enumerate(training)}}
    return compare_signals(recorded, {"DNase": {"X": own}}, **options)


# Measured on chr20 with the real positions of DNase peaks (docs/decisions.md): figures of cuts in 1x from 20 M to 300 M
# reads of 20 to 101 bases, and of other signals made of the same cuts.
ALIKE = {
    "20 M reads": signal(0.0222, 3.44, 0.0056),
    "300 M reads": signal(0.0222, 2.06, 0.0619),
    "reads of 20 bases": signal(0.0399, 6.19, 0.0056),
    "reads of 101 bases": signal(0.0079, 0.734, 0.0619),
    "ATAC-seq": signal(0.0105, 1.62, 0.0107),
}
UNLIKE = {
    "fold change": (signal(0.911, 57, 0.86), "mean 0.911 against 0.022 in T0; quantile 0.999 57 against 2.3 in T0"),
    "coverage in 1x": (signal(0.798, 64, 0.344), "mean 0.798 against 0.022 in T0"),
    "CPM": (signal(0.000322, 0.0332, 0.0152), "mean 0.000322 against 0.022 in T0"),
    "log2 fold change": (signal(-0.767, 5.5, 1.0, negative=0.874), "87.40% of bases are negative, none in training"),
    "dense": (signal(0.03, 2.0, 0.8), "nonzero fraction 0.8 against 0.015 in T0"),
    "empty": (signal(0, 0, 0), "it is 0 throughout"),
}


@pytest.mark.parametrize("own", ALIKE)
@pytest.mark.parametrize("trained", ALIKE)
def test_equally_normalised_signals_are_alike(own, trained):
    assert compare(ALIKE[own], ALIKE[trained]) == []


@pytest.mark.parametrize("kind", UNLIKE)
def test_other_signals_are_warned_of_with_both_figures(kind):
    own, figures = UNLIKE[kind]
    (warning,) = compare(own, signal())
    assert warning.startswith("track DNase of X is not on the scale of training: ")
    assert figures in warning
    assert warning.endswith("or be another kind of signal (fold change, raw counts)")
    assert compare(own, signal(), own) == []  # one similar cell line of training is enough


def test_signal_without_the_negatives_or_the_zeros_of_training_is_warned_of():
    ratio = UNLIKE["log2 fold change"][0]
    (warning,) = compare(signal(0.3, 5.5, 0.9), ratio)
    assert "no base is negative, 87.40% or more in training" in warning
    assert compare(signal(0.3, 5.5, 0.9), ratio, signal(0.3, 5.5, 0.9)) == []
    assert compare(signal(), signal(negative=0.001)) == []
    (warning,) = compare(signal(), signal(0, 0, 0))
    assert "it is 0 throughout in training" in warning


def test_zeros_of_a_figure_are_not_compared():
    assert compare(signal(top=0), signal()) == compare(signal(), signal(top=0)) == []
    assert compare(signal(0, 0, 0), signal(0, 0, 0)) == []
    assert compare(signal(-0.1, negative=0.5), signal(0.1, negative=0.5)) == []


def test_units_that_differ_by_name_are_refused_or_warned_of():
    training = signal(units="1x"), signal(units="1X"), signal(units="CPM"), signal()
    message = r"track DNase of X has the units counts, training had 1x \(T0\), 1X \(T1\), CPM \(T2\); convert it"
    with pytest.raises(UsageError, match=message):
        compare(signal(units="counts"), *training)
    (warning,) = compare(signal(units="counts"), *training, ignore_units=True)
    assert warning == "track DNase of X has the units counts, training had 1x (T0), 1X (T1), CPM (T2)"
    for units in ("1x", "1X", "cpm"):
        assert compare(signal(units=units), *training) == []
    assert compare(signal(units="counts"), signal()) == []


def test_units_that_only_the_cell_line_names_are_said_where_the_figures_differ():
    """Where the figures are alike, nothing is said: the cell line is not at fault."""
    unlike = signal(0.911, 57, 0.86, units="fold-change")
    (warning,) = compare(unlike, signal())
    assert "; X has DNase in fold-change, training named no units. It may be normalised" in warning
    assert compare(signal(units="1x"), signal()) == []


def test_assay_and_units_that_only_training_names_are_warned_of():
    """Also where the figures are alike: cuts of ATAC-seq are on the scale of those of DNase-seq."""
    training = signal(assay="DNase-seq", units="1x"), signal(units="CPM"), signal()
    rows = "they cannot be compared; state assay=... units=... in bigwig.txt and build X again"
    (warning,) = compare(signal(), *training)
    expected = "training had track DNase with assay DNase-seq and units 1x, CPM, not stated for X"
    assert warning == f"{expected}: {rows}"
    (warning,) = compare(signal(assay="ATAC-seq"), signal(units="1x"))
    assert warning == (
        "training had track DNase with units 1x, not stated for X: they cannot be compared; state units=... in "
        "bigwig.txt and build X again"
    )
    scale, named = compare(signal(0.911, 57, 0.86), *training)
    assert scale.startswith("track DNase of X is not on the scale of training: mean ")
    assert named.startswith(expected)
    assert compare(signal(), signal()) == compare(signal(assay="dnase-seq", units="CPM"), *training) == []


def test_what_several_cell_lines_do_not_name_is_one_warning():
    found = {track: {"X": signal(), "Y": signal(units="1x")} for track in ("A", "B", "C")}
    recorded = {"A": {"T": signal(units="1x")}, "B": {"T": signal(assay="DNase-seq")}, "C": {"T": signal()}}
    (warning,) = compare_signals(recorded, found)
    assert warning == (
        "training had track A with units 1x, not stated for X; track B with assay DNase-seq, not stated for X, Y: they "
        "cannot be compared; state units=... assay=... in bigwig.txt and build X, Y again"
    )


def test_another_assay_is_warned_of():
    (warning,) = compare(signal(assay="ATAC-seq"), signal(assay="DNase-seq"))
    assert warning == "track DNase of X comes from ATAC-seq, training had DNase-seq (T0)"
    assert compare(signal(assay="dnase-SEQ"), signal(assay="DNase-seq")) == []


def test_missing_figures_are_said_in_one_line():
    found = {"Unique35": {"X": signal()}, "DNase": {"X": signal()}}
    expected = ["the scale of Unique35, DNase cannot be compared with that of training: the model records no figures"]
    assert compare_signals({}, found) == expected
    named = {"DNase": {"FactorNet's README": {"assay": "DNase-seq", "units": "1x"}}}
    (figures, units) = compare_signals(named, found)
    assert figures == expected[0]
    assert units.startswith("training had track DNase with assay DNase-seq and units 1x, not stated for X: ")
    with pytest.raises(UsageError, match=r"training had 1x \(FactorNet's README\)"):
        compare_signals(named, {"DNase": {"X": signal(units="CPM")}})


def test_cell_lines_of_a_training_are_compared_with_each_other():
    signals = {"DNase": {"A": signal(), "B": signal(1.0, 50, 0.8), "C": signal(0.9, 40, 0.9), "D": signal()}}
    (warning,) = compare_among(signals)
    assert warning.startswith("track DNase of B is not on the scale of training: mean 1 against 0.022 in A")
    assert compare_among({"DNase": {"A": signal(1.0, 50)}}) == compare_among({}) == []
    units = {"DNase": {"A": signal(units="1x"), "B": signal(units="CPM")}}
    with pytest.raises(UsageError, match=r"track DNase of B has the units CPM, training had 1x \(A\)"):
        compare_among(units)
    assert len(compare_among(units, ignore_units=True)) == 1
    for units in ({"A": signal(units="1x"), "B": signal()}, {"B": signal(), "A": signal(units="1x")}):
        (warning,) = compare_among({"DNase": units})
        assert warning.startswith("training had track DNase with units 1x, not stated for B: ")


def test_store_without_figures_is_compared_by_name_only():
    """A store of a version that recorded no figures."""
    store = open_store(FIXTURE)
    found = track_signals(store, ("CELL",), store.cell("CELL").track_names)
    assert found == {track: {"CELL": {"assay": "", "units": ""}} for track in ("Unique35", "DGF")}
    (warning,) = compare_signals({"DGF": {"T": signal()}, "Unique35": {"T": signal()}}, found)
    expected = (
        "the scale of Unique35, DGF cannot be compared with that of training: the store, built by an earlier version"
    )
    assert warning.startswith(expected)


def test_signals_of_a_store_survive_json(demo_store):
    store = open_store(demo_store)
    found = track_signals(store, ("K562", "HepG2"), ("DGF", "Unique35"))
    assert list(found) == ["DGF", "Unique35"]
    assert found["DGF"]["K562"]["figures"] == store.cell("K562").summary["tracks"]["DGF"]["all_bases"]
    assert found["Unique35"]["HepG2"]["figures"] == store.info.summary["tracks"]["Unique35"]["all_bases"]
    assert recorded_signals({"signals": json.loads(json.dumps(found))}, location="model") == found
    assert compare_among(found) == []


DAMAGE = [
    ("signals", 3),
    ("signals", {"DGF": 3}),
    ("signals", {"DGF": {"A": {}}}),
    ("signals", {"DGF": {"A": signal(mean="x")}}),
    ("signals", {"DGF": {"A": signal(mean=float("nan"))}}),
    ("signals", {"DGF": {"A": {**signal(), "figures": {"mean": 1, "nonzero": 1, "negative": 0, "quantiles": {}}}}}),
]


@pytest.mark.parametrize(("key", "value"), DAMAGE)
def test_foreign_figures_are_refused(demo_store, key, value):
    with pytest.raises(InputError, match=r"model: the signals in its model\.json have another form"):
        recorded_signals({key: value}, location="model")
    store = open_store(demo_store)
    store.cell("K562").summary["tracks"]["DGF"]["all_bases"] = {"mean": "x"}
    with pytest.raises(StoreError, match="the figures of the track DGF have another form"):
        track_signals(store, ("K562",), ("DGF",))


def test_signals_of_no_cell_line(demo_store):
    with pytest.raises(UsageError, match="no cell line 'X'"):
        track_signals(open_store(demo_store), ("X",), ("DGF",))
