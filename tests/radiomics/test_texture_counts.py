"""Texture counts of the CPU kernels: Numba = brute force, count for count."""

import json
from itertools import cycle, product

import numpy as np
import pytest
from count_oracles import (
    FAMILIES,
    WAYS,
    RandomRegion,
    assert_same_counts,
    brute_force,
    brute_force_python,
    random_regions,
    region_of,
)
from scipy import ndimage

from petnet.radiomics.kernels import cpu, threads
from petnet.radiomics.kernels.counts import DIRECTIONS_3D, IN_PLANE, THROUGH_PLANE, Request, pack
from petnet.volume import read_mask, read_volume

EVERYTHING = (True, True, True)


@pytest.mark.parametrize("way", WAYS)
def test_brute_force_agrees_with_pure_python(way):
    for k, (levels, inside, n_levels) in enumerate(random_regions(20, seed=1)):
        request = Request(FAMILIES, *way, n_levels, alpha=k % 3)
        assert_same_counts(
            brute_force(levels, inside, request), brute_force_python(levels, inside, request)
        )


def count(regions, way=EVERYTHING, families=FAMILIES, alpha=0):
    """Return what was asked for, and counts with the greatest number of levels of the regions."""
    packed = pack([r.levels for r in regions], [r.inside for r in regions])
    request = Request(families, *way, max(r.n_levels for r in regions), alpha)
    return packed, request, cpu.texture_counts(packed, request)


def assert_equal_to_brute_force(regions, way=EVERYTHING, families=FAMILIES, alpha=0):
    packed, request, counts = count(regions, way, families, alpha)
    for r, region in enumerate(regions):
        expected = brute_force(region.levels, region.inside, request)
        assert_same_counts(region_of(counts, packed, request, r), expected)


def assert_all_equal(regions, way):
    """Batches of several sizes."""
    start, sizes = 0, cycle([1, 2, 9])
    while start < len(regions):
        size = next(sizes)
        assert_equal_to_brute_force(regions[start : start + size], way, alpha=size % 2)
        start += size


@pytest.mark.parametrize("way", WAYS)
def test_brute_force_1000_volumes(way):
    """A thousand in all."""
    assert_all_equal(random_regions(1000, seed=2)[WAYS.index(way) :: len(WAYS)], way)


@pytest.mark.full
@pytest.mark.parametrize("way", WAYS)
def test_brute_force_10000_volumes(way):
    """Ten thousand in all."""
    assert_all_equal(random_regions(2000, seed=[3, *way]), way)


