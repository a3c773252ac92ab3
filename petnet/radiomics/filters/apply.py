"""A filter's settings applied to an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.filters.gabor import gabor_half_widths, gabor_response
from petnet.radiomics.filters.laws import laws_product, laws_response
from petnet.radiomics.filters.log import half_widths, log_response
from petnet.radiomics.filters.mean import mean_response
from petnet.radiomics.filters.riesz import riesz_response
from petnet.radiomics.filters.separable import Product
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
from petnet.radiomics.filters.wavelets import (
    separable_wavelet_response,
    simoncelli_response,
    wavelet_product,
)

__all__ = ["apply_filter", "reach_voxels"]


def apply_filter(
    values: NDArray[np.float64], spacing_mm: Sequence[float], filter: Filter
) -> NDArray[np.float64]:
    """Return the response map of an image.

    Parameters
    ----------
    values : (X, Y, Z) float64
        The image, resampled and rounded but not clipped, and whole: IBSI-2 filters before it
        looks at the region. `reach_voxels` says how much of the image may be cut away.
    spacing_mm : three floats
        Voxel edges. IBSI-2 defines 3D filters for equal edges only; each filter says what it does
        with others.
    filter : Filter

    Returns
    -------
    (X, Y, Z) float64
        In the unit of the image.

    Raises
    ------
    InputError
        A voxel is no finite number: a filter would spread it.

    Notes
    -----
    First kernel along x, second along y, third along z; 2D filters work on the (x, y) slices.
    Source: doi:10.1148/radiol.231319, arXiv:2006.05470.
    """
    values = np.ascontiguousarray(values, dtype=np.float64)
    bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    if bad:
        found = f"NaN or infinity in {bad} of {values.size} voxels"
        raise InputError(
            f"filter {filter.name}", "intensities of the image", "finite numbers", found
        )
    match filter:
        case Mean():
            return mean_response(values, filter)
        case LaplacianOfGaussian():
            return log_response(values, spacing_mm, filter)
        case Laws():
            return laws_response(values, filter)
        case Gabor():
            return gabor_response(values, spacing_mm, filter)
        case SeparableWavelet():
            return separable_wavelet_response(values, filter)
        case Simoncelli():
            return simoncelli_response(values, filter)
        case Riesz():
            return riesz_response(values, spacing_mm, filter)
    assert_never(filter)


def reach_voxels(filter: Filter, spacing_mm: Sequence[float]) -> tuple[int, int, int] | None:
    """Return how far along each axis a voxel's response depends on its neighbours.

    An image cut to the region's bounding box and so many voxels around it (less where the image
    ends) has the same response within the region as the whole image.

    Returns
    -------
    three ints, or None
        None where the response depends on the whole image: filters defined by their spectrum, and
        the periodic boundary condition.
    """
    if filter.boundary == "periodic":
        return None
    match filter:
        case Mean():
            return _three([filter.support // 2] * filter.dimension)
        case LaplacianOfGaussian():
            edges = spacing_mm[: filter.dimension]
            return _three(half_widths(edges, filter.sigma_mm, filter.truncate_sigmas))
        case Laws():
            reach = _reach_of(laws_product(filter), filter.pooling)
            return _three([n + (filter.energy_distance or 0) for n in reach])
        case Gabor():
            return _gabor_reach(filter, spacing_mm)
        case SeparableWavelet():
            return _three(_reach_of(wavelet_product(filter), filter.pooling))
        case Simoncelli() | Riesz():
            return None
    assert_never(filter)


def _gabor_reach(filter_: Gabor, spacing_mm: Sequence[float]) -> tuple[int, int, int]:
    if filter_.orthogonal_planes:
        return _three(gabor_half_widths(spacing_mm, filter_))
    return _three(gabor_half_widths(spacing_mm[:2], filter_))


def _reach_of(product: Product, pooling: Pooling | None) -> list[int]:
    reach = [len(taps) // 2 for taps in product]
    return reach if pooling is None else [max(reach)] * len(reach)


def _three(reach: Sequence[int]) -> tuple[int, int, int]:
    """Give slice-wise filters a reach of zero across the slices."""
    x, y, z = (*reach, 0)[:3]
    return x, y, z
