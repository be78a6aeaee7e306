"""Import models of the original FactorNet, without Keras.

May import `model.network` and `model.model_dir`.
"""

from .import_model import import_keras, is_keras_folder, read_keras_card, write_imported

__all__ = ["import_keras", "is_keras_folder", "read_keras_card", "write_imported"]
