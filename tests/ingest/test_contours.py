"""Contours to voxels, against the definition: exact fractions, analytic solids, brute force."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petnet.ingest.refusal import Refused
from petnet.ingest.regions.contours import contour_mask


def rotation(x, y, z):
    """Return a rotation by three angles in radians: (3, 3)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos([x, y, z]), np.sin([x, y, z])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def grid(directions, spacing, shape, centre=(0.0, 0.0, 0.0)):
    """Return the affine of a grid around a centre."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(directions, float) * spacing
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def centres(shape, affine):
    """Return the centres of all voxels in mm: (X, Y, Z, 3)."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def polygon(radius, sides=4, turn=0.0, centre=(0.0, 0.0)):
    angle = turn + 2 * np.pi * np.arange(sides) / sides
    return radius * np.column_stack([np.cos(angle), np.sin(angle)]) + centre


def at(points, z):
    return np.column_stack([points, np.full(len(points), float(z))])


def exactly_inside(i, j, polygons):
    """Tell by the even-odd rule, in fractions, whether pixel (i, j) lies in polygons of fractions.

    Taken a step of 2^-100 on along i and of 2^-200 along j, no centre lies on an edge; the ray goes
    along j, while the code under test goes along i.
    """
    x, y = i + Fraction(1, 2**100), j + Fraction(1, 2**200)
    odd = False
    for points in polygons:
        for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True):
            if (ax > x) != (bx > x) and ay + (x - ax) * (by - ay) / (bx - ax) < y:
                odd = not odd
    return odd


quarters = st.integers(-6, 26).map(lambda n: Fraction(n, 4))
vertex = st.tuples(quarters, quarters)
polygons = st.lists(
    st.lists(vertex, min_size=3, max_size=9), min_size=1, max_size=3, unique_by=tuple
)


@settings(max_examples=150, deadline=None)
@given(polygons)
def test_any_polygons_are_decided_exactly_as_in_fractions(outlines):
    """Self-touching, collinear, crossing, with vertices and edges on voxel centres."""
    shape = (6, 5, 1)
    affine = np.diag([-2.0, 0.5, 4.0, 1.0])
    affine[:3, 3] = [16.0, -8.0, 3.0]  # all exact in binary, so that nothing is rounded
    contours = [
        at(np.array(outline, float) * [-2.0, 0.5] + [16.0, -8.0], 3.0) for outline in outlines
    ]
    expected = np.array([[[exactly_inside(i, j, outlines)] for j in range(5)] for i in range(6)])
    if expected.any():
        np.testing.assert_array_equal(contour_mask(contours, shape, affine)[0], expected)
    else:
        with pytest.raises(Refused):
            contour_mask(contours, shape, affine)


@pytest.mark.parametrize("permutation", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
@settings(max_examples=40, deadline=None)
@given(outlines=polygons)
def test_contours_drawn_on_any_axis_follow_the_same_rule(permutation, outlines):
    """The same solid on a grid whose slices are not those on which it was drawn."""
    expected = np.array([[[exactly_inside(i, j, outlines)] for j in range(5)] for i in range(6)])
    shape, affine = np.array([6, 5, 1]), np.diag([2.0, 0.5, 4.0, 1.0])
    contours = [at(np.array(outline, float) * [2.0, 0.5], 0.0) for outline in outlines]
    turned = affine[:, [*permutation, 3]]
    if expected.any():
        mask, _ = contour_mask(contours, tuple(shape[list(permutation)]), turned)
        np.testing.assert_array_equal(mask, expected.transpose(permutation))


ORIENTATIONS = {
    "axial": np.eye(3),
    "axial, as DICOM has it": np.diag([-1.0, -1.0, 1.0]),
    "feet first": np.diag([1.0, -1.0, -1.0]),
    "sagittal": np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]]),
    "coronal": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "oblique": rotation(0.3, -0.2, 0.5),
    "steeply oblique": rotation(0.8, 0.7, -0.4),
}
DRAWN = {"drawn on axial planes": np.eye(3), "drawn on oblique planes": rotation(-0.5, 0.25, 0.1)}


def between(points, apothem, turn):
    """Tell which points lie in a square of half the width `apothem`: (..., 2) -> (...)."""
    turned = points @ rotation(0, 0, turn)[:2, :2]
    return (np.abs(turned) < apothem).all(axis=-1)


