"""Spatial autocorrelation: Moran's I and Geary's C over all pairs of voxels, exactly.

Weights are inverse distances in mm between voxel centres (IBSI N365, NPT7). Few voxels are paired
one by one. For many, each sum over pairs Σᵢⱼ aᵢ w(i - j) bⱼ is taken in frequency space, where by
Parseval's theorem it is Σₖ ŵ(k) conj(â(k)) b̂(k): three forward transforms of real arrays that are
mostly padding, and none back. Since w is even along every axis, an axis of n voxels needs a period
of 2 (n - 1) only, and ŵ is real and known from an eighth of the frequencies.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels.cpu_pairs import pair_sums
from petnet.radiomics.kernels.threads import cores, run_all

__all__ = ["SPECTRA", "Spectra", "spatial_autocorrelation", "spectral_sums"]

#: Estimated cost in nanoseconds of a pair, of a pair whose distance is not in a table, of an entry
#: of that table, and of a padded voxel and octave in frequency space; what one costs anyway.
PAIR_NS, FAR_PAIR_NS, TABLE_NS, SPECTRAL_NS, SPECTRAL_START_NS = 1.4, 4.5, 8.0, 1.3, 150_000.0
BLOCK_BYTES = 6 << 20


class Spectra:
    """The transforms of inverse distance that were used last, in bounded memory.

    Regions of one padded shape and spacing share a transform: the filtered images of one lesion,
    and lesions of about one size.

    Parameters
    ----------
    max_bytes : int
        Bound on all transforms together; a larger one is made and not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._kept: OrderedDict[tuple[Any, ...], NDArray[np.float64]] = OrderedDict()
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return sum(spectrum.nbytes for spectrum in self._kept.values())

    def clear(self) -> None:
        """Forget all transforms."""
        with self._lock:
            self._kept.clear()

    def get(self, periods: Sequence[int], spacing_mm: Sequence[float]) -> NDArray[np.float64]:
        """Return `distance_spectrum` of the same arguments, made or kept."""
        key = (*periods, *spacing_mm)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        spectrum = distance_spectrum(periods, spacing_mm)
        with self._lock:
            self._kept[key] = spectrum
            while self.nbytes > self.max_bytes:
                self._kept.popitem(last=False)
        return spectrum


#: Shared by all calls that name no other.
SPECTRA = Spectra(128 << 20)


