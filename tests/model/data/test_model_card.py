"""The card of a model: what model.json records is there, what it does not is said to be unknown."""

import pytest
from support.keras_folder import GEPC, Spec, write_folder

from factornet.cli.model import main
from factornet.model import ModelCard, NetworkConfig, write_imported
from factornet.model.data.model_card import card_markdown

CONFIG = NetworkConfig(tasks=("MAX", "A|B"), tracks=("Unique35", "DGF"), gencode=True, kernels=4, recurrent=2, dense=3)
FIGURES = {"mean": 0.25, "nonzero": 0.1, "negative": 0.0, "quantiles": {"0.5": 0.0, "0.999": 9.5}}


def trained(**provenance):
    training = {"cells": ["K562"], "valid_cells": ["HepG2"], "valid": ["chr11:0-9"], "test": ["chr1:0-9", "chr8:0-9"]}
    training["split"] = {"positives_are": "peaks", "train": {"bases": 1000, "share": 0.5, "positives": {"K562": 7}}}
    found = {
        "assembly": "hg19",
        "chromosomes": {"chr1": "x"},
        "manifests": {"genome": "0" * 64},
        "signals": {"DGF": {"K562": {"assay": "DNase-seq", "units": "1x", "figures": FIGURES}}},
        "annotation": {"rules": {"upstream": 500, "downstream": 100, "untranslated": "ucsc"}},
        "cross_validation": {
            "K562": {"average_precision": 0.51, "auroc": 0.98, "intervals": {"average_precision": [0.4, 0.6]}}
        },
    }
    return ModelCard(config=CONFIG, training=training, provenance=found | provenance)


def test_card_says_what_is_recorded():
    text = card_markdown("MAX_1", trained(), {})
    assert text.startswith("# MAX\\_1\n\n- factors: MAX, A\\|B\n")
    for line in (
        "- tracks: Unique35, DGF",
        "- gene annotation by the rules: published (promoters of 500/100 bases",
        "| DGF | K562 | DNase-seq | 1x | 0.25 | 10.000% | 9.5 |",
        "- cell lines: K562; validated in HepG2",
        "- regions held out: chr1:0-9, chr8:0-9",
        "| train | 1,000 | 50.0% | K562 7 |",
        "| K562 | average precision | 0.5100 | 0.4000 to 0.6000 |",
        "| K562 | auROC | 0.9800 | unknown |",
        "- licence: not recorded",
    ):
        assert line in text, line


def test_text_of_strangers_is_shown_as_it_is():
    origin = {"name": "a\n# b", "licence": "<script>", "citation": "[x](y)"}
    text = card_markdown("x", trained(origin=origin), {})
    assert "<script>" not in text.replace("\\<", "")
    assert "\n# b" not in text
    assert "\\[x\\](y)" in text


def test_other_forms_of_the_records_are_no_crash():
    text = card_markdown("x", trained(cross_validation={"K562": 3}, origin=[1]), {})
    assert "neither cross-validation nor calibration" in text


@pytest.mark.parametrize(
    ("split", "row"),
    [
        ({"bases": "x", "share": None, "positives": [1]}, "| train | unknown | unknown | none |"),
        ({"bases": [1], "share": True, "positives": {"K562": "7"}}, "| train | unknown | unknown | K562 unknown |"),
        ({}, "| train | unknown | unknown | none |"),
    ],
)
def test_numbers_of_another_form_are_unknown(split, row):
    card = trained(sha256=[1], manifests={})
    card = ModelCard(
        config=CONFIG, training=dict(card.training) | {"split": {"train": split}}, provenance=card.provenance
    )
    assert row in card_markdown("x", card, {})


def test_card_of_an_original_and_of_an_imported_model(tmp_path, capsys):
    folder = write_folder(tmp_path / "keras", Spec(meta=GEPC, published=True))
    origin = {"name": "MAX/x", "url": "https://example.org/", "licence": "MIT", "citation": "Quang"}
    write_imported(folder, tmp_path / "MAX", origin=origin)
    for path, licence in ((folder, "not recorded"), (tmp_path / "MAX", "MIT")):
        assert main(["card", str(path)]) == 0
        text = capsys.readouterr().out
        assert f"- licence: {licence}" in text
        assert "- gene expression of the cell line: GEPC1, GEPC2" in text
        assert "- cell lines and regions: unknown" in text


def test_scores_of_validation_and_what_is_stated_are_on_the_card():
    epochs = [
        {"epoch": 1, "loss": 0.7, "val_loss": 0.5, "val_average_precision": 0.4},
        {"epoch": 2, "loss": 0.6, "val_loss": 0.3, "val_average_precision": 0.6},
        {"epoch": 3, "loss": 0.5, "val_loss": 0.4, "val_average_precision": 0.7},
    ]
    text = card_markdown("x", trained(), {}, epochs=epochs, stated={"licence": "CC BY 4.0", "contact": "=ada <b>"})
    assert "0.6000 of sampled windows, easier than all bins (epoch 2 of 3, loss 0.3000)" in text
    assert "- licence: CC BY 4.0" in text
    assert "- contact: =ada \\<b\\>" in text
