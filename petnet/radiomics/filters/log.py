"""The Laplacian of a Gaussian (IBSI L6PA)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.filters.boundary import Boundary
from petnet.radiomics.filters.separable import Product, Taps, weighted_sum
from petnet.radiomics.filters.spec import LaplacianOfGaussian

__all__ = ["half_widths", "laplacian_of_gaussian", "log_response"]


def log_response(
    values: NDArray[np.float64], spacing_mm: Sequence[float], filter_: LaplacianOfGaussian
) -> NDArray[np.float64]:
    """Return the response of an image to the Laplacian of a Gaussian, per voxel²."""
    return laplacian_of_gaussian(
        values,
        spacing_mm[: filter_.dimension],
        filter_.sigma_mm,
        filter_.truncate_sigmas,
        filter_.boundary,
    )


def laplacian_of_gaussian(
    values: NDArray[np.float64],
    spacing_mm: Sequence[float],
    sigma_mm: float,
    truncate_sigmas: float,
    boundary: Boundary,
) -> NDArray[np.float64]:
    """Convolve with Σ_a g''_a Π_b≠a g_b, a sum of as many separable kernels as there are axes.

    Parameters
    ----------
    spacing_mm : two or three floats
        Of the filtered axes.

    Notes
    -----
    Equal voxel edges give -(1/s²) (s √(2π))^-D (D - r²/s²) exp(-r²/(2s²)), s in voxels, without
    correction to a sum of zero. Unequal edges give the Laplacian in space times the square of
    their geometric mean, so that the filter stays round and its response keeps its scale.
    """
    edge = math.prod(spacing_mm) ** (1 / len(spacing_mm))
    widths = half_widths(spacing_mm, sigma_mm, truncate_sigmas)
    gaussians, seconds = [], []
    for spacing, width in zip(spacing_mm, widths, strict=True):
        g, g2 = _gaussian_and_second_derivative(sigma_mm / spacing, width, (edge / spacing) ** 2)
        gaussians.append(g)
        seconds.append(g2)
    weights: dict[Product, float] = {}
    for axis in range(len(spacing_mm)):
        weights[(*gaussians[:axis], seconds[axis], *gaussians[axis + 1 :])] = 1
    return weighted_sum(values, weights, boundary)


def half_widths(
    spacing_mm: Sequence[float], sigma_mm: float, truncate_sigmas: float
) -> tuple[int, ...]:
    """Voxels that the kernel reaches to either side, along each axis."""
    return tuple(math.floor(truncate_sigmas * sigma_mm / mm + 0.5) for mm in spacing_mm)


def _gaussian_and_second_derivative(
    sigma: float, half_width: int, scale: float
) -> tuple[Taps, Taps]:
    """Sample a Gaussian and `scale` times its second derivative; `sigma` in voxels."""
    x = np.arange(-half_width, half_width + 1)
    gaussian = np.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    second = scale * (x**2 / sigma**2 - 1) / sigma**2 * gaussian
    return tuple(gaussian.tolist()), tuple(second.tolist())
