"""The mean filter (IBSI S60F)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.filters.boundary import NDIMAGE_MODES, Boundary
from petnet.radiomics.filters.separable import pass_in_threads
from petnet.radiomics.filters.spec import Mean

__all__ = ["box_mean", "mean_response"]


def mean_response(values: NDArray[np.float64], filter_: Mean) -> NDArray[np.float64]:
    """Return the mean over a box of `filter_.support` voxels a side around each voxel."""
    return box_mean(values, filter_.support, filter_.dimension, filter_.boundary)


def box_mean(
    values: NDArray[np.float64], size: int, dimension: int, boundary: Boundary
) -> NDArray[np.float64]:
    """Average over boxes of `size` voxels along the first `dimension` axes, by running sums."""
    from scipy import ndimage

    mode = NDIMAGE_MODES[boundary]
    for axis in range(dimension):

        def one_pass(
            source: NDArray[np.float64], result: NDArray[np.float64], axis: int = axis
        ) -> None:
            ndimage.uniform_filter1d(source, size, axis, result, mode)

        values = pass_in_threads(one_pass, values, axis)
    return values
