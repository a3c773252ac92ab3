"""Texture formulas: literal definitions, other array libraries, batches, invariances, undefined."""

from dataclasses import fields, replace
from types import ModuleType
from typing import get_args

import array_api_strict
import numpy as np
import pytest
from array_api_compat import array_namespace
from count_oracles import FAMILIES as COUNTED
from count_oracles import brute_force, random_regions
from texture_oracles import definition, stacked

from petnet.radiomics.catalogue import FAMILIES, TEXTURE_FAMILIES, features_of
from petnet.radiomics.kernels.counts import DIRECTIONS_3D, Request, ZoneCells
from petnet.radiomics.kernels.cuda import to_host
from petnet.radiomics.kernels.dispatch import LevelRegions, texture_batches
from petnet.radiomics.texture import (
    Aggregation,
    aggregations_of,
    cells,
    glcm,
    texture_features,
    tones,
)

TEXTURE = tuple(family for family in FAMILIES if family in TEXTURE_FAMILIES)
ALL = get_args(Aggregation)
COLUMNS = [(family, name) for family in TEXTURE for name in aggregations_of(family, ALL)]


def count(levels, inside, n_levels):
    return brute_force(levels, inside, Request(COUNTED, True, True, True, n_levels))


def slice_starts(regions):
    return np.cumsum([0, *(levels.shape[2] for levels, _, _ in regions)], dtype=np.int64)


def batch_of(regions, n_levels):
    """Counts of all regions with matrices of `n_levels`, the regions' own numbers, slice starts."""
    counts = stacked([count(levels, inside, n_levels) for levels, inside, _ in regions])
    return counts, np.array([n for _, _, n in regions], dtype=np.int64), slice_starts(regions)


def features(levels, n_levels, aggregations=ALL, families=TEXTURE):
    """All features of one region given as a plain array."""
    levels = np.asarray(levels, dtype=np.int32)
    batch = batch_of([(levels, levels > 0, n_levels)], n_levels)
    found = texture_features(*batch, aggregations, families)
    return {column: value.item() for column, value in found.items()}


@pytest.fixture(scope="module")
def regions():
    """Regions of few levels, for loops in Python: ragged, flat, of one voxel and of two."""
    return [region for region in random_regions(90, seed=8) if region.n_levels <= 14]


@pytest.fixture(scope="module")
def counted(regions):
    return [count(levels, inside, 16) for levels, inside, _ in regions]


@pytest.fixture(scope="module")
def batch(regions, counted):
    own = np.array([region.n_levels for region in regions], dtype=np.int64)
    return stacked(counted), own, slice_starts(regions)


@pytest.fixture(scope="module")
def computed(batch):
    return texture_features(*batch, ALL, TEXTURE)


def tolerance(name, n_levels=16):
    """Where last bits weigh more: a root near 0, and cubes of either sign."""
    near = {"information_correlation_2": 1e-6, "cluster_shade": 1e-12 * (2 * n_levels) ** 3}
    return {"rtol": 1e-10, "atol": near.get(name, 1e-11)}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for column, values in expected.items():
        np.testing.assert_allclose(
            to_host(found[column]), values, err_msg=str(column), **tolerance(column[1])
        )


@pytest.mark.parametrize(("family", "aggregation"), COLUMNS)
def test_definition_of_every_feature(regions, counted, computed, family, aggregation):
    names = [feature.name for feature in features_of(family)]
    defined = 0
    for row, (region, counts) in enumerate(zip(regions, counted, strict=True)):
        expected = definition(counts, region.n_levels, family, aggregation)
        assert list(expected) == names
        for name, value in expected.items():
            found = computed[family, name, aggregation][row]
            np.testing.assert_allclose(
                found, value, err_msg=f"{name} of region {row}", **tolerance(name)
            )
            defined += not np.isnan(value)
    assert defined > 0.5 * len(regions) * len(names)


def test_columns_go_by_family_aggregation_and_feature(computed):
    expected = [
        (family, feature.name, aggregation)
        for family, aggregation in COLUMNS
        for feature in features_of(family)
    ]
    assert list(computed) == expected
    assert len(expected) == 408  # rows of the IBSI table of the digital phantom


