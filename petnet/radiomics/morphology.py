"""Morphological features (IBSI HCUG) of masks in three dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.devices import Device
from petnet.radiomics.autocorrelation import autocorrelations_on_cuda, spatial_autocorrelation
from petnet.radiomics.catalogue import AUTOCORRELATION, features_of
from petnet.radiomics.enclosing import diameter, enclosing_ellipsoid, hull_of_mesh, oriented_box
from petnet.radiomics.kernels.cpu_shape import (
    coordinate_moments,
    intensity_moments,
    mesh_patterns,
)
from petnet.radiomics.kernels.threads import run_all
from petnet.radiomics.marching import areas_and_volumes
from petnet.radiomics.preprocess import Region

__all__ = ["ShapeSums", "ellipsoid_area", "morphology_batch", "morphology_features", "shape_sums"]

NAN = float("nan")
LEGENDRE_TERMS = 20


@dataclass(frozen=True, eq=False)
class ShapeSums:
    """What is summed over the voxels of R regions, on the device that was asked for.

    Attributes
    ----------
    patterns : (R, 256, 2) int64
        As `cpu_shape.mesh_patterns` counts them.
    moments : (R, 10) int64
        As `cpu_shape.coordinate_moments` sums them.
    autocorrelation : list of (float, float), optional
        Moran's I and Geary's C of each region. Where they are None and asked for, they are computed
        region by region, beside the other features.
    """

    patterns: NDArray[np.int64]
    moments: NDArray[np.int64]
    autocorrelation: list[tuple[float, float]] | None = None


def shape_sums(
    regions: Sequence[Region], autocorrelation: bool = True, device: Device = "cpu"
) -> ShapeSums:
    """Sum over the voxels of many regions; all of the work of a CUDA device for morphology.

    Parameters
    ----------
    regions, autocorrelation
        As `morphology_batch` takes them.
    device : {"cpu", "cuda"}
        As `resolve_device` gave it; the CUDA device that is current in this thread.
    """
    masks, offsets, shapes = _packed([_as_bytes(region.morphological) for region in regions])
    if device == "cpu":
        packed = masks, offsets, shapes
        return ShapeSums(mesh_patterns(*packed), coordinate_moments(*packed))
    from petnet.radiomics.kernels import cuda, cuda_shape

    on_device = cuda.to_device(masks)
    patterns = cuda_shape.mesh_patterns(on_device, offsets, shapes)
    moments = cuda_shape.coordinate_moments(on_device, offsets, shapes)
    both = None
    if autocorrelation:
        both = autocorrelations_on_cuda([(r.values, r.intensity, r.spacing_mm) for r in regions])
    return ShapeSums(cuda.to_host(patterns), cuda.to_host(moments), both)


def _packed(
    masks: Sequence[NDArray[np.uint8]],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int32]]:
    """Lay masks one after the other: their voxels, the first of each, and their shapes."""
    sizes = np.array([mask.size for mask in masks], dtype=np.int64)
    return (
        np.concatenate([mask.ravel() for mask in masks]),
        np.cumsum(sizes) - sizes,
        np.array([mask.shape for mask in masks], dtype=np.int32),
    )


def morphology_features(region: Region) -> dict[str, float]:
    """Compute the IBSI morphological features of a region; `morphology_batch` of a single one."""
    return morphology_batch([region])[0]


def morphology_batch(
    regions: Sequence[Region], autocorrelation: bool = True, sums: ShapeSums | None = None
) -> list[dict[str, float]]:
    """Compute the IBSI morphological features of many regions.

    Parameters
    ----------
    regions : sequence of Region
        At least one voxel in each morphological mask.
    autocorrelation : bool
        With Moran's I and Geary's C, which take most of the time in large regions.
    sums : ShapeSums, optional
        Of these regions, by `shape_sums` on any device; by default it is called on the CPU.

    Returns
    -------
    list of dict of str to float
        In mm, mm², mm³ or no unit; integrated intensity in the image's unit times mm³. Undefined
        is NaN: elongation and flatness when the major axis is zero (one voxel), densities by the
        approximate enclosing ellipsoid when it has no volume (voxels in one plane), centre of mass
        shift and integrated intensity when no voxel is left in the intensity mask (the shift also
        when its intensities sum to zero), Moran's I and Geary's C when fewer than two voxels are
        left in it or all have one intensity.

    Notes
    -----
    Volume, surface, hull, diameter and all enclosing bodies but the approximate ellipsoid are those
    of the marching-cubes mesh at 0.5 (`petnet.radiomics.marching`). Axes are 4 √λ of the sample
    covariance (N - 1) of voxel centres, which is what reproduces the IBSI values. The oriented
    bounding box and the minimum volume enclosing ellipsoid are not standardised by IBSI; see
    `petnet.radiomics.enclosing` for what they are here.
    Source: doi:10.1148/radiol.2020191145.
    """
    if not regions:
        return []
    summed = shape_sums(regions, autocorrelation) if sums is None else sums
    spacing = np.array([region.spacing_mm for region in regions], dtype=np.float64)
    areas, volumes = areas_and_volumes(summed.patterns, spacing)
    counts, centres, axes = _principal_axes(summed.moments, spacing)
    names = [
        feature.name
        for feature in features_of("morph")
        if autocorrelation or feature.name not in AUTOCORRELATION
    ]

    def of_region(k: int) -> dict[str, float]:
        area, volume = float(areas[k]), float(volumes[k])
        found = {
            "volume_mesh": volume,
            "volume_voxel_counting": float(counts[k] * spacing[k].prod()),
            "surface_area_mesh": area,
        }
        found |= _roundness(volume, area)
        found |= _intensity_weighted(regions[k], centres[k], volume)
        found |= _enclosed(_as_bytes(regions[k].morphological), spacing[k], volume, area)
        found |= _axes(axes[k], volume, area)
        if autocorrelation:
            both = _autocorrelation(regions[k], summed, k)
            found |= dict(zip(AUTOCORRELATION, both, strict=True))
        return {name: found[name] for name in names}

    return run_all(of_region, range(len(regions)))


def _autocorrelation(region: Region, sums: ShapeSums, k: int) -> tuple[float, float]:
    if sums.autocorrelation is not None:
        return sums.autocorrelation[k]
    return spatial_autocorrelation(region.values, region.intensity, region.spacing_mm)


def _as_bytes(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """View a mask as 0 and 1; C order and writable, the one kind that kernels are compiled for."""
    return np.require(mask, dtype=np.bool_, requirements=["C", "W"]).view(np.uint8)


def _principal_axes(
    moments: NDArray[np.int64], spacing_mm: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return voxels (R,), centre (R, 3) in mm and least, minor, major axis (R, 3) in mm.

    N Σxy - Σx Σy is taken in whole numbers of any size, so that centring loses no digits.
    """
    rows = []
    for n, x, y, z, xx, yy, zz, xy, xz, yz in moments.tolist():
        xy, xz, yz = n * xy - x * y, n * xz - x * z, n * yz - y * z
        rows.append([n * xx - x * x, xy, xz, xy, n * yy - y * y, yz, xz, yz, n * zz - z * z])
    centred = np.array(rows, dtype=np.float64).reshape(-1, 3, 3)
    counts = moments[:, 0]
    pairs = (counts * np.maximum(counts - 1, 1)).astype(np.float64)
    covariance = centred / pairs[:, None, None] * spacing_mm[:, :, None] * spacing_mm[:, None]
    eigenvalues = np.linalg.eigvalsh(covariance)
    # rounding leaves about 1e-16 of the largest where a plane or a line has none
    eigenvalues = np.where(eigenvalues > 1e-12 * eigenvalues[:, 2:], eigenvalues, 0.0)
    return counts, moments[:, 1:4] / counts[:, None] * spacing_mm, 4 * np.sqrt(eigenvalues)


