"""Zones and distances of the CUDA kernels: `.cu` = brute force, count for count.

Each test runs through the host shim, and on a GPU where there is one.
"""

import json
import re
from contextlib import nullcontext
from dataclasses import astuple, dataclass, fields, replace

import numpy as np
import pytest
from count_oracles import (
    FAMILIES,
    WAYS,
    assert_same_counts,
    brute_force,
    distance_array,
    distance_python,
    random_regions,
    region_of,
)
from scipy import ndimage

from petnet.radiomics.kernels import cpu, cuda, cuda_zones
from petnet.radiomics.kernels.counts import Packed, Request, TextureCounts, ZoneCells, pack
from petnet.volume import read_mask, read_volume

ZONES = frozenset({"glszm", "gldzm"})
PARTS = ("planes", "volume")
ALL_WAYS = (True, True, True)


@pytest.fixture(params=["shim", pytest.param("gpu", marks=pytest.mark.gpu)])
def launcher(request):
    """The host shim, or a real device."""
    if request.param == "shim":
        request.getfixturevalue("shim_cupy")
    elif reason := cuda.unusable_reason():
        pytest.skip(reason)
    return request.param


@dataclass(frozen=True, eq=False)
class Case:
    levels: np.ndarray
    inside: np.ndarray
    n_levels: int


def case(levels, inside=None):
    levels = np.asarray(levels, dtype=np.int32)
    return Case(levels, levels > 0 if inside is None else inside, int(levels.max(initial=1)))


def counted(regions, way, families=ZONES):
    """Count regions as one batch; histograms are no matter of these kernels."""
    planes, volume, by_slice = way
    n_levels = max(region.n_levels for region in regions)
    request = Request(families, planes, volume, by_slice, n_levels)
    packed = pack([r.levels for r in regions], [r.inside for r in regions])
    none = np.zeros((len(regions), 0), dtype=np.int64)
    found = cuda_zones.zone_counts(packed, request)
    return TextureCounts(histogram=none, **found), packed, request


def assert_zones_equal(regions, way=ALL_WAYS, families=ZONES):
    found, packed, request = counted(regions, way, families)
    for r, region in enumerate(regions):
        expected = brute_force(region.levels, region.inside, request)
        expected = replace(expected, histogram=np.zeros((1, 0), np.int64), plane_histogram=None)
        assert_same_counts(region_of(found, packed, request, r), expected)


# ---------------------------------------------------------------- against brute force


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_brute_force_1000_volumes(launcher, way):
    """A fifth of them in each of the ways to aggregate, 50 to a batch."""
    regions = random_regions(1000, seed=21)[way :: len(WAYS)]
    for first in range(0, len(regions), 50):
        assert_zones_equal(regions[first : first + 50], WAYS[way])


@pytest.mark.full
def test_brute_force_10000_volumes(launcher):
    regions = random_regions(10_000, seed=22)
    for first in range(0, len(regions), 50):
        assert_zones_equal(regions[first : first + 50])


@pytest.mark.parametrize("families", [{"glszm"}, {"gldzm"}, {"glszm", "gldzm", "glcm"}])
def test_brute_force_of_what_is_asked_for(launcher, families):
    zones = ZONES & families
    assert_zones_equal(random_regions(20, seed=23), families=frozenset(zones))
    found, *_ = counted(random_regions(3, seed=23), ALL_WAYS, frozenset(families))
    asked = {f.name for f in fields(TextureCounts) if getattr(found, f.name) is not None}
    assert asked == {"histogram", *(f"{zone}_{part}" for zone in zones for part in PARTS)}


def test_no_zones_asked_for_no_zones_counted():
    """Not even CuPy is imported."""
    request = Request(frozenset({"glcm"}), True, True, True, 4)
    assert cuda_zones.zone_counts(pack([np.ones((2, 2, 2))]), request) == {}


def test_brute_force_beside_the_other_families(launcher):
    """As `cuda.texture_counts` puts them together."""
    regions = [r for r in random_regions(20, seed=28) if r.n_levels < 20]
    request = Request(FAMILIES, *ALL_WAYS, n_levels=20)
    packed = pack([r.levels for r in regions], [r.inside for r in regions])
    found = cuda.texture_counts(packed, request)
    for r, region in enumerate(regions):
        expected = brute_force(region.levels, region.inside, request)
        assert_same_counts(region_of(found, packed, request, r), expected)