@pytest.mark.parametrize("aggregation", ALL)
def test_one_aggregation_alone_is_the_same(batch, computed, aggregation):
    alone = texture_features(*batch, [aggregation], TEXTURE)
    assert {column[2] for column in alone} == {aggregation, aggregation.rsplit("_", 1)[0]}
    assert_same(alone, {column: computed[column] for column in alone})


@pytest.mark.parametrize("families", [("glszm",), ("ngldm", "glrlm"), ("ngtdm", "glcm")])
def test_some_families_are_the_same(batch, computed, families):
    some = texture_features(*batch, ALL, families)
    assert {family for family, _, _ in some} == set(families)
    assert_same(some, {column: computed[column] for column in some})


def test_rows_of_planes_summed_over_slices_are_the_same(regions, computed):
    """2.5D and 3D features do not need a row per slice."""
    for by_volume, aggregations in ((True, ALL[2:]), (False, ALL[2:4])):
        request = Request(COUNTED, True, by_volume, False, 16)
        counts = stacked([brute_force(r.levels, r.inside, request) for r in regions])
        own = np.array([r.n_levels for r in regions])
        found = texture_features(counts, own, slice_starts(regions), aggregations, TEXTURE)
        assert_same(found, {column: computed[column] for column in found})


def test_volumes_alone_are_the_same(regions, computed):
    request = Request(COUNTED, False, True, False, 16)
    counts = stacked([brute_force(r.levels, r.inside, request) for r in regions])
    own = np.array([r.n_levels for r in regions])
    found = texture_features(counts, own, slice_starts(regions), ALL[4:], TEXTURE)
    assert_same(found, {column: computed[column] for column in found})


def test_batch_equals_one_by_one(regions, computed):
    """Padding to the widest matrix of a batch changes nothing."""
    for row, region in enumerate(regions):
        found = texture_features(*batch_of([region], region.n_levels), ALL, TEXTURE)
        assert_same(found, {column: values[[row]] for column, values in computed.items()})


def to_strict(counts, device):
    """The same counts as arrays of array-api-strict."""

    def move(value):
        if isinstance(value, ZoneCells):
            return ZoneCells(*(move(getattr(value, f.name)) for f in fields(value)))
        return array_api_strict.asarray(value, device=device)

    return replace(counts, **{f.name: move(getattr(counts, f.name)) for f in fields(counts)})


@pytest.mark.parametrize("aggregations", [ALL, ("3D_comb",), ("2D_avg",)])
def test_array_api_strict_on_its_second_device(batch, computed, aggregations):
    device = array_api_strict.Device("device1")
    counts, n_levels, starts = batch
    strict = texture_features(
        to_strict(counts, device),
        array_api_strict.asarray(n_levels, device=device),
        array_api_strict.asarray(starts, device=device),
        aggregations,
        TEXTURE,
    )
    assert all(values.device == device for values in strict.values())
    cpu = array_api_strict.Device("CPU_DEVICE")
    back = {column: np.from_dlpack(values.to_device(cpu)) for column, values in strict.items()}
    assert_same(back, {column: computed[column] for column in back})


def test_formulas_on_each_device_equal_brute_force(device):
    """Counts made on the device stay there; only sums of float64 may differ, by their order."""
    drawn = random_regions(40, seed=10)
    levels, inside, n_levels = zip(*drawn, strict=True)
    names = [f"region {k}" for k in range(len(drawn))]
    every = LevelRegions(levels, inside, np.array(n_levels, dtype=np.int64), names)
    seen = 0
    for made in texture_batches(every, TEXTURE, ALL, device, chunk_bytes=16 << 20):
        of_batch = np.array(n_levels)[made.index]
        xp = array_namespace(made.counts.histogram)
        there = xp.asarray(of_batch), xp.asarray(made.packed.slice_starts)
        found = texture_features(made.counts, *there, ALL, TEXTURE)
        widest = int(of_batch.max())
        host = texture_features(*batch_of([drawn[k] for k in made.index], widest), ALL, TEXTURE)
        for column, values in found.items():
            assert type(values) is type(made.counts.histogram)
            limits = tolerance(column[1], widest)
            np.testing.assert_allclose(to_host(values), host[column], err_msg=str(column), **limits)
        seen += len(made.index)
    assert seen == len(drawn)


