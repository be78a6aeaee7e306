"""The history of a training: its form, and what differs from it."""

import json

import pytest
from support.findings import kinds
from support.sealed import change_sealed

from factornet.model import read_card
from factornet.model.model_dir.history import best_epoch, read_history, write_history
from factornet.model.model_dir.verification.verify import verify_model
from factornet.store import InputError


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": []},
        {"epochs": 3},
        {"epochs": [{"epoch": 1}]},
        {"ended": 5},
        {"tables_sha256": None},
        {"tables_sha256": {}},
    ],
)
def test_history_of_another_form_is_damage(model, change):
    change_sealed(model / "training.json", **change)
    with pytest.raises(InputError, match=r"training\.json: .* must be"):
        read_history(model, read_card(model).digest)
    assert kinds(model)["training.json"] == "damaged"


def test_history_of_a_newer_version_is_unchecked(model):
    change_sealed(model / "training.json", version=2)
    report = verify_model(model)
    assert [(f.path, f.kind, f.remedy) for f in report.faults] == [("training.json", "unchecked", "update factornet")]


def test_history_round_trip(model):
    digest = read_card(model).digest
    rows = [{"epoch": 1, "loss": 0.1 + 0.2, "val_loss": 1e-7, "val_average_precision": 1}]
    write_history(model, digest, rows, ended="why")
    history = read_history(model, digest)
    assert (history.epochs, history.ended) == (rows, "why")
    assert json.loads((model / "history.json").read_text()) == rows
    assert (model / "history.csv").read_text() == (
        "epoch,loss,val_loss,val_average_precision\n1,0.30000000000000004,1e-07,1\n"
    )


def test_best_epoch_is_the_first_with_the_best_of_what_was_selected_by():
    scores = [(0.5, 0.2), (0.3, 0.4), (0.4, 0.6), (0.3, 0.6)]
    rows = [{"epoch": i, "val_loss": a, "val_average_precision": b} for i, (a, b) in enumerate(scores, 1)]
    assert (best_epoch(rows, "loss"), best_epoch(rows, "ap"), best_epoch([], "ap")) == (2, 3, 0)
