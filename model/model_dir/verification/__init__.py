"""Verify a model folder: read every file in it, and compare it with what covers it and with the other files.

    event_file      check the checksums of TensorBoard's logs
    verify          compare all files of a model folder, and say how far its training has come
    verify_history  compare tables and picture of the history with training.json and the training states

May import the rest of `model.model_dir`.
"""

from .verify import verify_model

__all__ = ["verify_model"]
