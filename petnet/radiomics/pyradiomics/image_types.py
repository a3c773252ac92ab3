"""PyRadiomics' image types: what it makes of an image before it computes features."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.pyradiomics.settings import PyRadiomicsSet

__all__ = ["filtered", "image_names"]

log = logging.getLogger(__name__)
#: Deriche's fit of a Gaussian and of its second derivative, over one standard deviation: sums of
#: two damped oscillations (a cos wn + b sin wn) exp(dn), rows (a, b, w, d). doi:10.1109/34.42839;
#: the numbers are those of Farnebäck and Westin, 2006, which SimpleITK uses.
SMOOTH = ((1.3530, 1.8151, 0.6681, -1.3932), (-0.3531, 0.0902, 2.0787, -1.3732))
CURVED = ((-1.3563, 5.2318, 0.6681, -1.3932), (0.3446, -2.2355, 2.0787, -1.3732))
#: Voxels along each axis below which SimpleITK's recursion cannot start.
LEAST_RECURSION = 4


def image_names(settings: PyRadiomicsSet) -> tuple[str, ...]:
    """Return the names PyRadiomics gives the images of a set."""
    kind = settings.image_type
    if kind == "LoG":
        return tuple(f"log-sigma-{str(s).replace('.', '-')}-mm-3D" for s in settings.sigmas)
    if kind != "Wavelet":
        return (kind.lower(),)
    axes = 2 if settings.force_2d else 3
    bands = [f"{k:0{axes}b}".replace("0", "L").replace("1", "H") for k in range(1, 2**axes)]
    levels = range(1, settings.level + 1)
    names = [f"wavelet{level if level > 1 else ''}-{band}" for level in levels for band in bands]
    return (*names, f"wavelet{settings.level if settings.level > 1 else ''}-{'L' * axes}")


def filtered(
    array: NDArray[Any],
    spacing_mm: tuple[float, float, float],
    settings: PyRadiomicsSet,
    what: str,
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield names and images that features are computed on, as large as `array`.

    Laplacians are left out of images that PyRadiomics takes for too small.
    """
    names, kind = image_names(settings), settings.image_type
    name = names[0]
    if kind == "Original":
        yield name, array
    elif kind == "Gradient":
        yield name, _gradient(array, spacing_mm if settings.gradient_use_spacing else (1, 1, 1))
    elif kind == "Wavelet":
        yield from _wavelets(array, settings)
    elif kind == "LoG":
        for name, sigma in zip(names, settings.sigmas, strict=True):
            if _fits(array.shape, spacing_mm, sigma):
                yield name, _laplacian(array, spacing_mm, sigma)
            else:
                size = f"{array.shape} voxels of {spacing_mm} mm"
                log.warning("%s: %s is undefined in an image of %s", what, name, size)
    else:
        yield name, _scaled(array.astype(np.float64), kind, what)


def _scaled(values: NDArray[np.float64], kind: str, what: str) -> NDArray[np.float64]:
    """Map intensities point by point, back to the range they had."""
    greatest = float(np.abs(values).max())
    if greatest == 0:
        raise InputError(what, f"intensities for {kind}", "some that are not zero", "zeros alone")
    made: NDArray[np.float64]
    if kind == "Square":
        made = (values / math.sqrt(greatest)) ** 2
    elif kind == "SquareRoot":
        made = np.sign(values) * np.sqrt(np.abs(values) * greatest)
    elif kind == "Logarithm":
        made = np.sign(values) * np.log(np.abs(values) + 1)
        made *= greatest / np.abs(made).max()
    else:
        made = np.exp(math.log(greatest) / greatest * values)
    return made


