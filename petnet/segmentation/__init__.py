"""Delineating lesions by thresholds, gradients and regions: NumPy and SciPy only.

A method (`PercentOfMax(41)`) is a frozen record of its settings; `method.segment(volume, start)`
returns what it found as `Segmented`, or raises `NotSegmented` with the reason why there is nothing.
A `Start` is a seed, a box or a rough mask.
"""

from petnet.segmentation.gradient import Gradient
from petnet.segmentation.method import Method, NotSegmented, Segmented
from petnet.segmentation.start import Start, box_start, mask_start, seed_start, voxel_of
from petnet.segmentation.thresholds import (
    BackgroundCorrected,
    ContrastOriented,
    FixedThreshold,
    PercentOfMax,
    PercentOfPeak,
    Percist,
)

__all__ = [
    "BackgroundCorrected",
    "ContrastOriented",
    "FixedThreshold",
    "Gradient",
    "Method",
    "NotSegmented",
    "PercentOfMax",
    "PercentOfPeak",
    "Percist",
    "Segmented",
    "Start",
    "box_start",
    "mask_start",
    "seed_start",
    "voxel_of",
]
