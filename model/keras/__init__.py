"""Import models of the original FactorNet, without Keras.

May import `model.network` and `model.model_dir`.
"""
