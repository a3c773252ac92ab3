"""The scanner: point spread, count-dependent noise, breathing, and what differs between centres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from petnet.simulation.shapes import Array, Axes, Grid

__all__ = [
    "CENTERS",
    "Acquisition",
    "Center",
    "add_ct_noise",
    "add_pet_noise",
    "blur",
    "breathe",
    "breathing_window",
    "draw_acquisition",
    "draw_follow_up",
]

FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
F18_HALF_LIFE_MIN = 109.77
F18_POSITRONS = 0.967  # per decay
LIVER_SUV = 2.4
BACKGROUND_SUV = 0.3  # scatter and randoms: noise where there is no activity
REFERENCE_COUNTS = 250e6 / 70 * 2 ** (-60 / F18_HALF_LIFE_MIN)  # 250 MBq in 70 kg after 60 min


@dataclass(frozen=True)
class Center:
    """A hospital's scanner and protocol.

    Attributes
    ----------
    psf_fwhm_mm : float
        Gaussian resolution of the reconstruction.
    liver_cov : float
        Noise in the liver as a share of its mean, at 250 MBq, 70 kg, 60 min.
    pet_spacing_mm, ct_spacing_mm : three floats
    signs : str
        Direction of the stored axes against RAS+, as "--+" (DICOM order).
    """

    name: str
    scanner: str
    reconstruction: str
    psf_fwhm_mm: float
    liver_cov: float
    pet_spacing_mm: tuple[float, float, float]
    ct_spacing_mm: tuple[float, float, float]
    signs: str
    dose_mbq_per_kg: float = 3.7
    share: float = 0.5

    def __post_init__(self) -> None:
        for name in ("pet_spacing_mm", "ct_spacing_mm"):  # a YAML has lists
            object.__setattr__(self, name, tuple(getattr(self, name)))


CENTERS = (
    Center(
        "north", "Sim PET/CT A", "OSEM-TOF-PSF", psf_fwhm_mm=5.0, liver_cov=0.09,
        pet_spacing_mm=(4.07, 4.07, 4.0), ct_spacing_mm=(2.4, 2.4, 3.0), signs="--+",
    ),
    Center(
        "south", "Sim PET/CT B", "OSEM-TOF", psf_fwhm_mm=5.6, liver_cov=0.12,
        pet_spacing_mm=(3.9, 3.9, 4.25), ct_spacing_mm=(2.3, 2.3, 3.27), signs="-++",
        dose_mbq_per_kg=4.4,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Acquisition:
    """How one study was made; `breathing_mm` is the shift of PET against CT towards the head.

    `half_life_min` and `positrons` (per decay) are the tracer's.
    """

    weight_kg: float
    height_m: float
    dose_bq: float
    uptake_min: float
    breathing_mm: float
    half_life_min: float = F18_HALF_LIFE_MIN
    positrons: float = F18_POSITRONS

    @property
    def relative_counts(self) -> float:
        """Positrons per kilogram at scan time, relative to the reference protocol."""
        decayed = self.dose_bq * 2 ** (-self.uptake_min / self.half_life_min)
        decayed *= self.positrons / F18_POSITRONS
        return float(decayed / self.weight_kg / REFERENCE_COUNTS)


def draw_acquisition(
    rng: np.random.Generator, center: Center, scale: Sequence[float]
) -> Acquisition:
    """Draw weight and height to fit the body's scale, dose by weight, uptake time, breathing."""
    height = 1.68 * scale[2] + rng.normal(0, 0.03)
    weight = 66.0 * scale[0] * scale[1] * scale[2] * float(np.exp(rng.normal(0, 0.06)))
    dose = weight * center.dose_mbq_per_kg * 1e6 * float(np.exp(rng.normal(0, 0.05)))
    uptake = float(np.clip(rng.normal(62, 6), 50, 85))
    breathing = float(np.clip(rng.normal(5, 3.5), -4, 12))
    return Acquisition(
        round(weight, 1), round(height, 2), round(dose, -5), round(uptake, 1), round(breathing, 2)
    )