def _roundness(volume: float, area: float) -> dict[str, float]:
    sphere_area = (36 * math.pi * volume**2) ** (1 / 3)
    return {
        "surface_to_volume_ratio": area / volume,
        "compactness_1": volume / (math.sqrt(math.pi) * area**1.5),
        "compactness_2": (sphere_area / area) ** 3,
        "spherical_disproportion": area / sphere_area,
        "sphericity": sphere_area / area,
        "asphericity": area / sphere_area - 1,
    }


def _intensity_weighted(
    region: Region, centre_mm: NDArray[np.float64], volume: float
) -> dict[str, float]:
    values = np.require(region.values, dtype=np.float64, requirements=["C", "W"])
    n, total, *first = intensity_moments(values, _as_bytes(region.intensity)).tolist()
    if n == 0:
        return {"centre_of_mass_shift": NAN, "integrated_intensity": NAN}
    shift = NAN
    if total != 0:
        weighted_mm = np.array(first) / total * np.asarray(region.spacing_mm)
        shift = float(np.linalg.norm(weighted_mm - centre_mm))
    return {"centre_of_mass_shift": shift, "integrated_intensity": total / n * volume}


def _enclosed(
    mask: NDArray[np.uint8], spacing: NDArray[np.float64], volume: float, area: float
) -> dict[str, float]:
    """Diameter of the mesh's convex hull, and densities by what encloses it."""
    hull = hull_of_mesh(mask, spacing)
    _, box = oriented_box(hull)
    _, _, semi_axes = enclosing_ellipsoid(hull.points)
    least, minor, major = semi_axes.tolist()
    found = {"maximum_3d_diameter": diameter(hull)}
    for name, volume_around, area_around in (
        ("aabb", *_box_size(np.ptp(hull.points, axis=0))),
        ("ombb", *_box_size(box)),
        ("mvee", 4 / 3 * math.pi * major * minor * least, ellipsoid_area(major, minor, least)),
        ("convex_hull", hull.volume, hull.area),
    ):
        found[f"volume_density_{name}"] = volume / volume_around
        found[f"area_density_{name}"] = area / area_around
    return found


