"""The short axis: analytic discs and ellipses, brute force over all pairs of outline points."""

import itertools
import math

import numpy as np
import pytest

from petnet.measure.axes import short_axis_mm
from petnet.volume import Volume


def masked(array, affine=None, spacing=(1.0, 1.0, 1.0)):
    affine = np.diag([*spacing, 1.0]) if affine is None else affine
    return Volume(np.asarray(array, dtype=bool), affine, "label", "MASK")


def ellipse(long_mm, short_mm, angle, spacing, shift, size=40):
    """One axial slice: a voxel belongs if its centre lies in the ellipse."""
    x, y = np.meshgrid(*(np.arange(size) - size / 2,) * 2, indexing="ij")
    x, y = x * spacing[0] - shift[0], y * spacing[1] - shift[1]
    along = x * math.cos(angle) + y * math.sin(angle)
    across = -x * math.sin(angle) + y * math.cos(angle)
    inside = (2 * along / long_mm) ** 2 + (2 * across / short_mm) ** 2 <= 1
    return masked(inside[..., None], spacing=(*spacing, 5.0))


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (2.0, 2.0), (1.0, 1.5)])
@pytest.mark.parametrize(
    ("long_voxels", "short_voxels", "low", "high"),
    [(2, 2, -0.55, 0.5), (4, 3, -0.5, 0.5), (6, 4, -0.5, 0.5), (20, 20, 0, 0.8), (28, 14, 0, 0.8)],
)
def test_analytic_ellipses_at_any_angle_and_offset(spacing, long_voxels, short_voxels, low, high):
    """What the docstring says of the error: on average, and under two voxels in each single one."""
    rng = np.random.default_rng(1)
    unit = min(spacing)
    errors = []
    for _ in range(100):
        shift, angle = rng.uniform(-0.5, 0.5, 2) * spacing, rng.uniform(0, math.pi)
        mask = ellipse(long_voxels * unit, short_voxels * unit, angle, spacing, shift)
        if mask.array.any():
            errors.append((short_axis_mm(mask) - short_voxels * unit) / max(spacing))
    assert max(map(abs, errors)) < 2.0
    assert low <= np.mean(errors) <= high


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_analytic_rows_are_as_wide_as_their_voxels(n):
    row = np.zeros((12, 3, 3))
    row[:n, 1, 1] = 1
    assert short_axis_mm(masked(row, spacing=(2.0, 2.0, 3.0))) == pytest.approx(2.0)
    thick = np.zeros((12, 20, 3))
    thick[:n, : 2 * n, 1] = 1
    # of a rectangle the diameter is oblique: the extent across it exceeds the width, by a known
    # factor, 2nw / sqrt(n^2 + w^2), less the corners that the outline cuts off
    exact = 2 * 2.0 * 2 * n * n / math.hypot(n, 2 * n)
    assert exact - 2.0 <= short_axis_mm(masked(thick, spacing=(2.0, 2.0, 3.0))) <= exact


def brute_force(mask, affine):
    """Every pair of points half a voxel from a centre, in world millimetres; no hull."""
    axial = int(np.argmax(np.abs(affine[2, :3]) / np.linalg.norm(affine[:3, :3], axis=0)))
    plane_axes = [a for a in range(3) if a != axial]
    best = (-1.0, -1.0)
    for k in range(mask.shape[axial]):
        points = []
        for index in np.argwhere(np.take(mask, k, axial)):
            for axis, sign in itertools.product((0, 1), (-0.5, 0.5)):
                voxel = np.zeros(3)
                voxel[plane_axes], voxel[axial] = index, k
                voxel[plane_axes[axis]] += sign
                points.append(affine[:3, :3] @ voxel)
        normal = np.cross(affine[:3, plane_axes[0]], affine[:3, plane_axes[1]])
        pairs = [(math.dist(p, q), p, q) for p, q in itertools.combinations(points, 2)]
        longest = max((d for d, _, _ in pairs), default=0.0)
        for distance, p, q in pairs:
            if distance > longest - 1e-7:
                across = np.cross(normal, p - q)
                extents = np.array(points) @ (across / np.linalg.norm(across))
                best = max(best, (round(distance, 5), float(extents.max() - extents.min())))
    return best[1]


def rotated(degrees, spacing=(2.0, 2.0, 3.0), about=0):
    angle = math.radians(degrees)
    turn = np.eye(3)
    a, b = (i for i in range(3) if i != about)
    turn[[a, a, b, b], [a, b, a, b]] = (
        math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle),
    )  # fmt: skip
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(spacing)
    return affine


GRIDS = {
    "axial": np.diag([2.0, 2.0, 3.0, 1.0]),
    "oblique": rotated(20),
    "in-plane turned": rotated(30, about=2),
    "coronal first": np.array([[0, 2.0, 0, 5], [0, 0, 1.5, 7], [-3.0, 0, 0, 2], [0, 0, 0, 1]]),
    "sagittal": np.array([[0, 0, -3.0, 0], [2.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1.0]]),
}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("seed", range(4))
def test_brute_force_on_any_grid(grid, seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros((7, 6, 5), bool)
    mask[1:6, 1:5, 1:4] = rng.random((5, 4, 3)) > 0.3
    mask[3, 1:5, 1:4] = mask[1:6, 2, 2] = True  # one part
    mask &= connected(mask)
    affine = GRIDS[grid]
    assert short_axis_mm(masked(mask, affine)) == pytest.approx(brute_force(mask, affine))


def connected(mask):
    """Grow from one voxel of the middle; what is left out belongs to other parts."""
    grown = np.zeros_like(mask)
    grown[3, 2, 2] = True
    while True:
        wide = np.pad(grown, 1)
        steps = itertools.product((0, 1, 2), repeat=3)
        near = np.logical_or.reduce(
            [wide[i : i + 7, j : j + 6, k : k + 5] for i, j, k in steps]
        )  # fmt: skip
        if ((near & mask) == grown).all():
            return grown
        grown = near & mask


def test_the_slice_with_the_longest_diameter_decides():
    mask = np.zeros((12, 12, 2))
    mask[1:6, 1:6, 0] = 1  # 5 by 5
    mask[1:11, 3, 1] = 1  # 10 by 1, touching
    assert short_axis_mm(masked(mask)) == pytest.approx(1.0)


def test_a_diameter_does_not_bridge_two_nodes():
    mask = np.zeros((20, 4, 1))
    mask[0:3, 0:2] = mask[15:17, 0:2] = 1
    alone = mask.copy()
    alone[15:] = 0
    assert short_axis_mm(masked(mask)) == pytest.approx(short_axis_mm(masked(alone)))
    assert short_axis_mm(masked(mask)) < 3.0


def test_a_sphere_keeps_its_diameter_on_a_tilted_grid():
    """20 mm sphere; slices of a grid tilted by 25 degrees pass through its middle too."""
    affine = rotated(25, (1.0, 1.0, 1.0))
    index = np.argwhere(np.ones((30, 30, 30)))
    world = index @ affine[:3, :3].T
    inside = np.linalg.norm(world - world.mean(axis=0), axis=1) <= 10.0
    found = short_axis_mm(masked(inside.reshape(30, 30, 30), affine))
    assert found == pytest.approx(20.0, abs=1.0)


def test_nothing_has_no_axis():
    assert math.isnan(short_axis_mm(masked(np.zeros((3, 3, 3)))))
