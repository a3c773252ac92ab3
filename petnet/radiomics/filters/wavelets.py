"""Wavelets without decimation: separable (IBSI 25BO) and Simoncelli's, which are not (PRT7)."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.filters.boundary import crop, pad
from petnet.radiomics.filters.fourier import (
    fourier_margins,
    half_spectrum_axes,
    multiply_spectrum,
)
from petnet.radiomics.filters.rotation import pool_rotations
from petnet.radiomics.filters.separable import Product, Taps, centred
from petnet.radiomics.filters.spec import SeparableWavelet, Simoncelli

__all__ = [
    "SIMONCELLI_MARGIN",
    "separable_wavelet_response",
    "simoncelli_response",
    "simoncelli_transfer",
    "wavelet_product",
]

#: Voxels of padding per 2^level: the wavelet of level 1 has died away by 32 voxels.
SIMONCELLI_MARGIN = 16


def separable_wavelet_response(
    values: NDArray[np.float64], filter_: SeparableWavelet
) -> NDArray[np.float64]:
    """Return a sub-band of the undecimated wavelet transform, pooled over rotations if asked."""
    return pool_rotations(values, wavelet_product(filter_), filter_.pooling, filter_.boundary)


def wavelet_product(filter_: SeparableWavelet) -> Product:
    """Return the kernels of the axes; those of all levels are joined into one per axis.

    Joined, they see the image extended once beyond its edge, not anew at each level.
    """
    import pywt

    wavelet = pywt.Wavelet(filter_.wavelet)
    banks = {"L": wavelet.dec_lo, "H": wavelet.dec_hi}
    kernels = {letter: _joined(banks["L"], taps, filter_.level) for letter, taps in banks.items()}
    return tuple(kernels[letter] for letter in filter_.subband)


def _joined(low: Sequence[float], last: Sequence[float], level: int) -> Taps:
    """Convolve `low` of the levels below `level` with `last`, 2^(l-1) - 1 zeros between taps."""
    joined = np.ones(1)
    for step in range(level):
        taps = centred(low if step < level - 1 else last)
        spread = np.zeros(2**step * (len(taps) - 1) + 1)
        spread[:: 2**step] = taps
        joined = np.convolve(joined, spread)
    return tuple(joined.tolist())


def simoncelli_response(values: NDArray[np.float64], filter_: Simoncelli) -> NDArray[np.float64]:
    """Return the band-pass B of one level of Simoncelli's pyramid."""
    least = SIMONCELLI_MARGIN * 2**filter_.level
    padding = fourier_margins(values.shape, least, filter_.dimension, filter_.boundary)
    padded = pad(values, padding, filter_.boundary)
    transfer = simoncelli_transfer(padded.shape[: filter_.dimension], filter_.level)
    return crop(multiply_spectrum(padded, transfer), padding)


def simoncelli_transfer(shape: Sequence[int], level: int) -> NDArray[np.float64]:
    """Return the transfer function of a Simoncelli band on the half spectrum.

    cos(π/2 · log2(2 d / m)) for m/4 <= d <= m = 2^(1 - level), and 0 elsewhere; d is the distance
    from the origin where 1 is the highest frequency of an axis. IBSI-2 lays the grid so that its
    ends are at ±1, which for an even size is half a step off the frequencies of the discrete
    Fourier transform, and takes the real part of the response: the same as the mean of the
    transfer function and its point mirror, which is what is returned here.
    """
    grid = [_end_to_end_frequencies(n) for n in shape]
    mirrored = [np.roll(frequency[::-1], 1) for frequency in grid]
    highest = 2.0 ** (1 - level)
    bands = []
    for frequencies in (grid, mirrored):
        squares = [axis**2 for axis in half_spectrum_axes(frequencies)]
        distance = np.sqrt(functools.reduce(np.add, squares))
        inside = (distance >= highest / 4) & (distance <= highest)
        band = np.zeros(distance.shape)
        band[inside] = np.cos(np.pi / 2 * np.log2(2 * distance[inside] / highest))
        bands.append(band)
    return (bands[0] + bands[1]) / 2


def _end_to_end_frequencies(n: int) -> NDArray[np.float64]:
    """Return n frequencies from -1 to 1, the one nearest to zero first."""
    return np.fft.ifftshift(np.linspace(-1.0, 1.0, n)) if n > 1 else np.zeros(1)