def _box_size(edges: NDArray[np.float64]) -> tuple[float, float]:
    """Volume and area of a box."""
    x, y, z = edges.tolist()
    return x * y * z, 2 * (x * y + y * z + z * x)


def _axes(axes: NDArray[np.float64], volume: float, area: float) -> dict[str, float]:
    """Principal axes of the voxel centres and densities by the ellipsoid on them."""
    least, minor, major = axes.tolist()
    ellipsoid = math.pi / 6 * major * minor * least
    flat = ellipsoid == 0
    return {
        "major_axis_length": major,
        "minor_axis_length": minor,
        "least_axis_length": least,
        "elongation": minor / major if major > 0 else NAN,
        "flatness": least / major if major > 0 else NAN,
        "volume_density_aee": NAN if flat else volume / ellipsoid,
        "area_density_aee": NAN if flat else area / ellipsoid_area(major / 2, minor / 2, least / 2),
    }


def ellipsoid_area(a: float, b: float, c: float) -> float:
    """Return the surface area of an ellipsoid with semi-axes a >= b >= c > 0.

    4πab Σ (αβ)^n / (1 - 4n²) · P_n((α² + β²) / 2αβ), n = 0..20, with α² = 1 - b²/a²,
    β² = 1 - c²/a² (IBSI RDD2). The products (αβ)^n P_n are carried along by the recurrence of the
    Legendre polynomials, so that a sphere (α = β = 0) needs no special case.

    This is the formula of the IBSI manual, and the consensus values follow it; away from a sphere
    it is not the exact area (17.3 instead of 21.5 for semi-axes 2, 1, 1).
    """
    alpha, beta = 1 - (b / a) ** 2, 1 - (c / a) ** 2
    half, product = (alpha + beta) / 2, alpha * beta
    before, term = 1.0, half
    total = before + term / (1 - 4)
    for n in range(1, LEGENDRE_TERMS):
        before, term = term, ((2 * n + 1) * half * term - n * product * before) / (n + 1)
        total += term / (1 - 4 * (n + 1) ** 2)
    return 4 * math.pi * a * b * total
