"""Import models of the original FactorNet, without Keras.

    graph         read the layer graph of a Keras 1 model.json, if it is a FactorNet
    hdf5_file     read the weights of one HDF5 file, and nothing outside it
    import_model  convert models of the original FactorNet (Keras 1 on Theano) to model folders, without Keras
    text_files    read model.json and the lists of names

May import `model.network` and `model.model_dir`.
"""

from .import_model import import_keras, is_keras_folder, read_keras_card, write_imported

__all__ = ["import_keras", "is_keras_folder", "read_keras_card", "write_imported"]
