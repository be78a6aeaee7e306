"""What may be imported without what."""

import importlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["factornet", "factornet.store", "factornet.etl"])
def test_import_does_not_load_torch(module):
    code = f"import sys, {module}; print(sorted(m for m in sys.modules if m.partition('.')[0] == 'torch'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_store_does_not_load_the_other_stages():
    code = "import sys, factornet.store; print(sorted(m for m in sys.modules if m.startswith('factornet.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not any(stage in done.stdout for stage in ("factornet.etl", "factornet.model", "factornet.cli"))


FACES = {
    "store": """
        BASES BIN FEATURES SCHEMA_VERSION STRIDE Batch CellInfo FactorNetError GenomeCoordinates InputError Intervals
        ObjectCache Peaks Region RemoteError Sampler SamplingPlan SchemaVersionError Split Store StoreError StoreInfo
        StreamSettings UsageError WindowStream bins_in_regions label_overlaps open_store parse_region read_span split_genome
    """,
    "etl": """
        README_RULES AnnotationRules BuildReport CellOptions CopyReport DemoSummary DownloadedFile Finding GenomeInputs
        GenomeOptions Resources VerifyReport build_cell build_genome compare_with_sources copy_groups default_registry
        download_files open_destination published_rules read_intervals read_registry remove_cells select_downloads unpack_store
        verify_store write_demo
    """,
    "model": """
        Baseline Bins Callbacks FactorNet ModelCard Motif NetworkConfig Predictor SignalTarget TensorStream TrainingError
        TrainingOptions TrainingPausedError TrainingResult TrainingSetup WindowBatch WindowDataset average_precision baselines choose_device
        evaluate find_kernel_sites find_motif fit_baseline import_keras load_network match_motifs one_hot predict_bins
        predict_intervals predict_regions prepare_training read_bedgraph read_card read_meme save_weights score train
        write_bedgraph write_bigwig write_imported
    """,
}


@pytest.mark.parametrize("stage", FACES)
def test_public_names_are_those_pinned_here(stage):
    face = importlib.import_module(f"factornet.{stage}")
    assert face.__all__ == FACES[stage].split()
    assert all(getattr(face, name).__doc__ or not callable(getattr(face, name)) for name in face.__all__)