def smooth_region(shape, n_levels, seed):
    """Long runs, large zones and an edge that is far away, in an ellipsoid with a hole."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), 1.5)
    levels = np.digitize(noise, np.quantile(noise, np.arange(1, n_levels) / n_levels)) + 1
    axes = (np.linspace(-1, 1, n) ** 2 for n in shape)
    radius = sum(np.meshgrid(*axes, indexing="ij"))
    inside = (radius < 1) & (radius > 0.01)
    intensity = inside & (rng.random(shape) < 0.95)
    return RandomRegion(np.where(intensity, levels, 0).astype(np.int32), inside, n_levels)


@pytest.mark.parametrize("group_voxels", [1, 10_000, 10**9])
def test_brute_force_on_several_threads(monkeypatch, group_voxels):
    monkeypatch.setattr(threads, "cores", lambda: 4)
    monkeypatch.setattr(cpu, "GROUP_VOXELS", group_voxels)
    regions = [smooth_region(s, 6, seed) for seed, s in enumerate([(31, 20, 25), (8, 30, 9)])]
    assert_equal_to_brute_force([*regions, *random_regions(8, seed=4)])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_brute_force_one_family_alone(family, way):
    assert_equal_to_brute_force(random_regions(6, seed=5), way, frozenset({family}), alpha=1)


@pytest.mark.parametrize("alpha", [2, 7, 300])
def test_brute_force_coarse_dependence(alpha):
    assert_equal_to_brute_force(random_regions(12, seed=6), alpha=alpha)


def test_brute_force_1024_levels():
    rng = np.random.default_rng(7)
    levels = rng.choice([1, 2, 500, 1023, 1024], size=(5, 4, 3)).astype(np.int32)
    assert_equal_to_brute_force([RandomRegion(levels, levels > 0, 1024)])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_brute_force_runs_longer_than_a_byte_counts(axis):
    shape = [2, 2, 2]
    shape[axis] = 300
    levels = np.full(shape, 2, dtype=np.int32)
    assert_equal_to_brute_force([RandomRegion(levels, levels > 0, 3)], (True, True, False))


def test_analytic_box_of_one_level():
    """A full box of 40 x 30 x 20: every count has a closed form."""
    shape = np.array([40, 30, 20])
    levels = np.ones(shape, dtype=np.int32)
    _, _, counts = count([RandomRegion(levels, levels > 0, 1)], (True, True, False))
    assert counts.histogram.tolist() == [[levels.size]]
    for field, directions in (("planes", IN_PLANE), ("through", THROUGH_PLANE)):
        pairs = getattr(counts, f"glcm_{field}")[0, :, 0, 0]
        runs = getattr(counts, f"glrlm_{field}")[0, :, 0]
        for d, direction in enumerate(np.abs(DIRECTIONS_3D[directions])):
            both = np.prod(shape - direction)
            assert pairs[d] == 2 * both
            assert runs[d].sum() == levels.size - both  # one run starts where no pair ends
            assert runs[d] @ np.arange(1, 41) == levels.size
            # the longest reach through the box along its least axis of those in the direction
            longest = shape[direction > 0].min()
            assert np.flatnonzero(runs[d]).max() + 1 == longest
            assert runs[d, longest - 1] == np.prod((shape - (longest - 1) * direction).clip(0))
    volume = counts.glszm_volume
    assert (volume.level.item(), volume.size.item(), volume.count.item()) == (1, levels.size, 1)
    planes = counts.glszm_planes
    assert (planes.level.item(), planes.size.item(), planes.count.item()) == (1, 1200, 20)
    assert counts.gldzm_volume.ravel().tolist() == [1, *[0] * 9]
    assert counts.gldzm_planes.ravel().tolist() == [20, *[0] * 14]
    neighbours = np.flatnonzero(counts.ngldm_volume[0, 0])
    assert neighbours.tolist() == [7, 11, 17, 26]
    edges = [8, 4 * (38 + 28 + 18), 2 * (38 * 28 + 38 * 18 + 28 * 18), 38 * 28 * 18]
    assert counts.ngldm_volume[0, 0, neighbours].tolist() == edges
    assert counts.ngtdm_volume[0, 0, neighbours].tolist() == [[n, 0] for n in edges]


def spiral(n):
    """One zone that winds inwards, a voxel wide, so that its labels meet late."""
    levels = np.ones((n, n), dtype=np.int32)
    x, y, dx, dy = 0, -2, 0, 1
    for length in [n + 1, *np.repeat(np.arange(n - 1, 1, -2), 2)]:
        for _ in range(length):
            x, y = x + dx, y + dy
            if 0 <= x < n and 0 <= y < n:
                levels[x, y] = 2
        dx, dy = dy, -dx
    return levels


SHAPES = {
    "spiral": np.stack([spiral(15)] * 2 + [spiral(15).T], axis=2),
    "comb": np.where(np.indices((9, 12, 5))[1] % 2 & (np.indices((9, 12, 5))[0] > 0), 1, 2),
    "upside-down comb": np.where(
        np.indices((9, 12, 5))[1] % 2 & (np.indices((9, 12, 5))[0] < 8), 1, 2
    ),
    "checkerboard": np.indices((7, 8, 9)).sum(axis=0) % 2 + 1,
    "lattice": (np.indices((7, 8, 9)) % 2).sum(axis=0) + 1,
    "stripes": np.indices((7, 8, 9))[2] % 3 + 1,
    "one zone": np.ones((10, 9, 8)),
    "a zone each": np.arange(1, 6 * 5 * 4 + 1).reshape(6, 5, 4),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_brute_force_zones_hard_to_join(shape):
    """In every orientation, since labels are joined in the order of the scan."""
    levels = SHAPES[shape].astype(np.int32)
    turned = []
    for axes, flips in product([(0, 1, 2), (2, 0, 1), (1, 2, 0)], product((1, -1), repeat=3)):
        array = levels.transpose(axes)[tuple(slice(None, None, f) for f in flips)]
        turned.append(RandomRegion(np.ascontiguousarray(array), array > 0, int(levels.max())))
    zones = frozenset({"glszm", "gldzm"})
    assert_equal_to_brute_force(turned, families=zones)


def test_no_regions_and_no_voxels():
    empty = RandomRegion(np.zeros((3, 2, 4), np.int32), np.ones((3, 2, 4), bool), 5)
    assert_equal_to_brute_force([empty])
    counts = cpu.texture_counts(pack([]), Request(FAMILIES, *EVERYTHING, 4))
    assert counts.glcm_through.shape == (0, 9, 4, 4)
    assert counts.glszm_planes.starts.tolist() == [0]


# ---------------------------------------------------------------- matrices of the IBSI manual

TITLES = {
    "glcm": "Grey level co-occurrence matrix",
    "glrlm": "Grey level run length matrix",
    "glszm": "Grey level size zone matrix",
    "gldzm": "Grey level distance zone matrix",
    "ngtdm": "Neighbourhood grey tone difference matrix",
    "ngldm": "Neighbouring grey level dependence matrix",
}


@pytest.fixture(scope="module")
def phantom_counts(reference):
    folder = reference / "ibsi1_digital_phantom"
    image = read_volume(folder / "image" / "phantom.nii.gz", "HU", "CT").array
    mask = read_mask(folder / "mask" / "mask.nii.gz").array != 0
    levels = np.where(mask, np.rint(image), 0).astype(np.int32)
    return count([RandomRegion(levels, mask, 6)])[2]


def printed(reference, section):
    """Rows of each table of a section: level, column and number."""
    path = reference / "ibsi1_digital_phantom" / "texture_matrices_parsed.json"
    tables = [t["rows"] for t in json.loads(path.read_text()) if t["section"] == section]
    return [[tuple(float(cell) for cell in row) for row in table] for table in tables]


def dense_rows(matrix):
    """Occupied cells of a matrix of counts, both axes from one."""
    return [(i + 1, j + 1, matrix[i, j]) for i, j in np.argwhere(matrix).tolist()]


def zone_rows(cells, row):
    part = slice(cells.starts[row], cells.starts[row + 1])
    columns = (cells.level[part], cells.size[part], cells.count[part])
    return list(zip(*(c.tolist() for c in columns), strict=True))


@pytest.mark.parametrize("family", ["glcm", "glrlm"])
def test_ibsi_printed_matrices_along_directions(reference, phantom_counts, family):
    """The manual prints directions in the order of DIRECTIONS_3D, and of each all four slices."""
    planes = getattr(phantom_counts, f"{family}_planes")
    volume = np.empty((13, *planes.shape[2:]), dtype=np.int64)
    volume[IN_PLANE] = planes.sum(axis=0)
    volume[THROUGH_PLANE] = getattr(phantom_counts, f"{family}_through")[0]
    ours = {
        "2D": np.swapaxes(planes, 0, 1).reshape(16, *planes.shape[2:]),
        "2D, merged": planes.sum(axis=1),
        "3D": volume,
        "3D, merged": volume.sum(axis=0)[None],
    }
    for title, matrices in ours.items():
        assert list(map(dense_rows, matrices)) == printed(reference, f"{TITLES[family]} ({title})")


def test_ibsi_printed_size_zones(reference, phantom_counts):
    for title, cells, n in (
        ("2D", phantom_counts.glszm_planes, 4),
        ("3D", phantom_counts.glszm_volume, 1),
    ):
        tables = printed(reference, f"{TITLES['glszm']} ({title})")
        assert [zone_rows(cells, row) for row in range(n)] == tables


@pytest.mark.parametrize("family", ["gldzm", "ngldm"])
def test_ibsi_printed_distance_zones_and_dependences(reference, phantom_counts, family):
    """The manual's column of k dependent voxels is k + 1: it counts the centre."""
    for title, field in (("2D", "planes"), ("3D", "volume")):
        tables = printed(reference, f"{TITLES[family]} ({title})")
        assert list(map(dense_rows, getattr(phantom_counts, f"{family}_{field}"))) == tables


def test_ibsi_printed_tone_differences(reference, phantom_counts):
    """Differences are printed as sums of means, rounded to six digits."""
    for title, field in (("2D", "planes"), ("3D", "volume")):
        tables = printed(reference, f"{TITLES['ngtdm']} ({title})")
        for counts, table in zip(getattr(phantom_counts, f"ngtdm_{field}"), tables, strict=True):
            numbers = counts[:, 1:, 0].sum(axis=1)
            means = counts[:, 1:, 1] / np.arange(1, counts.shape[1])
            occupied = np.flatnonzero(numbers)
            assert [(i + 1, numbers[i]) for i in occupied] == [(i, n) for i, _, n in table]
            sums = means.sum(axis=1)[occupied]
            np.testing.assert_allclose(sums, [s for _, s, _ in table], rtol=0, atol=1e-6)
