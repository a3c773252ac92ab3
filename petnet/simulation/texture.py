"""Lesion texture that carries a latent, while volume and first-order statistics carry nothing.

A lesion's heterogeneity is a sum of a coarse and a fine Gaussian field. The share w of the coarse
one is the texture parameter, a strictly increasing function of the latent z. After point spread
and noise the values inside the mask are replaced, rank by rank, by the quantiles of a distribution
drawn without looking at the label: the *set* of values then says nothing, only their arrangement
does.

This holds on the PET's own grid. Interpolating to another grid averages neighbours, so that SD and
maximum of the *resampled* values do carry texture; and so do quantities that look at neighbours,
such as SUVpeak and Moran's I. The shift of the centre of mass does not: see `heterogeneity`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.simulation.scanner import FWHM_PER_SIGMA, blur
from petnet.simulation.shapes import Array

__all__ = [
    "Target",
    "coarse_share",
    "draw_target",
    "heterogeneity",
    "match_quantiles",
]

COARSE_SIGMA_MM = 6.5
SLOPE_SHARE = (0.02, 0.12)
SHARE_WIDTH = 1.7  # latent units; the classes of an AUC of 0.93 sit at about -1 and +1


def coarse_share(latent: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the texture parameter w = Phi(z / 1.7), strictly increasing, between 0 and 1."""
    from scipy.special import ndtr

    return np.asarray(ndtr(np.asarray(latent) / SHARE_WIDTH), dtype=np.float64)


@dataclass(frozen=True)
class Target:
    """The distribution of SUV inside a lesion: shifted log-normal.

    Attributes
    ----------
    mean : float
        SUVmean.
    cov : float
        Standard deviation as a share of the mean.
    skew : float
        Sigma of the underlying log-normal; 0.2 is nearly symmetric.
    deviate : float
        The standard normal draw behind the mean: the lesion's rank among its like.
    """

    mean: float
    cov: float
    skew: float
    deviate: float = 0.0

    def quantiles(self, count: int) -> NDArray[np.float64]:
        """Return the values at probabilities (i + 1/2) / count, increasing."""
        from scipy.special import ndtri

        k = self.skew
        raw = np.exp(k * ndtri((np.arange(count) + 0.5) / count))
        sd = np.sqrt(np.expm1(k * k) * np.exp(k * k))
        values: NDArray[np.float64] = self.mean * (1 + self.cov * (raw - np.exp(k * k / 2)) / sd)
        return values


def draw_target(rng: np.random.Generator, median_suv: float = 7.5) -> Target:
    """Draw a lesion's first-order statistics, blind to its label.

    The mean is cut at 2 standard deviations, so that 2.3 % of lesions at either end share one.
    """
    deviate = float(rng.normal())
    mean = median_suv * np.exp(0.3 * np.clip(deviate, -2, 2))
    cov, skew = float(rng.uniform(0.22, 0.32)), float(rng.uniform(0.2, 0.45))
    return Target(float(mean), cov, skew, deviate)


def heterogeneity(
    rng: np.random.Generator,
    extent: Array,
    mask: NDArray[np.bool_],
    share: float,
    psf_fwhm_mm: float,
    spacing_mm: Sequence[float],
) -> Array:
    """Return lesion heterogeneity as the scanner resolves it, zero mean and unit SD in the mask.

    sqrt(g) * slope + sqrt(1 - g) * (sqrt(w) * coarse + sqrt(1 - w) * fine). Coarse and fine are
    drawn in the lesion, seen through the point spread, freed of their linear trend and standardised
    in the mask, so that w is the coarse share of the *visible* variance. The slope has a random
    direction and a share g drawn blind to the label; without it coarse lesions would betray
    themselves by the shift of their centre of mass.

    Parameters
    ----------
    extent : (X, Y, Z) float32 array
        Share of each voxel inside the lesion.
    share : float
        Texture parameter w.
    """
    direction = rng.normal(size=3)
    slope_share = np.float32(rng.uniform(*SLOPE_SHARE))
    coarse = rng.standard_normal(extent.shape, dtype=np.float32)
    coarse = blur(coarse, COARSE_SIGMA_MM * FWHM_PER_SIGMA, spacing_mm)
    fine = rng.standard_normal(extent.shape, dtype=np.float32)
    coarse, fine = (
        _standard(_level(blur(_standard(f, mask) * extent, psf_fwhm_mm, spacing_mm), mask), mask)
        for f in (coarse, fine)
    )
    mixed = np.float32(np.sqrt(share)) * coarse + np.float32(np.sqrt(1 - share)) * fine
    along = sum(
        d * axis * step
        for d, axis, step in zip(direction, np.ogrid[_ranges(mask.shape)], spacing_mm, strict=True)
    )
    slope = _standard(np.asarray(along, dtype=np.float32), mask)
    mixed = np.sqrt(slope_share) * slope + np.sqrt(1 - slope_share) * _standard(mixed, mask)
    # outside the lesion the field dies out with the lesion itself
    fading: Array = _standard(mixed, mask) * np.clip(blur(extent, psf_fwhm_mm, spacing_mm), 0, 1)
    return fading


def _ranges(shape: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(0, n) for n in shape)


def _standard(field: Array, mask: NDArray[np.bool_]) -> Array:
    """Return `field` with zero mean and unit standard deviation in the mask."""
    inside = field[mask]
    scaled: Array = (field - inside.mean()) / inside.std()
    return scaled


def _level(field: Array, mask: NDArray[np.bool_]) -> Array:
    """Return `field` less the plane fitted to it in the mask."""
    where = np.argwhere(mask)
    design = np.column_stack([np.ones(len(where)), where])
    offset, *slopes = np.linalg.lstsq(design, field[mask].astype(np.float64), rcond=None)[0]
    grids = np.ogrid[_ranges(mask.shape)]
    plane = offset + sum(slope * axis for slope, axis in zip(slopes, grids, strict=True))
    return np.asarray(field - plane, dtype=np.float32)


def match_quantiles(
    image: Array, mask: NDArray[np.bool_], target: Target, spacing_mm: Sequence[float]
) -> Array:
    """Return `image` with the mask's values rank-mapped onto the target's quantiles.

    Outside, the same increasing map fades out over about 8 mm, so that no seam shows.
    """
    from scipy.ndimage import distance_transform_edt

    values = image[mask].astype(np.float64)
    order = np.argsort(values, kind="stable")
    quantiles = target.quantiles(values.size)
    known = np.concatenate([[0.0], np.maximum(values[order], 1e-6)])
    mapped = np.interp(image, known, np.concatenate([[0.0], quantiles]))
    mapped += np.maximum(image - known[-1], 0)
    weight = np.exp(-((distance_transform_edt(~mask, sampling=spacing_mm) / 8.0) ** 2))
    result: Array = (weight * mapped + (1 - weight) * image).astype(np.float32)
    ranked = np.empty(values.size)
    ranked[order] = quantiles
    result[mask] = ranked
    return result