def draw_follow_up(
    rng: np.random.Generator, center: Center, scale: Sequence[float], first: Acquisition
) -> Acquisition:
    """Draw a later acquisition of the same patient, who has kept height and most of the weight."""
    again = draw_acquisition(rng, center, scale)
    weight = round(first.weight_kg * float(np.exp(rng.normal(-0.02, 0.03))), 1)
    dose = round(again.dose_bq * weight / again.weight_kg, -5)
    return replace(again, weight_kg=weight, height_m=first.height_m, dose_bq=dose)


def breathing_window(z: NDArray[np.floating]) -> Array:
    """Return the share of the breathing shift at height z (mm): all of it in the upper abdomen.

    One between -140 and 40 mm, falling smoothly to 0 in the pelvis and to 0.2 at the top.
    """
    share = np.interp(z, [-280, -140, 40, 150], [0.0, 1.0, 1.0, 0.2])
    smooth = share * share * (3 - 2 * share)
    return np.asarray(smooth, dtype=np.float32)


def breathe(axes: Axes, shift_mm: float) -> Axes:
    """Return where in the CT's body each PET slice lies when organs moved up by `shift_mm`."""
    moved = axes.z - np.float32(shift_mm) * breathing_window(axes.z)
    return Axes(axes.x, axes.y, moved.astype(np.float32))


def _kernel(sigma_voxels: float) -> NDArray[np.float64]:
    """Return the discrete Gaussian exp(-t) I_n(t); its variance is exactly t = sigma^2.

    A sampled Gaussian would be several per cent too narrow at half a voxel.
    """
    from scipy.special import ive

    reach = int(np.ceil(4 * sigma_voxels)) + 1
    weights = np.asarray(ive(np.abs(np.arange(-reach, reach + 1)), sigma_voxels**2))
    kernel: NDArray[np.float64] = weights / weights.sum()
    return kernel


def blur(image: Array, fwhm_mm: float, spacing_mm: Sequence[float]) -> Array:
    """Return `image` seen with a Gaussian resolution of `fwhm_mm`."""
    from scipy.ndimage import correlate1d

    for axis, step in enumerate(spacing_mm):
        kernel = _kernel(fwhm_mm / FWHM_PER_SIGMA / step)
        image = correlate1d(image, kernel, axis=axis, mode="nearest")
    return image


def _resolved_noise(
    rng: np.random.Generator, shape: tuple[int, ...], fwhm_mm: float, spacing_mm: Sequence[float]
) -> Array:
    """Return unit-variance noise correlated by a resolution of `fwhm_mm`."""
    noise = blur(rng.standard_normal(shape, dtype=np.float32), fwhm_mm, spacing_mm)
    power = [np.sum(_kernel(fwhm_mm / FWHM_PER_SIGMA / s) ** 2) for s in spacing_mm]
    noise /= np.float32(np.sqrt(np.prod(power)))
    return noise


def add_pet_noise(
    suv: Array, rng: np.random.Generator, center: Center, grid: Grid, relative_counts: float
) -> Array:
    """Return PET with noise of variance proportional to activity and to 1 / counts.

    The variance at SUV s is (liver_cov * 2.4)^2 (s + b) / (2.4 + b) / relative_counts, with
    b = 0.3 for scatter and randoms; it is correlated by the reconstruction's resolution.
    """
    unit = (center.liver_cov * LIVER_SUV) ** 2 / (LIVER_SUV + BACKGROUND_SUV) / relative_counts
    noise = _resolved_noise(rng, suv.shape, center.psf_fwhm_mm, grid.spacing_mm)
    noise *= np.sqrt(np.float32(unit) * (suv + np.float32(BACKGROUND_SUV)))
    noise += suv
    return np.maximum(noise, 0, out=noise)


def add_ct_noise(hu: Array, rng: np.random.Generator, grid: Grid, sd_hu: float = 11.0) -> Array:
    """Return CT with correlated noise, least in air, clipped to -1024 ... 3071 HU."""
    noise = _resolved_noise(rng, hu.shape, 2.2, grid.spacing_mm)
    noise *= np.where(hu < -990, np.float32(0.25 * sd_hu), np.float32(sd_hu))
    noise += hu
    return np.clip(noise, -1024, 3071, out=noise)