@pytest.mark.parametrize("entries", [0, 1 << 40], ids=["sorted", "dense"])
def test_cells_are_merged_alike_by_sorting_and_densely(monkeypatch, batch, computed, entries):
    monkeypatch.setattr(cells, "DENSE_ENTRIES_PER_KEY", entries)
    families = [family for family in TEXTURE if entries == 0 or family != "glszm"]
    found = texture_features(*batch, ALL, families)
    assert_same(found, {column: computed[column] for column in found})


@pytest.mark.parametrize("pairs", [1, 600])
def test_blocks_of_level_pairs_change_nothing(monkeypatch, batch, computed, pairs):
    monkeypatch.setattr(tones, "PAIRS_AT_ONCE", pairs)
    found = texture_features(*batch, ALL, ["ngtdm"])
    assert_same(found, {column: computed[column] for column in found})


@pytest.mark.parametrize("entries", [1, 2000])
def test_portions_of_cooccurrence_change_nothing(monkeypatch, batch, computed, entries):
    monkeypatch.setattr(glcm, "ENTRIES_AT_ONCE", entries)
    found = texture_features(*batch, ALL, ["glcm"])
    assert_same(found, {column: computed[column] for column in found})


def test_a_device_adds_up_without_a_look_at_the_keys():
    """CuPy's bincount waits for the device twice, and gives integers where there are no keys."""

    def refuse(*_, **__):
        raise AssertionError("bincount waits for the device")

    cupy = ModuleType("cupy")
    cupy.zeros, cupy.float64, cupy.add, cupy.bincount = np.zeros, np.float64, np.add, refuse
    found = cells.totals(cupy, np.array([3, 0, 3]), np.array([0.5, 2.0, 0.25]), 5)
    assert (found.dtype, found.tolist()) == (np.float64, [2, 0, 0, 0.75, 0])
    empty = cells.totals(cupy, np.zeros(0, np.int64), np.zeros(0), 2)
    assert (empty.dtype, empty.tolist()) == (np.float64, [0, 0])


@pytest.mark.parametrize("aggregation", ["3D_avg", "3D_comb"])
def test_analytic_checkerboard(aggregation):
    """Along x, y, z all pairs differ; along the 6 face diagonals none; along the 4 others all."""
    board = np.indices((20, 20, 20)).sum(axis=0) % 2 + 1
    found = features(board, 2, [aggregation])
    differs = np.abs(DIRECTIONS_3D).sum(axis=1) % 2 == 1
    pairs = np.prod(20 - np.abs(DIRECTIONS_3D), axis=1)
    share = differs.mean() if aggregation == "3D_avg" else pairs[differs].sum() / pairs.sum()
    assert found["glcm", "contrast", aggregation] == pytest.approx(share)
    assert found["glcm", "inverse_variance", aggregation] == pytest.approx(share)
    assert found["glcm", "correlation", aggregation] == pytest.approx(1 - 2 * share)
    assert found["glcm", "joint_average", aggregation] == pytest.approx(1.5)
    # Every level is connected across the edges of its voxels: one zone each.
    assert found["glszm", "large_zone_emphasis", "3D"] == pytest.approx(4000**2)
    assert found["glszm", "zone_percentage", "3D"] == pytest.approx(2 / 8000)


@pytest.mark.parametrize("aggregation", ["3D_avg", "3D_comb"])
def test_analytic_turning_and_mirroring_change_nothing(aggregation):
    levels = np.random.default_rng(4).integers(0, 6, size=(7, 5, 6))
    first = features(levels, 5, [aggregation])
    for other in (np.rot90(levels, axes=(0, 1)), levels[::-1], levels.transpose(2, 0, 1)):
        assert features(other, 5, [aggregation]) == pytest.approx(first, rel=1e-10, abs=1e-10)


