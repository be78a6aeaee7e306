"""A model folder on disk: configuration, weights, training state, and how it is created and replaced.

    model.json            format, version, network configuration, training options, provenance
    best.safetensors      weights of the best epoch
    last.safetensors      weights at the end of training
    mean_signal.safetensors   mean signal of cell lines, of networks over blocks that see it (`mean_signal`)
    last-000007.*         training state 7 and the one before it (`training_state`)
    paused-000001204.*    state within an epoch, of a training that was paused after step 1204
    training.json         losses by epoch (`history`); training.png draws them, and says so (`png_text`)
    history.json, .csv    the same as plain tables
    run.toml              command, host, dates and versions of the run that wrote it (`cli.run.record`)
    calibration.json      what scores mean: frequencies and false discovery rates (`calibration`), and what rates to
                          expect in cell lines that it has not seen (`other_cells`)
    tensorboard/          logs for TensorBoard, if asked for (`verification`)
    chip.txt bigwig.txt feature.txt meta.txt      names, one per line, as FactorNet writes them

Each file is replaced atomically and covered by a digest: model.json and the records of training states by their own,
tensors by one in their header, which also names the model.json that they belong to (`tensor_file`). `verification`
compares all of them, and returns `findings`.
May import `model.network`.
"""

from .card import ModelCard, read_card
from .findings import FileFinding, ModelReport
from .lifecycle import backup_path, complete_model, create_model
from .training_state import TrainingState, load_training_state, save_training_state
from .verification import verify_model
from .weights import load_network, save_weights

__all__ = [
    "FileFinding",
    "ModelCard",
    "ModelReport",
    "TrainingState",
    "backup_path",
    "complete_model",
    "create_model",
    "load_network",
    "load_training_state",
    "read_card",
    "save_training_state",
    "save_weights",
    "verify_model",
]
