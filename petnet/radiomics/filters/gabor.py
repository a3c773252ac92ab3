"""Gabor filters in slices (IBSI Q88H)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.filters.boundary import Boundary, pad
from petnet.radiomics.filters.separable import in_threads
from petnet.radiomics.filters.spec import Gabor

__all__ = ["gabor_half_widths", "gabor_kernel", "gabor_response"]

#: Standard deviations along the longer axis of the kernel at which it is cut off.
TRUNCATE_SIGMAS = 4.0
#: The axes of the slices, and the one across them.
AXIAL = (0, 1, 2)
ORTHOGONAL = (AXIAL, (1, 2, 0), (0, 2, 1))


def gabor_response(
    values: NDArray[np.float64], spacing_mm: Sequence[float], filter_: Gabor
) -> NDArray[np.float64]:
    """Return the modulus of the complex response, slice by slice, pooled over orientations.

    With orthogonal planes it is the mean over the (x, y), (y, z) and (x, z) slices.
    """
    planes = ORTHOGONAL if filter_.orthogonal_planes else (AXIAL,)
    total = np.zeros_like(values)
    for first, second, across in planes:
        slices = values.transpose(across, first, second)
        edges = (spacing_mm[first], spacing_mm[second])
        _add_moduli(slices, edges, filter_, total.transpose(across, first, second))
    total /= len(planes)
    return total


def gabor_half_widths(spacing_mm: Sequence[float], filter_: Gabor) -> tuple[int, ...]:
    """Voxels that the kernel reaches to either side along axes of these spacings."""
    reach_mm = TRUNCATE_SIGMAS * filter_.sigma_mm / min(filter_.gamma, 1.0)
    return tuple(math.ceil(reach_mm / mm) for mm in spacing_mm)


def gabor_kernel(
    spacing_mm: Sequence[float], filter_: Gabor, theta_deg: float
) -> NDArray[np.complex128]:
    """Sample exp(-(u² + γ² v²) / (2 σ²)) · exp(2πi u / λ), not normalised.

    u = x cos θ + y sin θ and v = -x sin θ + y cos θ, x and y the distances in mm along the two
    axes of the slice.
    """
    widths = gabor_half_widths(spacing_mm, filter_)
    x, y = (np.arange(-width, width + 1) * mm for width, mm in zip(widths, spacing_mm, strict=True))
    x, y = x[:, np.newaxis], y[np.newaxis, :]
    theta = math.radians(theta_deg)
    u = x * math.cos(theta) + y * math.sin(theta)
    v = -x * math.sin(theta) + y * math.cos(theta)
    envelope = np.exp(-(u**2 + (filter_.gamma * v) ** 2) / (2 * filter_.sigma_mm**2))
    kernel: NDArray[np.complex128] = envelope * np.exp(2j * np.pi * u / filter_.wavelength_mm)
    return kernel


def _add_moduli(
    slices: NDArray[np.float64],
    spacing_mm: tuple[float, float],
    filter_: Gabor,
    total: NDArray[np.float64],
) -> None:
    """Add to `total` (N, A, B) the pooled moduli of N slices; by FFT, since the kernels are large.

    Each slice is transformed once for all orientations, and stays in the processor's cache.
    """
    from scipy import fft

    widths = gabor_half_widths(spacing_mm, filter_)
    shape = [fft.next_fast_len(n + 2 * w) for n, w in zip(slices.shape[1:], widths, strict=True)]
    inner = tuple(slice(w, w + n) for w, n in zip(widths, slices.shape[1:], strict=True))
    spectra = [_spectrum(gabor_kernel(spacing_mm, filter_, t), shape) for t in filter_.thetas_deg]

    def some_slices(part: slice) -> None:
        for i in range(part.start, part.stop):
            spectrum = fft.fft2(_padded(slices[i], widths, shape, filter_.boundary))
            pooled: NDArray[np.float64] | None = None
            for kernel in spectra:
                response = fft.ifft2(spectrum * kernel, overwrite_x=True)
                modulus = np.abs(response[inner])
                if pooled is None:
                    pooled = modulus
                elif filter_.pooling == "max":
                    np.maximum(pooled, modulus, out=pooled)
                else:
                    pooled += modulus
            assert pooled is not None  # there is at least one orientation
            if filter_.pooling == "average":
                pooled /= len(spectra)
            total[i] += pooled

    in_threads(some_slices, slices.shape[0], slices.shape[0])


def _padded(
    image: NDArray[np.float64], widths: Sequence[int], shape: Sequence[int], boundary: Boundary
) -> NDArray[np.float64]:
    """Extend a slice by the kernel's reach, then by zeros to the size of the transform."""
    extended = pad(image, [(width, width) for width in widths], boundary)
    result = np.zeros(shape)
    result[: extended.shape[0], : extended.shape[1]] = extended
    return result


def _spectrum(kernel: NDArray[np.complex128], shape: Sequence[int]) -> NDArray[np.float64]:
    """Transform a kernel about its centre.

    The result is real, since the kernel is the complex conjugate of its point mirror.
    """
    from scipy import fft

    placed = np.zeros(shape, dtype=np.complex128)
    placed[: kernel.shape[0], : kernel.shape[1]] = kernel
    centre = [-(n // 2) for n in kernel.shape]
    return np.ascontiguousarray(fft.fft2(np.roll(placed, centre, axis=(0, 1))).real)
