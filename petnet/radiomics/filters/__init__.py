"""Convolutional image filters (IBSI-2): settings, and the response map of a whole image."""

from petnet.radiomics.filters.apply import apply_filter, reach_voxels
from petnet.radiomics.filters.boundary import Boundary
from petnet.radiomics.filters.spec import (
    Filter,
    Gabor,
    LaplacianOfGaussian,
    Laws,
    Mean,
    Pooling,
    Riesz,
    SeparableWavelet,
    Simoncelli,
)

__all__ = [
    "Boundary",
    "Filter",
    "Gabor",
    "LaplacianOfGaussian",
    "Laws",
    "Mean",
    "Pooling",
    "Riesz",
    "SeparableWavelet",
    "Simoncelli",
    "apply_filter",
    "reach_voxels",
]
