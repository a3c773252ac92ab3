"""Laws kernels and their texture energy (IBSI JTXT)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.filters.mean import box_mean
from petnet.radiomics.filters.rotation import pool_rotations
from petnet.radiomics.filters.separable import Product
from petnet.radiomics.filters.spec import LAWS_KERNELS, Laws

__all__ = ["laws_product", "laws_response"]


def laws_response(values: NDArray[np.float64], filter_: Laws) -> NDArray[np.float64]:
    """Return the response to Laws kernels, pooled over rotations, then made an energy if asked.

    Energy is the mean absolute response in a box of 2 · energy_distance + 1 voxels a side, under
    the same boundary condition.
    """
    product = laws_product(filter_)
    response = pool_rotations(values, product, filter_.pooling, filter_.boundary)
    if filter_.energy_distance is None:
        return response
    size = 2 * filter_.energy_distance + 1
    return box_mean(np.abs(response), size, filter_.dimension, filter_.boundary)


def laws_product(filter_: Laws) -> Product:
    """Return the kernels of the axes, each scaled to unit Euclidean length."""
    kernels = (np.array(LAWS_KERNELS[name], dtype=np.float64) for name in filter_.kernels)
    return tuple(tuple((k / np.linalg.norm(k)).tolist()) for k in kernels)
