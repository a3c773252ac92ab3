"""Riesz transforms of an image, or of its response to another filter (IBSI AYRS)."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.filters.boundary import crop, pad
from petnet.radiomics.filters.fourier import (
    fourier_margins,
    half_spectrum_axes,
    multiply_spectrum,
)
from petnet.radiomics.filters.log import laplacian_of_gaussian
from petnet.radiomics.filters.spec import Riesz
from petnet.radiomics.filters.wavelets import SIMONCELLI_MARGIN, simoncelli_transfer

__all__ = ["RIESZ_MARGIN", "riesz_response", "riesz_transfer"]

#: Voxels of padding. The transform reaches over the whole image; its kernel falls as 1/r^D, so that
#: this padding is part of what the transform of an unfiltered image is near the edge. Responses of
#: band-pass filters have a mean near zero, and do not depend on it.
RIESZ_MARGIN = 32


def riesz_response(
    values: NDArray[np.float64], spacing_mm: Sequence[float], filter_: Riesz
) -> NDArray[np.float64]:
    """Return a component of the Riesz transform, of the order and of the map that are asked."""
    spacing = spacing_mm[: filter_.dimension]
    least = RIESZ_MARGIN
    if filter_.level is not None:
        least = max(least, SIMONCELLI_MARGIN * 2**filter_.level)
    padding = fourier_margins(values.shape, least, filter_.dimension, filter_.boundary)
    padded = pad(values, padding, filter_.boundary)
    if filter_.sigma_mm is not None:
        padded = laplacian_of_gaussian(
            padded, spacing, filter_.sigma_mm, filter_.truncate_sigmas, filter_.boundary
        )
    shape = padded.shape[: filter_.dimension]
    transfer = riesz_transfer(shape, spacing, filter_.order)
    if filter_.level is not None:
        transfer = transfer * simoncelli_transfer(shape, filter_.level)
    return crop(multiply_spectrum(padded, transfer), padding)


def riesz_transfer(
    shape: Sequence[int], spacing_mm: Sequence[float], order: Sequence[int]
) -> NDArray[np.complex128]:
    """Return the transfer function of a Riesz transform on the half spectrum.

    (-i)^L √(L! / Π l_a!) Π f_a^l_a / |f|^L with L = Σ l_a and f in space, so that it does not
    depend on the form of the voxels; 0 at the origin. The highest frequency of an even axis has
    no sign, so that odd powers of it are 0, as the real part of the response needs them to be.
    """
    grid: list[NDArray[np.float64]] = [
        np.fft.fftfreq(n, mm).astype(np.float64) for n, mm in zip(shape, spacing_mm, strict=True)
    ]
    powers = [frequency**power for frequency, power in zip(grid, order, strict=True)]
    for n, power, values in zip(shape, order, powers, strict=True):
        if n % 2 == 0 and power % 2 == 1:
            values[n // 2] = 0.0
    squared = functools.reduce(np.add, [axis**2 for axis in half_spectrum_axes(grid)])
    squared[(0,) * len(shape)] = 1.0  # the origin, where the powers are zero
    product = functools.reduce(np.multiply, half_spectrum_axes(powers))
    total = sum(order)
    norm = math.sqrt(math.factorial(total) / math.prod(map(math.factorial, order)))
    return np.asarray(product * (norm / np.sqrt(squared) ** total) * (-1j) ** total)