def test_analytic_raising_all_levels_shifts_what_it_should():
    """Far from zero, variances and the sums of IBSI's contrast, strength and complexity stay."""
    levels = np.random.default_rng(6).integers(1, 5, size=(6, 5, 4))
    low, high = features(levels, 4, ["3D_comb"]), features(levels + 900, 904, ["3D_comb"])
    for family, name in [
        ("glcm", "joint_variance"),
        ("glcm", "cluster_shade"),
        ("glcm", "cluster_prominence"),
        ("glcm", "difference_entropy"),
        ("glrlm", "grey_level_variance"),
        ("ngtdm", "strength"),
        ("ngtdm", "contrast"),
        ("ngtdm", "complexity"),
    ]:
        column = (family, name, aggregations_of(family, ["3D_comb"])[0])
        assert high[column] == pytest.approx(low[column], rel=1e-9), column


def test_undefined_without_a_pair_of_neighbours():
    alone = features([[[2]]], 2)
    undefined = {family for (family, _, _), value in alone.items() if np.isnan(value)}
    defined = {family for (family, _, _), value in alone.items() if not np.isnan(value)}
    assert undefined == {"glcm", "ngtdm"}
    assert defined == {"glrlm", "glszm", "gldzm", "ngldm"}
    assert alone["glszm", "zone_percentage", "3D"] == 1
    assert alone["glrlm", "run_percentage", "3D_comb"] == 1


def test_undefined_in_a_region_without_voxels():
    inside = np.ones((2, 2, 2), bool)
    empty = batch_of([(np.zeros((2, 2, 2), np.int32), inside, 3)], 3)
    for values in texture_features(*empty, ALL, TEXTURE).values():
        assert np.isnan(values).all()


def test_undefined_in_a_flat_region():
    flat = features(np.full((3, 3, 3), 3), 3)
    undefined = {(family, name) for (family, name, _), value in flat.items() if np.isnan(value)}
    assert undefined == {("glcm", "correlation"), ("glcm", "information_correlation_1")}
    for aggregation in ALL:
        assert flat["glcm", "joint_average", aggregation] == 3
        for name in ("contrast", "joint_entropy", "sum_entropy", "information_correlation_2"):
            assert flat["glcm", name, aggregation] == 0
    for aggregation in ("2D", "2_5D", "3D"):
        assert flat["ngtdm", "coarseness", aggregation] == 1e6
        for name in ("contrast", "busyness", "complexity", "strength"):
            assert flat["ngtdm", name, aggregation] == 0


def test_busyness_without_a_divisor_is_undefined():
    """Two voxels of level 1 and one of level 2: 1 · 2/3 = 2 · 1/3."""
    found = features([[[1, 2, 1]]], 2, ["3D_avg"], ["ngtdm"])
    assert np.isnan(found["ngtdm", "busyness", "3D"])
    assert found["ngtdm", "strength", "3D"] > 0


def test_directions_without_pairs_are_left_out_of_the_average():
    line = features([[[1, 2, 2, 1]]], 2, ["3D_avg"])
    assert line["glcm", "contrast", "3D_avg"] == pytest.approx(2 / 3)


def test_slices_without_voxels_are_left_out_of_the_average():
    plane = np.random.default_rng(5).integers(1, 4, size=(4, 4, 1))
    apart = np.concatenate([plane, np.zeros_like(plane), plane], axis=2)
    both, one = features(apart, 3, ALL[:2]), features(plane, 3, ALL[:2])
    assert both == pytest.approx(one, rel=1e-12)


def test_2d_features_of_counts_without_slices_are_refused(regions):
    request = Request(COUNTED, True, True, False, 16)
    counts = stacked([brute_force(r.levels, r.inside, request) for r in regions[:3]])
    starts = slice_starts(regions[:3])
    with pytest.raises(ValueError, match="expected a row for each of"):
        texture_features(counts, np.full(3, 16), starts, ["2D_avg"], ["glcm"])


@pytest.mark.parametrize(
    ("aggregations", "families"), [(["3D"], ["glcm"]), (["3D_avg"], ["morph"])]
)
def test_unknown_names_are_refused(batch, aggregations, families):
    with pytest.raises(ValueError, match="expected aggregations and texture families"):
        texture_features(*batch, aggregations, families)
