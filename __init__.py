"""FactorNet: where does a transcription factor bind, in which cell type?

``factornet.etl`` turns genome, signal, peak and annotation files into a Zarr store, ``factornet.store`` reads it,
``factornet.model`` trains on it and predicts, ``factornet.cli`` holds the commands.
"""

__version__ = "0.1.0"
