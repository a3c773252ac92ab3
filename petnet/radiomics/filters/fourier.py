"""Filters that are defined by their spectrum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.filters.boundary import Boundary
from petnet.radiomics.kernels.threads import cores

__all__ = ["fourier_margins", "half_spectrum_axes", "multiply_spectrum"]


def multiply_spectrum(
    values: NDArray[np.float64], transfer: NDArray[np.generic]
) -> NDArray[np.float64]:
    """Multiply the spectrum of an image by a transfer function.

    Parameters
    ----------
    values : (X, Y, Z) float64
        Taken as one period.
    transfer : (X, Y, Z // 2 + 1) or (X, Y // 2 + 1) array
        Of the half spectrum in 3D, or of every slice in 2D. It must be that of a real filter.
    """
    from scipy import fft

    axes = tuple(range(transfer.ndim))
    shape = [values.shape[axis] for axis in axes]
    threads = cores()
    spectrum = fft.rfftn(values, axes=axes, workers=threads)
    spectrum *= transfer if transfer.ndim == 3 else transfer[..., np.newaxis]
    result: NDArray[np.float64] = fft.irfftn(
        spectrum, s=shape, axes=axes, workers=threads, overwrite_x=True
    )
    return result


def half_spectrum_axes(
    frequencies: Sequence[NDArray[np.float64]],
) -> list[NDArray[np.float64]]:
    """Lay frequencies of 2 or 3 axes along those axes, the last cut to the half spectrum."""
    last = frequencies[-1]
    cut = [*frequencies[:-1], last[: last.size // 2 + 1]]
    return list(np.meshgrid(*cut, indexing="ij", sparse=True))


def fourier_margins(
    shape: Sequence[int], least: int, dimension: int, boundary: Boundary
) -> list[tuple[int, int]]:
    """Voxels (before, after) to pad an image by: `least`, and behind it up to a fast size.

    None along axes that are not filtered, nor under the periodic boundary condition, which the
    Fourier transform has by itself.
    """
    from scipy import fft

    found = [(0, 0)] * len(shape)
    if boundary != "periodic":
        for axis in range(dimension):
            size = fft.next_fast_len(shape[axis] + 2 * least, real=True)
            found[axis] = (least, size - shape[axis] - least)
    return found
