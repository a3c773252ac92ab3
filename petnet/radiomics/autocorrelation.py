"""Spatial autocorrelation: Moran's I and Geary's C over all pairs of voxels, exactly.

Weights are inverse distances in mm between voxel centres (IBSI N365, NPT7). Few voxels are paired
one by one. For many, each sum over pairs Σᵢⱼ aᵢ w(i - j) bⱼ is taken in frequency space, where by
Parseval's theorem it is Σₖ ŵ(k) conj(â(k)) b̂(k): three forward transforms of real arrays that are
mostly padding, and none back. Since w is even along every axis, an axis of n voxels needs a period
of 2 (n - 1) only, and ŵ is real and known from an eighth of the frequencies.
"""

from __future__ import annotations

import importlib
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels.cpu_pairs import pair_sums, spectral_products
from petnet.radiomics.kernels.threads import cores, run_all

__all__ = [
    "SPECTRA",
    "Spectra",
    "autocorrelations_on_cuda",
    "spatial_autocorrelation",
    "spectral_sums",
]

#: Estimated cost in nanoseconds of a pair, of a pair whose distance is not in a table, of an entry
#: of that table, and of a padded voxel and octave in frequency space; what one costs anyway.
PAIR_NS, FAR_PAIR_NS, TABLE_NS, SPECTRAL_NS, SPECTRAL_START_NS = 1.4, 4.5, 8.0, 1.3, 150_000.0
BLOCK_BYTES = 3 << 20
SLAB = 8
#: A device wants few large pieces of work rather than small ones that stay in a cache.
DEVICE_BLOCK_BYTES = 256 << 20
#: Below this many voxels of the box threads cost more than they save.
THREADED_VOXELS = 30_000
#: Regions of up to so many voxels are paired on CUDA, all in one launch: 7 · 10⁷ pairs take about
#: 1 ms on an H100 (an estimate), what 30 launches of transforms and their formulas cost anyway.
PAIRED_ON_CUDA = 8192


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


