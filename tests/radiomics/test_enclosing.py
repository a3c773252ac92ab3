"""Hull, oriented box and ellipsoid against qhull, closed forms, brute force and optimality."""

import itertools
import math

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from petnet.radiomics.enclosing import (
    Hull,
    diameter,
    enclosing_ellipsoid,
    hull_of_mesh,
    oriented_box,
)
from petnet.radiomics.kernels.cpu_hull import convex_hull

MILLIMETRES = np.array([0.7, 1.3, 2.1])


def random_masks(n, seed, largest=9):
    rng = np.random.default_rng(seed)
    while n:
        mask = rng.random(rng.integers(1, largest, size=3)) < rng.choice([0.05, 0.2, 0.5, 0.9])
        if mask.any():
            n -= 1
            yield mask.astype(np.uint8)


def mesh_vertices(mask):
    """Every vertex that the mesh could have: half a voxel beside each voxel, as twice the index."""
    steps = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    return (2 * np.argwhere(mask)[:, None] + steps).reshape(-1, 3)


def hull_of(points):
    """Make a Hull of any points by qhull, one facet per triangle."""
    points = np.asarray(points, dtype=float)
    found = ConvexHull(points)
    number = np.full(len(points), -1)
    number[found.vertices] = np.arange(len(found.vertices))
    a, b, c = points[found.simplices].transpose(1, 0, 2)
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    facets = np.repeat(np.arange(len(areas)), 3)
    incident = np.stack([facets, number[found.simplices].ravel()], axis=1)
    return Hull(points[found.vertices], found.equations[:, :3], areas, incident)


def test_qhull_random_masks():
    for mask in random_masks(400, seed=0):
        ours, theirs = hull_of_mesh(mask, MILLIMETRES), ConvexHull(mesh_vertices(mask) / 2)
        corners = np.round(ours.points / MILLIMETRES * 2).astype(int)
        qhull = np.round(theirs.points[theirs.vertices] * 2).astype(int)
        assert sorted(map(tuple, corners)) == sorted(map(tuple, qhull))
        assert len(ours.areas) == len(np.unique(np.round(theirs.equations, 7), axis=0))
        scaled = ConvexHull(theirs.points * MILLIMETRES)
        assert (ours.volume, ours.area) == pytest.approx((scaled.volume, scaled.area), rel=1e-9)
        assert diameter(ours) == pytest.approx(pdist(scaled.points[scaled.vertices]).max())


