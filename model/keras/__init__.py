"""Import models of the original FactorNet, without Keras.

    graph         read the layer graph of a model.json of Keras 1 or 2, if it is a FactorNet
    hdf5_file     read the weights of one HDF5 file, and nothing outside it
    import_model  convert models of the original FactorNet (Keras 1 on Theano) to model folders, without Keras
    keras2        read models that Keras 2 wrote, in the terms of Keras 1
    open_model    open a model of either kind: a model folder, or a folder of the original FactorNet
    original_folder  tell folders of the original FactorNet from others, and find their files of weights
    text_files    read model.json and the lists of names

May import `model.network` and `model.model_dir`.
"""

from .import_model import import_keras, load_keras, read_keras_card, write_imported
from .open_model import open_card, open_model
from .original_folder import is_keras_folder

__all__ = [
    "import_keras",
    "is_keras_folder",
    "load_keras",
    "open_card",
    "open_model",
    "read_keras_card",
    "write_imported",
]