def _gradient(array: NDArray[Any], spacing_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Magnitude of the central differences; beyond the edge the outermost voxel goes on."""
    squares = np.zeros(array.shape)
    for axis, step in enumerate(spacing_mm):
        width = [(1, 1) if a == axis else (0, 0) for a in range(3)]
        padded = np.moveaxis(np.pad(array.astype(np.float64), width, mode="edge"), axis, 0)
        squares += np.moveaxis((padded[2:] - padded[:-2]) / (2 * step), 0, axis) ** 2
    return np.sqrt(squares).astype(np.float32)


def _wavelets(array: NDArray[Any], settings: PyRadiomicsSet) -> Iterator[tuple[str, NDArray[Any]]]:
    """Undecimated wavelet transform of the image, wrapped around; odd axes are one voxel longer.

    A name has a letter per axis, x first. Each level starts from the last one's low pass as if that
    were the image: PyRadiomics does not widen the filters.
    """
    import pywt

    flat = 2 - settings.force_2d_dimension if settings.force_2d else None
    axes = tuple(axis for axis in range(3) if axis != flat)
    data = np.pad(array, [(0, n % 2) for n in array.shape], mode="wrap")
    back = tuple(slice(n) for n in array.shape)
    low = "a" * len(axes)
    for level in range(1, settings.start_level + settings.level + 1):
        bands = pywt.swtn(data, settings.wavelet, level=1, start_level=0, axes=axes)[0]
        data = bands[low]
        number = level - settings.start_level
        if number < 1:
            continue
        prefix = f"wavelet{number if number > 1 else ''}-"
        for letters, band in bands.items():
            if letters != low:
                yield prefix + letters.replace("a", "L").replace("d", "H"), band[back]
    yield prefix + "L" * len(axes), data[back]


def _fits(shape: tuple[int, ...], spacing_mm: tuple[float, float, float], sigma: float) -> bool:
    return min(shape) >= LEAST_RECURSION and all(
        n >= math.ceil(sigma / step) + 1 for n, step in zip(shape, spacing_mm, strict=True)
    )


def _laplacian(
    array: NDArray[Any], spacing_mm: tuple[float, float, float], sigma_mm: float
) -> NDArray[np.float32]:
    """σ² times the Laplacian of a Gaussian as SimpleITK approximates it, each step in float32."""
    total = np.zeros(array.shape, dtype=np.float32)
    for axis, step in enumerate(spacing_mm):
        part = _recursive(array, axis, _transfer(sigma_mm / step, curved=True), sigma_mm**2)
        for other in range(3):
            if other != axis:
                part = _recursive(part, other, _transfer(sigma_mm / spacing_mm[other]), 1.0)
        total = (total + part.astype(np.float64) * (1.0 / step**2)).astype(np.float32)
    return total


def _transfer(
    sigma: float, curved: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return numerator and denominator in 1/z of one half h(n), n >= 0, of a symmetric kernel.

    `sigma` in voxels. The kernel is scaled to the moments of what it stands for: Σ h(|n|) = 1, or,
    of the second derivative, Σ h(|n|) = 0 and Σ n² h(|n|) = 2.
    """
    top, bottom = _oscillations(SMOOTH, sigma)
    total = _moments(top, bottom)[0] * 2 - top[0]
    if not curved:
        return top / total, bottom
    second, _ = _oscillations(CURVED, sigma)
    second = second - (_moments(second, bottom)[0] * 2 - second[0]) / total * top
    return second / _moments(second, bottom)[1], bottom


def _oscillations(
    terms: tuple[tuple[float, float, float, float], ...], sigma: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the transfer function of the sum of two damped oscillations: (4,), (5,) in 1/z."""
    parts = []
    for a, b, w, damping in terms:
        sine, cosine, decay = math.sin(w / sigma), math.cos(w / sigma), math.exp(damping / sigma)
        top = np.array([a, (b * sine - a * cosine) * decay])
        parts.append((top, np.array([1, -2 * cosine * decay, decay**2])))
    (top_1, bottom_1), (top_2, bottom_2) = parts
    return (
        np.convolve(top_1, bottom_2) + np.convolve(top_2, bottom_1),
        np.convolve(bottom_1, bottom_2),
    )


def _moments(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> tuple[float, float]:
    """Return Σ h(n) and Σ n² h(n) over n >= 0 of h with a rational transfer function."""
    t0, t1, t2 = (float((top * np.arange(len(top)) ** k).sum()) for k in range(3))
    b0, b1, b2 = (float((bottom * np.arange(len(bottom)) ** k).sum()) for k in range(3))
    # the quotient rule, twice, for the derivative n of z^-n
    return t0 / b0, (t2 * b0**2 - b2 * t0 * b0 - 2 * t1 * b1 * b0 + 2 * b1**2 * t0) / b0**3


def _recursive(
    array: NDArray[Any],
    axis: int,
    transfer: tuple[NDArray[np.float64], NDArray[np.float64]],
    factor: float,
) -> NDArray[np.float32]:
    """Filter along an axis forwards and backwards; beyond the edge the outermost voxel goes on."""
    from scipy.signal import lfilter, lfilter_zi

    top, bottom = transfer[0] * factor, transfer[1]
    values = np.moveaxis(array.astype(np.float64), axis, -1)
    steady = lfilter_zi(top, bottom)
    ahead, _ = lfilter(top, bottom, values, zi=values[..., :1] * steady)
    turned = values[..., ::-1]
    back, _ = lfilter(top, bottom, turned, zi=turned[..., :1] * steady)
    made = ahead + back[..., ::-1] - top[0] * values
    moved: NDArray[np.float32] = np.moveaxis(made, -1, axis).astype(np.float32)
    return moved