def device_spectrum(
    xp: Any, where: Any, periods: Sequence[int], spacing_mm: Sequence[float]
) -> Any:
    """Return `distance_spectrum` of the same arguments, made by namespace `xp` on a device.

    Made each time: to bring a spectrum from the host takes longer.
    """
    squares = []
    for period, spacing in zip(periods, spacing_mm, strict=True):
        lag = xp.arange(period, dtype=xp.float64, device=where)
        squares.append((xp.minimum(lag, period - lag) * spacing) ** 2)
    x, y, z = squares
    distances = xp.sqrt(x[:, None, None] + y[:, None] + z)
    distances[0, 0, 0] = math.inf
    eighth = tuple(slice(0, period // 2 + 1) for period in periods)
    spectrum = xp.moveaxis(xp.real(xp.fft.rfftn(1 / distances))[eighth], 2, 0) / math.prod(periods)
    spectrum[1:-1, ...] *= 2
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
    values: Any, inside: Any, spectrum: Any, periods: Sequence[int]
) -> tuple[float, float, float]:
    """Sum w, w·a·b and w·(a - b)² over all ordered pairs of voxels, in frequency space.

    Parameters
    ----------
    values : (X, Y, Z) float64, NumPy or another array namespace
        0 outside the mask. On the CPU the transforms are SciPy's, on all cores, in small blocks;
        elsewhere the namespace's own, in large ones.
    inside : (X, Y, Z) bool
        The mask.
    spectrum
        `distance_spectrum(periods, ...)`, of the same namespace and device.
    periods : three int
        As `even_periods` gives them.
    """
    from array_api_compat import array_namespace, device, is_numpy_namespace

    xp = array_namespace(values)
    on_host = is_numpy_namespace(xp)
    fft: Any = importlib.import_module("scipy.fft") if on_host else xp.fft
    products: Callable[[Any, Any], Any] = spectral_products if on_host else array_products
    across_x, across_y, along_z = periods
    nx, ny, _ = values.shape
    shape = (3, along_z // 2 + 1, nx, ny)
    lines = xp.empty(shape, dtype=xp.complex128, device=device(values))

    def transform_slab(first: int) -> None:
        part = slice(first, min(first + slab, nx))
        mask, value = xp.astype(inside[part, ...], xp.float64), values[part, ...]
        fields = fft.rfft(xp.stack([mask, value, value * value]), n=along_z, axis=3)
        lines[:, :, part, :] = xp.moveaxis(fields, 3, 1)

    def sum_block(first: int) -> list[float]:
        part = slice(first, min(first + step, shape[1]))
        block = lines[:, part, ...]
        if on_host:  # half of the second transforms would be of nothing but padding
            block = fft.fft(fft.fft(block, n=across_y, axis=3), n=across_x, axis=2)
        else:  # in one call, which leaves the block contiguous
            block = fft.fftn(block, s=(across_x, across_y), axes=(2, 3))
        return [float(total) for total in products(block, spectrum[part, ...])]

    # blocks are small, so that they are still in the core's cache at their next step
    block_bytes = BLOCK_BYTES if on_host else DEVICE_BLOCK_BYTES
    step = max(1, block_bytes // (48 * across_x * across_y))
    slab = SLAB if on_host else max(SLAB, block_bytes // (24 * ny * along_z))
    run = run_all if on_host and values.size > THREADED_VOXELS else map
    list(run(transform_slab, range(0, nx, slab)))
    found = list(run(sum_block, range(0, shape[1], step)))
    weights, moran, squares = (math.fsum(part) for part in zip(*found, strict=True))
    return weights, moran, 2 * (squares - moran)


def array_products(block: Any, weight: Any) -> list[Any]:
    """Return what `spectral_products` does, for arrays of any namespace."""
    from array_api_compat import array_namespace

    xp = array_namespace(block)
    for axis in (1, 2):  # frequencies k and period - k have one weight
        inner = [slice(None)] * 3
        inner[axis] = slice(1, -1)
        weight = xp.concat([weight, xp.flip(weight[tuple(inner)], axis=axis)], axis=axis)
    mask, value, square = (block[k, ...] for k in range(3))
    return [
        xp.sum(weight * (xp.real(a) * xp.real(b) + xp.imag(a) * xp.imag(b)))
        for a, b in ((mask, mask), (value, value), (mask, square))
    ]


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
        x = (np.arange(nx) * sx) ** 2
        y, z = (np.arange(1 - ny, ny) * sy) ** 2, (np.arange(1 - nz, nz) * sz) ** 2
        squares = (x[:, None, None] + (y[:, None] + z)).ravel()
        # from the place of no difference on: no voxel is paired with one after it
        squares = squares[(ny - 1) * wide_z + nz - 1 :]
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
    periods = even_periods(inside.shape)
    spectrum = spectra.get(periods, spacing_mm)
    return spectral_sums(values, inside, spectrum, periods)


@dataclass(frozen=True, eq=False)
class _Centred:
    """Intensities of a region, scaled and less their mean.

    Attributes
    ----------
    inside : (X, Y, Z) bool
    held : (N,) float64
        Of the voxels of the mask, N >= 2 and not all alike.
    """

    inside: NDArray[np.bool_]
    held: NDArray[np.float64]

    @property
    def laid_out(self) -> NDArray[np.float64]:
        """(X, Y, Z) float64, 0 outside the mask."""
        values = np.zeros(self.inside.shape)
        values[self.inside] = self.held
        return values

    def measures(self, sums: Sequence[float]) -> tuple[float, float]:
        """Return Moran's I and Geary's C from the sums of w, w·a·b and w·(a - b)²."""
        weights, products, differences = sums
        n, variation = self.held.size, float(self.held @ self.held)
        return (
            n / weights * products / variation,
            (n - 1) / (2 * weights) * differences / variation,
        )


def _centred(values: NDArray[np.float64], inside: NDArray[np.bool_]) -> _Centred | None:
    """Take scale and mean away first: they would cost digits. None where nothing is defined."""
    held = values[inside]
    if held.size < 2 or held.min() == held.max():
        return None
    held = held - held.mean()
    held /= np.abs(held).max()
    held -= held.mean()
    return _Centred(inside, held)


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
    region = _centred(values, inside)
    if region is None:
        return math.nan, math.nan
    sums = _sums(region.laid_out, inside, spacing_mm, region.held.size, spectra)
    return region.measures(sums)


def autocorrelations_on_cuda(
    fields: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_], Sequence[float]]],
) -> list[tuple[float, float]]:
    """Return Moran's I and Geary's C of many regions, summed on the current CUDA device.

    Parameters
    ----------
    fields : sequence of (values, inside, spacing_mm)
        Each as `spatial_autocorrelation` takes them, from the host.

    Returns
    -------
    list of (morans_i, gearys_c)
        To rounding those of `spatial_autocorrelation`; NaN where they are.
    """
    regions = [_centred(values, inside) for values, inside, _ in fields]
    found = [(math.nan, math.nan)] * len(fields)
    small = []
    for k, region in enumerate(regions):
        if region is None:
            continue
        if region.held.size <= PAIRED_ON_CUDA:
            small.append((k, region))
        else:
            found[k] = region.measures(_spectral_on_cuda(region, fields[k][2]))
    sums = _paired_on_cuda([(region, fields[k][2]) for k, region in small])
    for (k, region), of_region in zip(small, sums, strict=True):
        found[k] = region.measures(of_region)
    return found


def _paired_on_cuda(regions: Sequence[tuple[_Centred, Sequence[float]]]) -> list[list[float]]:
    """Sum over the pairs of small regions, all in one launch."""
    from petnet.radiomics.kernels import cuda_autocorrelation

    if not regions:
        return []
    positions = [np.argwhere(region.inside) * np.asarray(mm) for region, mm in regions]
    starts = np.cumsum([0, *(len(points) for points in positions)], dtype=np.int64)
    values = np.concatenate([region.held for region, _ in regions])
    sums = cuda_autocorrelation.pair_sums(np.concatenate(positions), values, starts)
    listed: list[list[float]] = sums.tolist()
    return listed


def _spectral_on_cuda(region: _Centred, spacing_mm: Sequence[float]) -> tuple[float, float, float]:
    """Sum over the pairs of a large region in frequency space."""
    from array_api_compat import array_namespace, device

    from petnet.radiomics.kernels import cuda

    values, inside = cuda.to_device(region.laid_out), cuda.to_device(region.inside)
    periods = even_periods(region.inside.shape)
    spectrum = device_spectrum(array_namespace(values), device(values), periods, spacing_mm)
    return spectral_sums(values, inside, spectrum, periods)
