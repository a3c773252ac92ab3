"""Outlines of the body on PET and on CT, and how far one lies from the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.volume import Volume, same_grid

__all__ = ["Agreement", "Bodies", "agreement", "axial_axis", "bodies", "free_share", "sampled"]

BODY_HU = -500.0
AIR_HU = -930.0  # thinner than lungs
BODY_SHARE = 0.25  # of the body's median uptake, so that a wrong scale hardly moves the outline
BODY_SUV = (0.1, 0.5)  # ... but above the noise of air, and whatever a hot lesion in a small field
COARSE_MM = 5.0  # outlines need no finer voxels
BLUR_MM = 4.0  # of the PET, whose noise has no outline
TABLE_MM = 6.0  # what is thinner than twice this is no part of the body
PART_OF_LARGEST = 0.2  # legs and arms are parts of their own where the field begins below the hip
LEAST_SURFACE = 100  # voxels of free surface that a shift can be told from
LEAST_SPREAD = 0.08  # of the normals along an axis; 0.5 for a cylinder across its own
LEAST_FREE = 0.85  # of the outline that must not be cut off by the field
ROUNDS, LEVEL_ROUNDS = 6, 3

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Bodies:
    """Outlines on a coarse grid of the PET (voxels of about 5 mm).

    Attributes
    ----------
    affine : (4, 4) float64 array
    pet, ct : (X, Y, Z) bool arrays
        `ct` is None without a CT; holes such as the lungs are filled.
    seen : (X, Y, Z) bool array
        Where the CT has values.
    suv : (X, Y, Z) float32 array
    """

    affine: NDArray[np.float64]
    pet: Mask
    ct: Mask | None
    seen: Mask
    suv: NDArray[np.float32]

    @property
    def best(self) -> Mask:
        """The CT's outline, which is sharper, where there is one."""
        return self.pet if self.ct is None else self.ct


@dataclass(frozen=True)
class Agreement:
    """How two outlines agree where the CT has values.

    Attributes
    ----------
    dice : float
    contained : float
        Share of the PET's body that lies in the CT's.
    shift_mm : (3,) tuple of float
        By which the PET lies away from the CT in RAS+; 0 along directions in which the outline
        does not tell, such as the axis of a limb.
    free : float
        Share of the outlines, within axial slices, that the edge of the field does not cut off; the
        lesser of the two.
    told : bool
        Whether so much of both is free, and runs in so many directions, that a shift within the
        axial plane can be told.
    """

    dice: float
    contained: float
    shift_mm: tuple[float, float, float]
    free: float
    told: bool

    @property
    def distance_mm(self) -> float:
        """Length of the shift."""
        return float(np.linalg.norm(self.shift_mm))


def sampled(
    volume: Volume, shape: tuple[int, ...], affine: NDArray[np.float64], outside: float
) -> NDArray[np.float32]:
    """Return the values of `volume` at the voxel centres of another grid, by linear interpolation.

    The field of the volume reaches to the edges of its outer voxels; outside it is `outside`.
    """
    from scipy.ndimage import affine_transform

    if volume.array.shape == shape and np.allclose(volume.affine, affine, atol=1e-4):
        return volume.array.astype(np.float32)
    to_index = np.linalg.inv(volume.affine) @ affine
    matrix, offset = to_index[:3, :3], to_index[:3, 3]
    values: NDArray[np.float32] = affine_transform(
        volume.array, matrix, offset, shape, np.float32, order=1, mode="nearest"
    )
    steps = np.ix_(*(np.arange(n, dtype=np.float64) for n in shape))
    for row, start, count in zip(matrix, offset, volume.array.shape, strict=True):
        place = sum((step * part for step, part in zip(steps, row, strict=True)), start)
        values[(place < -0.5) | (place > count - 0.5)] = outside
    return values