def distance_spectrum(periods: Sequence[int], spacing_mm: Sequence[float]) -> NDArray[np.float64]:
    """Transform inverse distance, 0 at the origin, repeated with even periods along (x, y, z).

    Returns
    -------
    (Pz / 2 + 1, Px / 2 + 1, Py / 2 + 1) float64
        Frequencies 0 to half the period, z first, in 1/mm; already multiplied by the share of each
        z frequency in Parseval's sum (1 / (Px Py Pz), twice for those with a conjugate).
    """
    from scipy.fft import dctn

    x, y, z = ((np.arange(p // 2 + 1) * s) ** 2 for p, s in zip(periods, spacing_mm, strict=True))
    distances = np.sqrt(z[:, None, None] + x[:, None] + y)
    distances[0, 0, 0] = np.inf
    # the cosine transform of the first kind is the Fourier transform of the even continuation
    spectrum: NDArray[np.float64] = dctn(1 / distances, type=1, overwrite_x=True, workers=cores())
    spectrum /= math.prod(periods)
    spectrum[1:-1] *= 2
    return spectrum


def even_periods(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shortest fast even periods in which no pair of voxels meets a nearer copy."""
    from scipy.fft import next_fast_len

    periods = []
    for n in shape:
        period = next_fast_len(max(2, 2 * (n - 1)), real=True)
        while period % 2:
            period = next_fast_len(period + 1, real=True)
        periods.append(period)
    return tuple(periods)


def spectral_sums(
    values: Any, inside: Any, spectrum: Any, periods: Sequence[int], xp: Any, fft: Any
) -> tuple[float, float, float]:
    """Sum w, w·a·b and w·(a - b)² over all ordered pairs of voxels, in frequency space.

    Parameters
    ----------
    values : (X, Y, Z) float64 of the array namespace `xp`
        0 outside the mask.
    inside : (X, Y, Z) of xp
        The mask.
    spectrum
        `distance_spectrum(periods, ...)` as an array of xp.
    periods : three int
        As `even_periods` gives them.
    xp, fft : namespaces
        numpy and scipy.fft, or cupy and cupy.fft.
    """
    across_x, across_y, along_z = periods
    fields = xp.stack([xp.asarray(inside, dtype=xp.float64), values, values * values])
    lines = fft.rfft(xp.moveaxis(fields, 3, 1), n=along_z, axis=1)
    mirror_x = xp.asarray([min(k, across_x - k) for k in range(across_x)])
    mirror_y = xp.asarray([min(k, across_y - k) for k in range(across_y)])
    step = max(1, BLOCK_BYTES // (48 * across_x * across_y))

    def of_block(first: int) -> tuple[float, float, float]:
        block = fft.fft(lines[:, first : first + step], n=across_y, axis=3)
        mask, value, square = fft.fft(block, n=across_x, axis=2)
        weight = spectrum[first : first + step][:, mirror_x][:, :, mirror_y]
        weighted = mask * weight
        return (
            float(xp.vdot(weighted, mask).real),
            float(xp.vdot(value * weight, value).real),
            float(xp.vdot(weighted, square).real),
        )

    blocks = range(0, lines.shape[1], step)
    found = run_all(of_block, blocks) if xp is np else [of_block(first) for first in blocks]
    weights, products, squares = (math.fsum(part) for part in zip(*found, strict=True))
    return weights, products, 2 * (squares - products)


def _paired_sums(
    values: NDArray[np.float64],
    inside: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    tabled: bool,
) -> tuple[float, float, float]:
    """Sum the same over the pairs themselves."""
    index = np.argwhere(inside)
    nx, ny, nz = inside.shape
    # along y and z differences are of either sign, so that each takes up 2 n - 1 places
    wide_y, wide_z = 2 * ny - 1, 2 * nz - 1
    places = (index[:, 0] * wide_y + index[:, 1]) * wide_z + index[:, 2]
    table = np.zeros(0)
    if tabled:
        sx, sy, sz = spacing_mm
        steps = np.arange(nx * wide_y * wide_z)
        # the nearest triple of differences that stands for a place
        half = (wide_y // 2) * wide_z + wide_z // 2
        z = (steps + half) % wide_z - wide_z // 2
        y = (steps + half) // wide_z % wide_y - wide_y // 2
        x = (steps + half) // (wide_z * wide_y)
        squares = (x * sx) ** 2.0 + (y * sy) ** 2.0 + (z * sz) ** 2.0
        squares[0] = np.inf
        table = 1 / np.sqrt(squares)
    sums = pair_sums(values[inside], index * np.asarray(spacing_mm), places, table)
    weights, products, differences = (2 * float(part) for part in sums)
    return weights, products, differences


def _sums(
    values: NDArray[np.float64],
    inside: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    n: int,
    spectra: Spectra,
) -> tuple[float, float, float]:
    """Take the way that is estimated to be the quickest."""
    nx, ny, nz = inside.shape
    pairs, entries = n * (n - 1) / 2, nx * (2 * ny - 1) * (2 * nz - 1)
    padded = 8 * math.prod(inside.shape)
    spectral = SPECTRAL_START_NS + SPECTRAL_NS * padded * math.log2(padded)
    tabled, far = PAIR_NS * pairs + TABLE_NS * entries, FAR_PAIR_NS * pairs
    if min(tabled, far) <= spectral:
        return _paired_sums(values, inside, spacing_mm, tabled <= far)
    import scipy.fft

    periods = even_periods(inside.shape)
    spectrum = spectra.get(periods, spacing_mm)
    return spectral_sums(values, inside, spectrum, periods, np, scipy.fft)


def spatial_autocorrelation(
    values: NDArray[np.float64],
    inside: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    spectra: Spectra = SPECTRA,
) -> tuple[float, float]:
    """Return Moran's I (IBSI N365) and Geary's C (IBSI NPT7) of intensities.

    With w the inverse distance in mm, W its sum over ordered pairs, N voxels and x̄ their mean,
    I = N / W · Σᵢⱼ w (xᵢ - x̄)(xⱼ - x̄) / Σ (xᵢ - x̄)² and
    C = (N - 1) / 2W · Σᵢⱼ w (xᵢ - xⱼ)² / Σ (xᵢ - x̄)².

    Parameters
    ----------
    values : (X, Y, Z) float64
        Finite within the mask.
    inside : (X, Y, Z) bool
        The intensity mask.
    spacing_mm : three floats
    spectra : Spectra
        Where transforms of inverse distance are kept.

    Returns
    -------
    morans_i, gearys_c : float
        NaN, both, where fewer than two voxels are in the mask or all have one intensity.
    """
    held = values[inside]
    if held.size < 2 or held.min() == held.max():
        return math.nan, math.nan
    # taken apart first, so that a large offset or scale costs no digits
    held = held - held.mean()
    held /= np.abs(held).max()
    held -= held.mean()
    centred = np.zeros(inside.shape)
    centred[inside] = held
    variation = float(held @ held)
    weights, products, differences = _sums(centred, inside, spacing_mm, held.size, spectra)
    n = held.size
    return (
        n / weights * products / variation,
        (n - 1) / (2 * weights) * differences / variation,
    )