def test_numba_on_larger_volumes(launcher, monkeypatch):
    """Smooth balls of many tiles, with zones that wind through all of them."""
    set_threads(monkeypatch, 8, 512)
    balls = [ball(40, seed) for seed in range(2)]
    found, packed, request = counted(balls, ALL_WAYS)
    twin = cpu.texture_counts(packed, request)
    twin = replace(twin, histogram=np.zeros((2, 0), np.int64), plane_histogram=None)
    assert found.glszm_volume.size.max() > 1000
    assert_same_counts(found, twin)


def ball(n, seed):
    """A ball of diameter n in 6 levels that vary over a few voxels."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(n, n, n)), 2)
    levels = np.digitize(noise, np.quantile(noise, [0.1, 0.3, 0.5, 0.7, 0.9])) + 1
    inside = np.square(np.indices(levels.shape) - (n - 1) / 2).sum(axis=0) <= n * n / 4
    return case(np.where(inside, levels, 0), inside)


def test_arrays_may_lie_on_the_device(launcher):
    regions = random_regions(10, seed=24)
    on_host, packed, request = counted(regions, ALL_WAYS)
    uploaded = Packed(*(cuda.to_device(getattr(packed, f.name)) for f in fields(Packed)))
    on_device = cuda_zones.zone_counts(uploaded, request)
    assert_same_counts(replace(on_host, **on_device), on_host)


# ---------------------------------------------------------------- printed in the IBSI manual


@pytest.fixture
def phantom(reference):
    """The digital phantom, and the tables of the manual by their titles."""
    folder = reference / "ibsi1_digital_phantom"
    image = read_volume(folder / "image" / "phantom.nii.gz", "HU", "CT").array
    mask = read_mask(folder / "mask" / "mask.nii.gz").array
    tables: dict[str, list[list[list[float]]]] = {}
    for table in json.loads((folder / "texture_matrices_parsed.json").read_text("utf-8")):
        rows = [[float(number) for number in row] for row in table["rows"]]
        tables.setdefault(table["section"], []).append(rows)
    return case(np.where(mask, image, 0)), tables


@pytest.mark.parametrize(("part", "title", "n_tables"), [("planes", "2D", 4), ("volume", "3D", 1)])
def test_ibsi_printed_zone_matrices(launcher, phantom, part, title, n_tables):
    region, tables = phantom
    found, *_ = counted([region], ALL_WAYS)
    sizes = tables[f"Grey level size zone matrix ({title})"]
    distances = tables[f"Grey level distance zone matrix ({title})"]
    assert len(sizes) == len(distances) == n_tables
    starts, *columns = (cuda.to_host(a) for a in astuple(getattr(found, f"glszm_{part}")))
    cells = np.stack(columns, axis=-1)
    counts = cuda.to_host(getattr(found, f"gldzm_{part}"))
    for row in range(n_tables):
        assert cells[starts[row] : starts[row + 1]].tolist() == sizes[row]
        level, distance = np.nonzero(counts[row])
        listed = np.stack([level + 1, distance + 1, counts[row, level, distance]], axis=-1)
        assert listed.tolist() == distances[row]


# ---------------------------------------------------------------- zones that are hard to join


def serpentine(shape):
    """One path one voxel wide, back and forth through slices two apart; walls are another zone."""
    _, ny, nz = shape
    levels = np.full(shape, 2)
    for z in range(0, nz, 2):
        for y in range(0, ny, 2):
            levels[:, y, z] = 1
            if y + 1 < ny:
                levels[-1 if y % 4 == 0 else 0, y + 1, z] = 1
        if z + 1 < nz:
            levels[0 if z % 4 else -1, 0 if z % 4 else (ny - 1) // 2 * 2, z + 1] = 1
    return levels


def spiral(n):
    """A path that winds to the centre of every slice, in turns two apart."""
    plane = np.full((n, n), 2)
    x, y, dx, dy = 0, 0, 0, 1
    plane[0, 0] = 1
    turns = 0
    while turns < 2:
        ahead = (x + dx, y + dy)
        beyond = (x + 2 * dx, y + 2 * dy)
        free = 0 <= ahead[0] < n and 0 <= ahead[1] < n
        if free and 0 <= beyond[0] < n and 0 <= beyond[1] < n and plane[beyond] == 1:
            free = False
        if not free:
            dx, dy = dy, -dx
            turns += 1
            continue
        turns = 0
        x, y = ahead
        plane[x, y] = 1
    return np.repeat(plane[:, :, None], 3, axis=2)


def comb(shape, back):
    """Teeth that only the last plane of an axis joins."""
    levels = np.indices(shape).sum(axis=0) * 0 + 2
    levels[np.indices(shape)[(back + 1) % 3] % 2 == 0] = 1
    levels[(slice(None),) * back + (-1,)] = 1
    return levels


ADVERSARIES = {
    "one zone fills all": np.ones((16, 15, 14)),
    "checkerboard": np.indices((12, 13, 11)).sum(axis=0) % 2 + 1,
    "checkerboard of holes": np.indices((12, 13, 11)).sum(axis=0) % 2,
    "columns along z": np.indices((14, 14, 9))[0] % 2 * 2 + np.indices((14, 14, 9))[1] % 2 + 1,
    "diagonals": (np.indices((14, 13, 12)).sum(axis=0) % 3) + 1,
    "stairs down": (np.indices((14, 13, 12)) * [[[[1]]], [[[-1]]], [[[1]]]]).sum(axis=0) % 4 + 1,
    "serpentine": serpentine((15, 15, 9)),
    "spiral": spiral(23),
    "comb of x": comb((12, 13, 14), 0),
    "comb of y": comb((12, 13, 14), 1),
    "comb of z": comb((12, 13, 14), 2),
    "shells": np.abs(np.indices((15, 15, 15)) - 7).max(axis=0) % 2 + 1,
    "a line of z": np.ones((1, 1, 700)),
    "a line of x": np.ones((700, 1, 1)),
    "dust": np.random.default_rng(25).integers(0, 3, (20, 20, 20)),
}


@pytest.mark.parametrize("name", ADVERSARIES)
def test_brute_force_adversarial_shapes(launcher, name):
    """As it is, and in every order of axes, so that each is once the line of the runs."""
    levels = ADVERSARIES[name]
    turned = [levels, levels.transpose(1, 2, 0), levels.transpose(2, 0, 1), levels[::-1, ::-1]]
    assert_zones_equal([case(t) for t in turned], (True, True, False))


def test_adversarial_paths_are_single_zones(launcher):
    """The shapes are what they are named for."""
    for name in ("serpentine", "spiral"):
        found, *_ = counted([case(ADVERSARIES[name] % 2)], (False, True, False))
        assert cuda.to_host(found.glszm_volume.size).tolist() == [(ADVERSARIES[name] == 1).sum()]


# ---------------------------------------------------------------- races


def set_threads(monkeypatch, block, per_thread):
    monkeypatch.setattr(cuda, "BLOCK_THREADS", block)
    monkeypatch.setattr(cuda_zones, "VOXELS_PER_THREAD", per_thread)


def test_block_sizes_change_nothing(launcher, monkeypatch):
    """One thread; many blocks; one block whose threads all work on the same zones at a time."""
    regions = [case(levels) for levels in ADVERSARIES.values()]
    expected, *_ = counted(regions, ALL_WAYS)
    for block, per_thread in ((1, 10_000), (32, 4), (7, 1), (64, 200)):
        set_threads(monkeypatch, block, per_thread)
        found, *_ = counted(regions, ALL_WAYS)
        assert_same_counts(found, expected)


JOINS = (
    # the step between looking for a root and hanging it below another is where threads meet
    (r"(const int seen = atomicCAS)", r"std::this_thread::yield(); \1"),
    (r"(if \(next != above\))", r"std::this_thread::yield(); \1"),
)
FAULTS = {
    "as it is": (r"^", ""),
    "hanging without a look": (
        r"const int seen = atomicCAS\(&parent\[high\], high, low\);",
        "const int seen = high; parent[high] = low;",
    ),
    "no second try": (r"if \(seen == high\) return;", "if (seen >= 0) return;"),
    "adding without atomics": (
        r"atomicAdd\((&size\[first \+ root\]), (.*)\);",
        r"{ const int n = *\1; std::this_thread::yield(); *\1 = n + \2; }",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_races_are_met_and_noticed(shim_cupy, monkeypatch, fault):
    """Threads give way at the worst moments: the kernel stands it, and planted faults do not."""
    code = cuda.source("zones")
    for pattern, replacement in (FAULTS[fault], *JOINS):
        code, n = re.subn(pattern, replacement, code, count=1)
        assert n == 1 or fault == "hanging without a look"
    whole = cuda.source
    monkeypatch.setattr(cuda, "source", lambda f: code if f == "zones" else whole(f))
    set_threads(monkeypatch, 16, 400)
    regions = [case(levels) for levels in ADVERSARIES.values()]
    noticed = nullcontext() if fault == "as it is" else pytest.raises(AssertionError)
    with noticed:
        assert_zones_equal(regions * 3, (True, True, False))


# ---------------------------------------------------------------- distances


@pytest.mark.parametrize("through", [False, True])
def test_brute_force_distances(launcher, through):
    part = "volume" if through else "planes"
    regions = random_regions(150, seed=26)
    packed = pack([r.levels for r in regions], [r.inside for r in regions])
    found = cuda.to_host(cuda_zones.edge_distances(packed, through))
    assert found.dtype == np.int32
    for r, region in enumerate(regions):
        here = found[packed.offsets[r] :][: region.inside.size].reshape(region.inside.shape)
        np.testing.assert_array_equal(here, distance_array(region.inside, part))
        if region.inside.size < 150:
            np.testing.assert_array_equal(here, distance_python(region.inside, part))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_analytic_distances_of_a_box_and_a_hole(launcher, axis):
    """In a full box the nearest face counts; a hole in a long box is seen along every axis."""
    box = np.ones((7, 9, 12), dtype=bool)
    faces = [
        np.minimum(i + 1, n - i) for i, n in zip(np.indices(box.shape), box.shape, strict=True)
    ]
    found = cuda_zones.edge_distances(pack([box], [box]), through=True)
    np.testing.assert_array_equal(cuda.to_host(found).reshape(box.shape), np.min(faces, axis=0))
    shape, middle, along = [5, 5, 5], [2, 2, 2], [2, 2, 2]
    shape[axis], middle[axis], along[axis] = 21, 10, slice(8, 13)
    line = np.ones(shape, dtype=bool)
    line[tuple(middle)] = False
    found = cuda_zones.edge_distances(pack([line], [line]), through=True)
    assert cuda.to_host(found).reshape(shape)[tuple(along)].tolist() == [2, 1, 0, 1, 2]


# ---------------------------------------------------------------- edges


def test_regions_without_voxels_or_levels(launcher):
    """Empty boxes, a box of nothing, and re-segmentation that left nothing, between others."""
    block = case(np.full((3, 4, 5), 2))
    nothing = case(np.zeros((2, 3, 2)))
    emptied = Case(np.zeros((3, 3, 3), np.int32), np.ones((3, 3, 3), bool), 1)
    flat = case(np.zeros((0, 3, 2)))
    regions = [flat, nothing, block, flat, emptied, block, flat]
    found, *_ = counted(regions, ALL_WAYS)
    assert cuda.to_host(found.glszm_volume.starts).tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert cuda.to_host(found.glszm_volume.size).tolist() == [60, 60]
    assert cuda.to_host(found.glszm_planes.size).tolist() == [12] * 10
    assert found.gldzm_volume.shape == (7, 2, 2)
    assert found.gldzm_volume.sum(axis=(1, 2)).tolist() == [0, 0, 1, 0, 0, 1, 0]
    assert found.gldzm_volume[2, 1, 0] == 1
    for nothing_at_all in ([nothing], [flat], [emptied, flat]):
        found, *_ = counted(nothing_at_all, ALL_WAYS)
        assert isinstance(found.glszm_planes, ZoneCells)
        assert found.glszm_planes.size.shape == (0,)
        assert not found.gldzm_planes.any()


def test_cells_are_sorted_by_row_level_and_size(launcher):
    """Sizes beyond those of other regions: keys of rows and levels do not run into one another."""
    rng = np.random.default_rng(27)
    large = case(np.ones((30, 30, 30)))
    regions = [case(rng.integers(0, 5, (6, 7, 8))), large, case(rng.integers(1, 1025, (9, 9, 9)))]
    found, *_ = counted(regions, (False, True, False))
    cells = ZoneCells(
        *(cuda.to_host(getattr(found.glszm_volume, f.name)) for f in fields(ZoneCells))
    )
    row = np.repeat(np.arange(3), np.diff(cells.starts))
    order = np.lexsort((cells.size, cells.level, row))
    assert (order == np.arange(row.size)).all()
    assert_zones_equal(regions, (False, True, False))