def bodies(pet: Volume, ct: Volume | None) -> Bodies:
    """Outline the body on both images."""
    step = tuple(max(1, round(COARSE_MM / s)) for s in pet.spacing_mm)
    suv = np.ascontiguousarray(pet.array[:: step[0], :: step[1], :: step[2]], dtype=np.float32)
    suv = np.where(np.isfinite(suv), suv, np.float32(0))
    affine = pet.affine @ np.diag([*step, 1.0])
    if ct is None:
        return Bodies(affine, _pet_body(suv, affine), None, np.zeros(suv.shape, bool), suv)
    same = same_grid(pet, ct)
    hu = (
        ct.array[:: step[0], :: step[1], :: step[2]]
        if same
        else sampled(ct, suv.shape, affine, np.nan)
    )
    seen = np.isfinite(hu)
    return Bodies(affine, _pet_body(suv, affine), _ct_body(hu, seen, affine), seen, suv)


def _spacing(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    spacing: NDArray[np.float64] = np.linalg.norm(affine[:3, :3], axis=0)
    return spacing


def axial_axis(affine: NDArray[np.float64]) -> int:
    """Return the array axis that runs from feet to head."""
    return int(np.argmax(np.abs(affine[2, :3]) / _spacing(affine)))


def _pet_body(suv: NDArray[np.float32], affine: NDArray[np.float64]) -> Mask:
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(suv, BLUR_MM / _spacing(affine) / 2.355, mode="nearest")
    low, high = BODY_SUV
    threshold = low
    for _ in range(LEVEL_ROUNDS):
        uptake = blurred[blurred > threshold]
        if not uptake.size:
            break
        threshold = min(max(BODY_SHARE * float(np.median(uptake)), low), high)
    return _filled(_large(blurred > threshold), axial_axis(affine))


def _ct_body(hu: NDArray, seen: Mask, affine: NDArray[np.float64]) -> Mask:
    """Take the table off by an opening within the axial plane, then what is not connected."""
    from scipy.ndimage import binary_dilation, binary_erosion

    axial, spacing = axial_axis(affine), _spacing(affine)
    dense = seen & (np.where(seen, hu, -1000.0) > BODY_HU)
    disc = _disc(spacing, axial)
    # beyond the field the body goes on, or its cut surface would be eaten away
    thick = binary_erosion(dense, disc, border_value=1)
    body = _filled(_large(binary_dilation(thick, disc) & dense), axial)
    return body | _lungs(hu, seen & ~body)


def _lungs(hu: NDArray, rest: Mask) -> Mask:
    """Return what is as dense as lung in a field that cuts through it, where nothing encloses it.

    The table's cushion is as thin, but lies in the air, whose density is that of the whole.
    """
    from scipy.ndimage import label

    parts, count = label(rest)
    inside = parts[rest]
    sizes = np.maximum(np.bincount(inside, minlength=count + 1), 1)
    mean = np.bincount(inside, weights=hu[rest], minlength=count + 1) / sizes
    lungs = np.zeros_like(rest)
    lungs[rest] = (mean > AIR_HU)[inside]
    return lungs


def _disc(spacing: NDArray[np.float64], axial: int) -> Mask:
    reach = np.maximum(1, np.rint(TABLE_MM / spacing)).astype(int)
    reach[axial] = 0
    size = tuple(int(n) for n in 2 * reach + 1)
    offsets = np.indices(size) - reach.reshape(3, 1, 1, 1)
    scaled = offsets / np.maximum(reach, 1).reshape(3, 1, 1, 1)
    disc: Mask = (scaled**2).sum(axis=0) <= 1.0
    return disc


def _large(mask: Mask) -> Mask:
    """Keep the largest component, and others that are not much smaller."""
    from scipy.ndimage import label

    parts, count = label(mask)
    if count <= 1:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept: Mask = (sizes >= PART_OF_LARGEST * sizes.max())[parts]
    return kept


def _filled(mask: Mask, axial: int) -> Mask:
    """Fill what is enclosed within an axial slice: lungs, bowel gas, cold organs."""
    from scipy.ndimage import binary_fill_holes

    slices = np.moveaxis(mask, axial, 0)
    filled = np.stack([binary_fill_holes(one) for one in slices]) if len(slices) else slices
    return np.ascontiguousarray(np.moveaxis(filled, 0, axial))


def agreement(found: Bodies) -> Agreement | None:
    """Compare the outlines; None where one of them is empty.

    Notes
    -----
    The shift t is the least-squares solution of d_i = n_i · t + c over the voxels i of the PET's
    free surface, where d is the signed distance from the CT's surface and n its gradient; the
    constant c takes up that a threshold on a blurred image draws the outline too wide or too tight.
    Voxels nearer to the edge of the field than to the CT's surface are left out, for that surface
    may go on outside.
    """
    if found.ct is None:
        return None
    pet, ct = found.pet & found.seen, found.ct
    if not pet.any() or not ct.any():
        return None
    both = float((pet & ct).sum())
    shift, told = _shift(pet, ct, found.seen, found.affine)
    x, y, z = (float(v) for v in shift)
    axial = axial_axis(found.affine)
    free = min(free_share(pet, found.seen, axial), free_share(ct, found.seen, axial))
    dice = 2 * both / float(pet.sum() + ct.sum())
    contained = both / float(pet.sum())
    return Agreement(dice, contained, (x, y, z), free, told and free >= LEAST_FREE)


def free_share(body: Mask, seen: Mask, axial: int) -> float:
    """Return the share of a body's border, within axial slices, that lies inside of the field."""
    from scipy.ndimage import binary_erosion, generate_binary_structure

    plane = generate_binary_structure(3, 1)
    plane = plane & (np.indices(plane.shape)[axial] == 1)
    border = body & ~binary_erosion(body, plane)
    if not border.any():
        return 0.0
    inner = binary_erosion(seen, plane)
    return float((border & inner).sum() / border.sum())


def _shift(
    pet: Mask, ct: Mask, seen: Mask, affine: NDArray[np.float64]
) -> tuple[NDArray[np.float64], bool]:
    from scipy.ndimage import binary_erosion, map_coordinates

    spacing = _spacing(affine)
    directions = affine[:3, :3] / spacing
    distance, to_edge = _distances(ct, seen, spacing)
    slopes = [g.astype(np.float32) for g in np.gradient(distance, *spacing)]
    surface = np.argwhere(pet & ~binary_erosion(pet, border_value=1) & seen)
    shift, told = np.zeros(3), False
    for _ in range(ROUNDS):
        at = surface - (np.linalg.inv(directions) @ shift) / spacing
        d = map_coordinates(distance, at.T, order=1, mode="nearest")
        kept = np.abs(d) < to_edge[tuple(surface.T)]
        normals = np.stack([map_coordinates(g, at[kept].T, order=1) for g in slopes], axis=1)
        step, told = _solve(normals @ directions.T, d[kept], 2 * float(spacing.max()))
        shift = shift + step
        if not told or np.linalg.norm(step) < 0.1:
            break
    return shift, told


def _distances(
    ct: Mask, seen: Mask, spacing: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the signed distance from the CT's surface and the distance to the field's edge."""
    from scipy.ndimage import distance_transform_edt

    outside = distance_transform_edt(~ct, spacing) if not ct.all() else np.zeros(ct.shape)
    inside = distance_transform_edt(ct, spacing) if not ct.all() else np.full(ct.shape, np.inf)
    edge = distance_transform_edt(np.pad(seen, 1), spacing)[1:-1, 1:-1, 1:-1]
    half = float(spacing.mean()) / 2
    signed = np.where(ct, half - inside, outside - half)
    return np.nan_to_num(signed, neginf=-1e4).astype(np.float32), edge.astype(np.float32)


def _solve(
    normals: NDArray[np.float64], distance: NDArray[np.float64], scale: float
) -> tuple[NDArray[np.float64], bool]:
    """Solve for the shift with Huber weights, in those directions alone that the normals span."""
    if len(distance) < LEAST_SURFACE:
        return np.zeros(3), False
    middle = np.median(distance)
    weight = scale / np.maximum(scale, np.abs(distance - middle))
    n = normals - np.average(normals, axis=0, weights=weight)
    d = distance - np.average(distance, weights=weight)
    spread, axes = np.linalg.eigh((n * weight[:, None]).T @ n / weight.sum())
    wanted = axes.T @ ((n * weight[:, None]).T @ d / weight.sum())
    known = spread >= LEAST_SPREAD
    shift = axes[:, known] @ (wanted[known] / spread[known])
    across = (axes[:2, known] ** 2).sum(axis=1)  # how much of x and of y the known axes span
    return shift, bool((across > 0.7).all())
