"""Validate on all bins of whole regions, not on sampled windows.

    calibrate          calibrate a trained model on its validation regions
    calibration_fit    fit a calibration to labelled bins; measure calibration and false discoveries
    region_validation  loss and average precision of a network on all bins

May import `model.evaluation` and what lies below it.
"""

from .calibrate import calibrate_model, fit_calibrations
from .region_validation import RegionValidation, measure

__all__ = ["RegionValidation", "calibrate_model", "fit_calibrations", "measure"]