def test_qhull_random_points():
    """Any points on a grid in ascending order, not only those of a mesh."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        points = np.unique(rng.integers(0, 7, size=(rng.integers(5, 60), 3)), axis=0)
        if np.linalg.matrix_rank(points - points[0]) < 3:
            continue
        vertices, normals, incident = convex_hull(points)
        theirs = ConvexHull(points)
        assert vertices.tolist() == sorted(theirs.vertices.tolist())
        assert np.linalg.norm(normals, axis=1).sum() / 2 == pytest.approx(theirs.area)
        # every facet has all points behind it, and its corners on it
        of_facet = (normals[incident[:, 0]] * points[vertices[incident[:, 1]]]).sum(axis=1)
        offsets = np.full(len(normals), of_facet.min() - 1)
        offsets[incident[:, 0]] = of_facet
        assert (of_facet == offsets[incident[:, 0]]).all()
        assert (normals @ points.T <= offsets[:, None]).all()


def test_points_in_a_plane_have_no_hull():
    flat = np.array([(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2), (2, 2, 4)])
    for points in (flat, flat[:3], flat[:1]):
        vertices, normals, incident = convex_hull(points)
        assert (len(vertices), len(normals), len(incident)) == (0, 0, 0)


def test_analytic_hull_of_one_voxel():
    hull = hull_of_mesh(np.ones((1, 1, 1), dtype=np.uint8), np.array([2.0, 3.0, 5.0]))
    assert hull.volume == pytest.approx(4 / 3 * 1.0 * 1.5 * 2.5)
    assert diameter(hull) == 5.0


def box_volume_brute_force(points, rotations):
    """Volume of the smallest box over all rotations given."""
    turned = np.einsum("rij,pj->rpi", rotations.as_matrix(), points)
    return np.ptp(turned, axis=1).prod(axis=1).min()


@pytest.fixture(scope="module")
def many_rotations():
    return Rotation.random(40_000, rng=np.random.default_rng(2))


@pytest.mark.parametrize("seed", range(12))
def test_brute_force_oriented_box(many_rotations, seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(rng.integers(4, 25), 3)) * rng.uniform(0.3, 3.0, size=3)
    axes, edges = oriented_box(hull_of(points))
    assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-12)
    assert edges == pytest.approx(np.ptp(points @ axes.T, axis=0))
    # 40,000 turns come within some per cent of the smallest box from above
    assert edges.prod() <= box_volume_brute_force(points, many_rotations) * 1.005


@pytest.mark.parametrize("seed", range(6))
def test_analytic_no_box_is_larger_than_the_one_along_the_axes(seed):
    """Of many unions of boxes, whose hulls have corners one above the other."""
    rng = np.random.default_rng(seed)
    for _ in range(30):
        mask = np.zeros((24, 20, 16), dtype=np.uint8)
        for _ in range(rng.integers(1, 6)):
            low = rng.integers(0, [16, 12, 10])
            x, y, z = map(slice, low, low + rng.integers(2, 9, size=3))
            mask[x, y, z] = 1
        for spacing in ((1.0, 1.0, 1.0), (4.0, 4.0, 3.3)):
            hull = hull_of_mesh(mask, np.array(spacing))
            _, edges = oriented_box(hull)
            assert np.prod(edges) <= np.prod(np.ptp(hull.points, axis=0)) * (1 + 1e-9)


def test_brute_force_box_on_every_facet():
    """Where all facets are tried, the box is no larger than the best that lies on one."""
    for mask in random_masks(25, seed=4):
        hull = hull_of_mesh(mask, MILLIMETRES)
        on_facets = min(box_on_facet(hull.points, normal) for normal in hull.normals)
        assert oriented_box(hull)[1].prod() <= on_facets * (1 + 1e-9)


def box_on_facet(points, normal):
    across = np.linalg.svd(normal[None])[2][1:]
    flat, height = points @ across.T, np.ptp(points @ normal)
    outline = flat[ConvexHull(flat).vertices]
    sides = np.roll(outline, -1, axis=0) - outline
    sides /= np.linalg.norm(sides, axis=1)[:, None]
    turned = np.stack([sides, sides[:, ::-1] * [-1, 1]], axis=1) @ outline.T
    return np.ptp(turned, axis=2).prod(axis=1).min() * height


@pytest.mark.parametrize("seed", range(5))
def test_analytic_box_of_a_turned_box(seed):
    edges = np.array([1.0, 2.0, 5.0])
    corners = np.array(list(itertools.product([0, 1], repeat=3))) * edges
    turned = Rotation.random(rng=np.random.default_rng(seed)).apply(corners)
    assert np.sort(oriented_box(hull_of(turned))[1]) == pytest.approx(edges)


def test_analytic_box_of_a_tetrahedron_lies_on_no_facet():
    corners = np.array([(0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1)], dtype=float)
    turned = Rotation.from_rotvec([0.3, -1.1, 0.7]).apply(corners)
    hull = hull_of(turned)
    assert min(box_on_facet(hull.points, normal) for normal in hull.normals) > 1.4
    assert oriented_box(hull)[1] == pytest.approx([1, 1, 1])


def test_analytic_ellipsoid_of_affine_cubes():
    corners = np.array(list(itertools.product([-0.5, 0.5], repeat=3)))
    centre, _, semi_axes = enclosing_ellipsoid(corners + np.array([3, 4, 5]))
    assert centre == pytest.approx([3, 4, 5])
    assert semi_axes == pytest.approx([math.sqrt(3) / 2] * 3)
    for seed in range(5):
        affine = np.random.default_rng(seed).normal(size=(3, 3))
        centre, axes, semi_axes = enclosing_ellipsoid(corners @ affine.T + [1, 0, -2])
        assert centre == pytest.approx([1, 0, -2], abs=1e-6)
        shape = axes.T @ np.diag(semi_axes**2) @ axes
        assert shape == pytest.approx(affine @ affine.T * 3 / 4, rel=1e-6, abs=1e-6)


def test_analytic_ellipsoid_of_a_tetrahedron():
    """Its circumscribed sphere; only four points, each of which must carry weight."""
    corners = np.array([(0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1)], dtype=float)
    centre, _, semi_axes = enclosing_ellipsoid(corners)
    assert centre == pytest.approx([0.5] * 3)
    assert semi_axes == pytest.approx([math.sqrt(3) / 2] * 3)


def test_optimality_of_the_ellipsoid():
    """John: all points within, and weights on the touching ones that give its covariance."""
    from scipy.optimize import nnls

    rng = np.random.default_rng(6)
    clouds = [rng.normal(size=(n, 3)) * [1, 2, 9] for n in (4, 5, 9, 40, 400)]
    clouds += [hull_of_mesh(mask, MILLIMETRES).points for mask in random_masks(40, seed=7)]
    for points in clouds:
        centre, axes, semi_axes = enclosing_ellipsoid(points)
        unit = (points - centre) @ axes.T / semi_axes
        distance = (unit**2).sum(axis=1)
        assert distance.max() <= 1 + 1e-9
        touching = unit[distance > 1 - 1e-5]
        conditions = [touching[:, i] * touching[:, j] for i in range(3) for j in range(i, 3)]
        system = np.array([*conditions, *touching.T])
        identity = [float(i == j) for i in range(3) for j in range(i, 3)]
        assert nnls(system, np.array([*identity, 0.0, 0.0, 0.0]))[1] < 1e-4


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_ellipsoid_of_points_in_a_plane_is_nan(rank):
    rng = np.random.default_rng(rank)
    points = rng.normal(size=(20, rank)) @ rng.normal(size=(rank, 3)) + 7
    assert all(np.isnan(part).all() for part in enclosing_ellipsoid(points))
    assert all(np.isnan(part).all() for part in enclosing_ellipsoid(points[:2]))