SOLIDS = {
    "disc": (
        [polygon(17.3, 2048, centre=(0.4, -0.7))],
        lambda p: np.hypot(p[..., 0] - 0.4, p[..., 1] + 0.7) < 17.3,
    ),
    "annulus": (
        [polygon(18.1, 2048), polygon(9.2, 2048)],
        lambda p: (np.hypot(p[..., 0], p[..., 1]) < 18.1) & (np.hypot(p[..., 0], p[..., 1]) >= 9.2),
    ),
    "annulus in an annulus": (
        [polygon(r, 2048) for r in (20.2, 15.3, 10.1, 5.4)],
        lambda p: np.searchsorted([5.4, 10.1, 15.3, 20.2], np.hypot(p[..., 0], p[..., 1])) % 2 == 1,
    ),
    "square": ([polygon(15 * np.sqrt(2), 4, np.pi / 4)], lambda p: between(p, 15.0, 0.0)),
    "turned square": (
        [polygon(13.7 * np.sqrt(2), 4, np.pi / 4 + 0.4)],
        lambda p: between(p, 13.7, 0.4),
    ),
}


@pytest.mark.parametrize("frame", DRAWN.values(), ids=DRAWN)
@pytest.mark.parametrize("directions", ORIENTATIONS.values(), ids=ORIENTATIONS)
@pytest.mark.parametrize("solid", SOLIDS.values(), ids=SOLIDS)
def test_analytic_solids_on_any_grid(solid, directions, frame):
    """Discs, annuli and squares extruded over planes 3 mm apart: membership is a formula."""
    outlines, in_plane = solid
    shape, spacing = (23, 26, 19), (2.1, 1.9, 2.6)
    affine = grid(directions, spacing, shape, centre=(0.37, 0.21, 0.13))
    planes = 3.0 * np.arange(-4, 5)
    contours = [at(outline, z) @ frame.T for z in planes for outline in outlines]
    mask, _ = contour_mask(contours, shape, affine)
    local = centres(shape, affine) @ frame
    expected = in_plane(local[..., :2]) & (local[..., 2] >= -13.5) & (local[..., 2] < 13.5)
    assert expected.sum() > 500
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("directions", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_each_layer_takes_the_contours_of_its_plane(directions):
    """A cone of discs, no two alike: each centre is judged by the plane nearest to it."""
    shape = (21, 22, 20)
    affine = grid(directions, (1.7, 1.6, 1.9), shape, centre=(0.31, 0.23, 0.17))
    contours = [at(polygon(16.0 + z, 2048), z) for z in 2.5 * np.arange(-5, 5)]
    mask, _ = contour_mask(contours, shape, affine)
    local = centres(shape, affine)
    nearest = 2.5 * np.clip(np.floor(local[..., 2] / 2.5 + 0.5), -5, 4)
    expected = np.hypot(local[..., 0], local[..., 1]) < 16.0 + nearest
    expected &= np.abs(local[..., 2] - nearest) < 1.25
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("spacing", [2.0, 1.0, 0.5, 0.25])
def test_areas_converge_to_the_analytic_ones(spacing):
    shape = (*(2 * [int(44 / spacing)]), 1)
    affine = grid(np.eye(3), (spacing, spacing, 3.0), shape)
    disc, _ = contour_mask([at(polygon(20.0, 2048), 0)], shape, affine)
    ring, _ = contour_mask([at(polygon(20.0, 2048), 0), at(polygon(11.0, 2048), 0)], shape, affine)
    # voxels that a boundary of length L cuts, at most about L / spacing · 3/2, decide the error
    assert abs(disc.sum() * spacing**2 - np.pi * 400) < 0.1 * spacing * 2 * np.pi * 20
    assert abs(ring.sum() * spacing**2 - np.pi * (400 - 121)) < 0.1 * spacing * 2 * np.pi * 31


@pytest.mark.parametrize("shift", [0.0, 0.125, 0.25, 0.5, 0.75, 1.0])
def test_squares_at_sub_voxel_offsets_are_half_open(shift):
    """[from, to) in both directions: three by two voxels wherever they begin."""
    corners = np.array([[1, 2], [4, 2], [4, 4], [1, 4]]) + shift
    for points in (corners, corners[::-1], np.roll(corners, 1, axis=0)):
        mask, _ = contour_mask([at(points, 0)], (8, 8, 1), np.eye(4))
        first = int(np.ceil(shift))
        expected = np.zeros((8, 8, 1), bool)
        expected[1 + first : 4 + first, 2 + first : 4 + first] = True
        np.testing.assert_array_equal(mask, expected)


def keyhole(outer, inner):
    """Join two outlines by a channel of no width, there and back."""
    return np.concatenate([outer, outer[:1], inner, inner[:1]])


def test_keyholes_nested_contours_and_xor_are_one_hole():
    outer, inner = polygon(9.0, 64), polygon(5.0, 64)
    shape, affine = (21, 21, 1), grid(np.eye(3), (1, 1, 3), (21, 21, 1))
    radius = np.hypot(*centres(shape, affine)[..., :2].transpose(3, 0, 1, 2))
    nested, _ = contour_mask([at(outer, 0), at(inner, 0)], shape, affine)
    for channel in (keyhole(outer, inner), keyhole(outer, inner[::-1]), keyhole(inner, outer)):
        mask, _ = contour_mask([at(channel, 0)], shape, affine)
        np.testing.assert_array_equal(mask, nested)
    apothem = np.cos(np.pi / 64)
    assert nested[(radius > 5.0) & (radius < 9.0 * apothem)].all()
    assert not nested[(radius < 5.0 * apothem) | (radius > 9.0)].any()


def mask_or_empty(contours, shape, affine):
    try:
        return contour_mask(contours, shape, affine)[0]
    except Refused as refusal:
        if "no voxel centre inside" not in str(refusal):
            raise
        return np.zeros(shape, bool)


floats = st.floats(-15.0, 15.0, allow_nan=False)


@pytest.mark.parametrize("frame", DRAWN.values(), ids=DRAWN)
@pytest.mark.parametrize("directions", ORIENTATIONS.values(), ids=ORIENTATIONS)
@settings(max_examples=12, deadline=None)
@given(
    line=st.lists(st.tuples(floats, floats), min_size=1, max_size=8),
    on_centres=st.booleans(),
)
def test_abutting_regions_share_no_voxel_and_miss_none(directions, frame, line, on_centres):
    shape = (9, 8, 7)
    affine = grid(directions, (2.3, 1.9, 2.8), shape)
    line = np.array(line)
    if on_centres:  # the boundary runs through centres, as far as binary fractions can say so
        line = (np.round(line).clip(0, 6) @ affine[:2, :2].T) + affine[:2, 3]
    far = 60.0
    line = np.concatenate([[[-far, 0.0]], line, [[far, 0.0]]])
    above = np.concatenate([line, [[far, far], [-far, far]]])
    below = np.concatenate([[[-far, -far], [far, -far]], line[::-1]])
    whole = far * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    heights = 2.5 * np.arange(-2, 3)
    one, other = (
        mask_or_empty([at(outline, z) @ frame.T for z in heights], shape, affine)
        for outline in (above, below)
    )
    union, _ = contour_mask([at(whole, z) @ frame.T for z in heights], shape, affine)
    assert not (one & other).any()
    np.testing.assert_array_equal(one | other, union)


# planes in mm; first slice, slice distance, number of slices; slices that belong
PLANES = {
    "each slice has its plane": ([3, 6, 9], (0, 3, 6), [1, 2, 3]),
    "in any order": ([9, 3, 6], (0, 3, 6), [1, 2, 3]),
    "slices between the planes": ([0, 3, 6, 9], (-5, 3, 7), [2, 3, 4, 5]),
    "slices thinner than planes": ([0, 3, 6], (-3, 1, 13), list(range(2, 11))),
    "slices thicker than planes": (range(10), (-4, 4, 5), [1, 2, 3]),
    "planes on every second slice": ([4, 8, 12], (0, 2, 9), [1, 2, 3, 4, 5, 6]),
    "ends are half-open": ([0, 3, 6], (-4.5, 3, 6), [1, 2, 3]),
    "a gap stays a gap": ([0, 3, 6, 21, 24], (0, 3, 10), [0, 1, 2, 7, 8]),
    "of two steps the smaller is the distance": ([0, 3, 9], (1, 3, 5), [0, 1, 3]),
    "two lone planes beside a slice between": ([6, 12], (0, 3, 6), [2, 4]),
    "two planes drawn on other slices": ([6.5, 12.5], (0, 3, 6), [2, 3, 4, 5]),
    "neighbours show how far slices reach": ([6, 12, 15, 21], (0, 3, 9), [2, 4, 5, 7]),
    "a gap between planes on every third slice": (
        [3, 6, 9, 18, 21],
        (0, 1, 25),
        [*range(2, 11), *range(17, 23)],
    ),
    "a missing plane is a gap": ([0, 3, 6, 12, 15], (0, 3, 6), [0, 1, 2, 4, 5]),
    "a single plane is one slice thick": ([6], (0, 3, 5), [2]),
    "a single plane between slices": ([7.4], (0, 3, 5), [2]),
    "a single plane on thin slices": ([7.4], (0, 1, 15), [7]),
    "parts of one plane are not joined": ([0, 12, 36], (0, 3, 14), [0, 4, 12]),
    "nor are they beside slices": ([0.5, 12.5, 36.5], (0, 3, 14), [0, 4, 12]),
    "rounded positions leave no crack": (
        [0, 3.27, 6.54, 9.83, 13.1],
        (-1.64, 0.01, 1639),
        list(range(1, 1638)),
    ),
    "a plane out of step changes no other": (
        [0, 3, 6, 7.4, 9, 12],
        (-2, 0.5, 33),
        list(range(1, 31)),
    ),
}


@pytest.mark.parametrize(("planes", "slices", "expected"), PLANES.values(), ids=PLANES)
def test_each_slice_takes_the_nearest_plane_within_half_their_distance(planes, slices, expected):
    first, distance, count = slices
    affine = np.diag([1.0, 1.0, distance, 1.0])
    affine[:3, 3] = [-2, -2, first]
    contours = [at(polygon(1.6, 16), z) for z in planes]
    mask, _ = contour_mask(contours, (5, 5, count), affine)
    assert np.flatnonzero(mask.any(axis=(0, 1))).tolist() == expected


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_half_way_between_two_planes_the_later_one_is_taken(sign):
    affine = np.diag([1.0, 1.0, sign, 1.0])
    affine[:3, 3] = [-5, -5, -3 * sign]
    radii = {-1: 1.5, 1: 3.5, 3: 1.5}
    contours = [at(polygon(radius, 16), z * sign) for z, radius in radii.items()]
    mask, _ = contour_mask(contours, (11, 11, 7), affine)
    sizes = mask.sum(axis=(0, 1)).tolist()
    small, large = sizes[2], sizes[4]
    assert 0 < small < large
    assert sizes == [0, small, small, large, large, small, small]


@pytest.mark.parametrize(
    ("planes", "words"),
    [
        ([4, 10, 16], "every 6.00 mm, slices every 2.00"),
        ([4, 10], "6.0 mm or more"),
        ([0, 12], "12.0 mm or more"),
    ],
)
def test_sparse_contours_and_lone_planes_are_noted(planes, words):
    contours = [at(polygon(3, centre=(4, 4)), z) for z in planes]
    _, notes = contour_mask(contours, (9, 9, 9), np.diag([1.0, 1.0, 2.0, 1.0]))
    assert len(notes) == 1
    assert words in notes[0]


def test_what_encloses_nothing_and_copies_are_left_out_with_a_note():
    good = at(polygon(3.3, 12, centre=(4, 4)), 1)
    shape, affine = (9, 9, 3), np.eye(4)
    expected, notes = contour_mask([good], shape, affine)
    assert notes == ()
    line = at(np.array([[1.0, 1], [5, 5], [3, 3], [7, 7]]), 1)
    mask, notes = contour_mask([good, line, good[:2], good.copy(), line[:1]], shape, affine)
    np.testing.assert_array_equal(mask, expected)
    assert notes == ("3 contours without area left out", "1 contours that repeat another left out")


def bent():
    points = at(polygon(3.3, 12, centre=(4, 4)), 1)
    points[3, 2] += 1.0
    return points


SQUARE = polygon(3.3, 4, 0.1, centre=(4, 4))
REFUSED = {
    "none": ([], "encloses an area"),
    "in a line": ([at(np.array([[1.0, 1], [5, 5], [3, 3]]), 1)], "encloses an area"),
    "bent": ([bent()], "of a plane"),
    "at an angle": ([at(SQUARE, 1), at(SQUARE, 1)[:, [2, 0, 1]]], "parallel planes"),
    "between centres": ([at(polygon(0.4, centre=(4.5, 4.5)), 1)], "no voxel centre inside"),
    "off the slices": ([at(SQUARE, 30)], "no voxel centre inside"),
    "beside the image": ([at(SQUARE + 50.0, 1)], "no voxel centre inside"),
    "far away": ([at(SQUARE + 1e9, 1)], "within 16384 voxels"),
}


@pytest.mark.parametrize(("contours", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused_by_name(contours, words):
    with pytest.raises(Refused, match=words) as caught:
        contour_mask(contours, (9, 9, 3), np.eye(4))
    assert caught.value.tag == "contours"


@pytest.mark.parametrize("top", [0.0, 2.0**-16, -(2.0**-16)])
def test_outlines_as_wide_as_numbers_allow_are_still_exact(top):
    """An edge of 32,000 voxels that passes centres at a hundred-thousandth of a voxel."""
    far = 16000.0
    points = np.array([[4.0, -far], [far, -far], [far, far], [4.0 + top, far]])
    mask, _ = contour_mask([at(points, 0)], (9, 9, 1), np.eye(4))
    outline = [[(Fraction(float(x)), Fraction(float(y))) for x, y in points]]
    expected = np.array([[[exactly_inside(i, j, outline)] for j in range(9)] for i in range(9)])
    np.testing.assert_array_equal(mask, expected)
    assert mask[4].all() == (top <= 0)
