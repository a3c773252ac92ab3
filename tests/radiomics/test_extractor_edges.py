"""Regions at the edge of what has a meaning, whole tables at once, and the gate that flags them."""

from dataclasses import replace

import numpy as np
import pytest

from petnet.errors import InputError
from petnet.radiomics import preparation
from petnet.radiomics.catalogue import FAMILIES, features_of
from petnet.radiomics.columns import columns_of
from petnet.radiomics.extractor import (
    FeatureSet,
    columns,
    extract,
    extract_batch,
    extract_labels,
    extract_regions,
)
from petnet.radiomics.filters import (
    LaplacianOfGaussian,
    Mean,
    SeparableWavelet,
    Simoncelli,
    apply_filter,
)
from petnet.radiomics.ivh import ivh_features
from petnet.radiomics.preprocess import resample_whole, resegment
from petnet.radiomics.warm import compiled_functions
from petnet.volume import Volume

EVERYTHING = FeatureSet(
    "all",
    "PT",
    families=FAMILIES,
    discretisation="fixed_bin_number",
    bins=8,
    aggregations=("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb"),
)
WATCHED = (
    "stat_mean_intensity",
    "stat_intensity_variance",
    "morph_sphericity",
    "morph_morans_i_index",
    "glcm_contrast_3D_avg",
)
SPACING = np.diag([1.0, 1.0, 5.0, 1.0])


def pet(array, affine=SPACING):
    return Volume(np.asarray(array, dtype=np.float32), affine, "SUVbw", "PT", "FDG")


def mask_of(array, affine=SPACING):
    return Volume(np.asarray(array), affine, "label", "MASK")


def noise(shape=(7, 6, 5), seed=1):
    return np.random.default_rng(seed).normal(5, 2, size=shape)


def box(shape=(7, 6, 5), part=np.s_[1:-1, 1:-1, 1:-1]):
    mask = np.zeros(shape, dtype=bool)
    mask[part] = True
    return mask


def value(found, tail):
    (name,) = [name for name in found if name.endswith(tail)]
    return found[name]


def test_one_voxel():
    found = extract(pet(noise()), mask_of(box(part=np.s_[3, 3, 2])), EVERYTHING, "cpu")
    assert value(found, "stat_mean_intensity") == pytest.approx(noise()[3, 3, 2], rel=1e-6)
    assert value(found, "morph_volume_voxel_counting") == 5.0
    assert value(found, "morph_volume_mesh") == pytest.approx(5 / 6)  # octahedron: abc / 6 of 1 1 5
    assert np.isnan(value(found, "glcm_contrast_3D_avg"))
    assert value(found, "glszm_large_zone_emphasis_3D") == 1
    assert value(found, "gldzm_small_distance_emphasis_2D") == 1
    assert value(found, "glrlm_run_percentage_3D_comb") == 1
    assert value(found, "ngldm_low_dependence_emphasis_2_5D") == 1
    assert np.isnan(value(found, "morph_morans_i_index"))


def test_two_voxels():
    array = noise()
    array[3, 3, 2], array[4, 3, 2] = 1, 2
    found = extract(pet(array), mask_of(box(part=np.s_[3:5, 3, 2])), EVERYTHING, "cpu")
    # levels 1 and 8, one pair: contrast 49 whichever way it is merged
    for aggregation in EVERYTHING.aggregations:
        assert value(found, f"glcm_contrast_{aggregation}") == 49
    assert value(found, "glszm_small_zone_emphasis_3D") == 1
    # two voxels a distance apart: (x1 - m)(x2 - m) over the variance is -1
    assert value(found, "morph_morans_i_index") == pytest.approx(-1)
    assert value(found, "morph_gearys_c_measure") == pytest.approx(1)


def test_one_grey_level():
    flat = pet(np.full((7, 6, 5), 3.0))
    found = extract(flat, mask_of(box()), EVERYTHING, "cpu")
    assert value(found, "glcm_joint_maximum_3D_comb") == 1
    assert value(found, "glcm_joint_entropy_2D_avg") == 0
    assert np.isnan(value(found, "glcm_correlation_3D_avg"))
    assert value(found, "glszm_large_zone_emphasis_3D") == (5 * 4 * 3) ** 2
    assert value(found, "glszm_large_zone_emphasis_2D") == (5 * 4) ** 2
    assert value(found, "stat_intensity_variance") == 0
    assert np.isnan(value(found, "morph_morans_i_index"))


def test_mask_that_touches_every_face_is_the_mask_within_a_wider_image():
    array = noise()
    touching = extract(pet(array), mask_of(np.ones(array.shape, bool)), EVERYTHING, "cpu")
    wider = np.pad(array, 3, constant_values=np.nan)  # no image there: peaks end at the old faces
    within = np.pad(np.ones(array.shape, bool), 3)
    padded = extract(pet(wider), mask_of(within), EVERYTHING, "cpu")
    assert touching == pytest.approx(padded, rel=1e-12, nan_ok=True)


def test_negative_intensities_shift_levels_not_texture():
    array = noise()
    low = extract(pet(array - 100), mask_of(box()), EVERYTHING, "cpu")
    high = extract(pet(array), mask_of(box()), EVERYTHING, "cpu")
    assert value(low, "stat_mean_intensity") == pytest.approx(
        value(high, "stat_mean_intensity") - 100, rel=1e-6
    )
    texture = [c.name for c in columns_of(EVERYTHING) if c.aggregation]
    assert {n: low[n] for n in texture} == pytest.approx({n: high[n] for n in texture}, nan_ok=True)


def test_nan_inside_is_an_error_and_outside_is_not():
    array = noise()
    clean = extract(pet(array), mask_of(box()), EVERYTHING, "cpu")
    outside = array.copy()
    outside[0, 0, 0] = np.nan
    found = extract(pet(outside), mask_of(box()), replace(EVERYTHING, name="all"), "cpu")
    names = [name for name in clean if "_local_" not in name]  # spheres miss the lost voxel
    assert {n: found[n] for n in names} == pytest.approx({n: clean[n] for n in names}, nan_ok=True)
    array[3, 3, 2] = np.nan
    with pytest.raises(InputError, match=r"region 0: intensities inside the mask.*NaN.*1 of 60"):
        extract(pet(array), mask_of(box()), EVERYTHING, "cpu")


def test_nan_in_a_mask_is_an_error():
    mask = box().astype(np.float32)
    mask[0, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"region 0: mask: expected numbers, but got NaN in 1 vox"):
        extract(pet(noise()), mask_of(mask), EVERYTHING, "cpu")


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, ">i2"])
def test_a_mask_is_where_it_is_not_zero_whatever_its_type(dtype):
    expected = extract(pet(noise()), mask_of(box()), EVERYTHING, "cpu")
    mask = np.asfortranarray(box()).astype(dtype)
    assert extract(pet(noise()), mask_of(mask), EVERYTHING, "cpu") == pytest.approx(
        expected, rel=0, abs=0, nan_ok=True
    )


def test_arrays_that_may_not_be_written_to_compile_nothing():
    """Memory maps are such; Numba takes them for another type, which takes seconds to compile."""
    array, mask = noise(), np.ones((7, 6, 5), dtype=bool)
    image = Volume(array, SPACING, "SUVbw", "PT")
    expected = extract(image, mask_of(mask), EVERYTHING, "cpu")
    compiled = {f: len(f.signatures) for f in compiled_functions()}
    array.flags.writeable = mask.flags.writeable = False
    assert extract(image, mask_of(mask), EVERYTHING, "cpu") == pytest.approx(
        expected, rel=0, abs=0, nan_ok=True
    )
    assert {f: len(f.signatures) for f in compiled_functions()} == compiled


@pytest.mark.parametrize("given", [(4.0, None), (None, 6.0)])
def test_a_range_may_be_open_at_one_end(given):
    """RS:[a, inf) of the IBSI manual; the histogram of volumes then ends where the values do."""
    array = noise().astype(np.float32)
    low = -1e9 if given[0] is None else given[0]
    high = 1e9 if given[1] is None else given[1]
    kept = array[box() & (array >= low) & (array <= high)].astype(np.float64)
    one = replace(EVERYTHING, families=("stat", "ivh"), resegment_range=given, ivh_bin_width=0.1)
    found = extract(pet(array), mask_of(box()), one, "cpu")
    assert value(found, "stat_mean_intensity") == pytest.approx(kept.mean(), rel=1e-12)
    ends = given[0] or kept.min(), given[1] or kept.max()
    expected = ivh_features(kept, "fixed_bin_size", bin_width=0.1, range_=ends)
    assert {name: value(found, f"ivh_{name}") for name in expected} == expected
    assert one.hash != replace(one, resegment_range=(-1e9, 1e9)).hash


def test_labels_of_a_map_are_regions_of_their_own():
    array, labels = noise((12, 11, 9)), np.zeros((12, 11, 9), dtype=np.int16)
    labels[1:5, 1:5, 1:5], labels[6:11, 5:10, 2:8], labels[0, 0, 0] = 7, 3, 12
    found = extract_labels(pet(array), mask_of(labels), EVERYTHING, "cpu").table
    assert found.index.tolist() == [3, 7, 12]
    for label, row in found.iterrows():
        alone = extract(pet(array), mask_of(labels == label), EVERYTHING, "cpu")
        assert row.to_dict() == pytest.approx(alone, rel=1e-12, nan_ok=True)
    some = extract_labels(pet(array), mask_of(labels), EVERYTHING, "cpu", labels=[12, 3]).table
    assert some.index.tolist() == [12, 3]
    with pytest.raises(InputError, match=r"label 5 in the map.*3, 7, 12"):
        extract_labels(pet(array), mask_of(labels), EVERYTHING, "cpu", labels=[5])


def test_filtered_images_have_columns_of_their_own():
    """The original's columns stay; a response's statistics are those of the whole-image filter."""
    filters = (Mean(3), LaplacianOfGaussian(sigma_mm=2.0))
    both = replace(EVERYTHING, filters=filters)
    array, mask = noise((9, 8, 7)), box((9, 8, 7))
    found = extract(pet(array), mask_of(mask), both, "cpu")
    assert list(found) == columns(both)
    plain = extract(pet(array), mask_of(mask), EVERYTHING, "cpu")
    assert {n: found[n] for n in plain} == pytest.approx(plain, rel=1e-12, nan_ok=True)
    for one in filters:
        response = apply_filter(array.astype(np.float32).astype(float), (1.0, 1.0, 5.0), one)
        assert value(found, f"{one.name}_stat_mean_intensity") == pytest.approx(
            response[mask].mean()
        )
        assert not any(f"{one.name}_morph" in name for name in found)
    only = extract(pet(array), mask_of(mask), replace(both, original=False), "cpu")
    assert list(only) == [n for n in found if "__original_" not in n]
    assert only == pytest.approx({n: found[n] for n in only}, nan_ok=True)


def test_sets_regions_and_filters_together_equal_each_alone():
    wide = replace(EVERYTHING, name="wide", bins=16, filters=(Mean(3),))
    narrow = FeatureSet("narrow", "PT", families=("stat", "glcm"), discretisation="fixed_bin_size",
                        bin_width=0.5, lower_bound=0.0, spacing_mm=(2, 2, None))  # fmt: skip
    sets = [EVERYTHING, wide, narrow]
    images = [pet(noise((8, 9, 7), seed)) for seed in range(4)]
    masks = [mask_of(box((8, 9, 7), np.s_[1:6, k : k + 4, 1:5])) for k in range(4)]
    together = extract_batch(images, masks, sets, "cpu")
    assert list(together) == [name for one in sets for name in columns(one)]
    for row, (image, mask) in enumerate(zip(images, masks, strict=True)):
        for one in sets:
            alone = extract(image, mask, one, "cpu")
            found = together.iloc[row][list(alone)].to_dict()
            assert found == pytest.approx(alone, rel=1e-10, nan_ok=True)


def test_autocorrelation_can_be_left_out():
    without = replace(EVERYTHING, autocorrelation=False)
    lost = set(columns(EVERYTHING)) - set(columns(without))
    assert {name.split("morph_")[1] for name in lost} == {"morans_i_index", "gearys_c_measure"}


@pytest.mark.parametrize(
    ("side", "levels", "flagged"),
    [
        (1, 1, set(WATCHED) - {"stat_mean_intensity"}),
        (3, 9, {"glcm_contrast_3D_avg", "morph_morans_i_index"}),  # 27 voxels
        (4, 9, set()),  # 64
        (4, 1, {"glcm_contrast_3D_avg"}),  # one grey level
    ],
)
def test_gate_flags_what_is_too_small_and_keeps_the_value(side, levels, flagged):
    array = np.arange(6**3).reshape(6, 6, 6) % levels + 1.0
    part = np.s_[1 : 1 + side, 1 : 1 + side, 1 : 1 + side]
    mask = mask_of(box((6, 6, 6), part))
    done = extract_regions([pet(array)], [mask], EVERYTHING, "cpu")
    row = done.flagged.iloc[0]
    assert {n for n in WATCHED if row[f"all__original_{n}"]} == flagged
    assert list(done.flagged) == list(done.table)
    assert done.table["all__original_stat_mean_intensity"].notna().all()


def test_every_family_has_columns():
    for family in FAMILIES:
        names = {c.feature.name for c in columns_of(EVERYTHING) if c.feature.family == family}
        assert names == {f.name for f in features_of(family)}


@pytest.mark.parametrize(
    "one",
    [
        LaplacianOfGaussian(sigma_mm=2.0),
        Mean(5, boundary="periodic"),
        SeparableWavelet("db2", "LLH", pooling="average"),
        Simoncelli(1),
    ],
    ids=lambda one: one.name,
)
@pytest.mark.parametrize("spacing", [None, (1.5, 1.5, 2.0)])
def test_filters_see_the_whole_resampled_image(one, spacing):
    """As the definition has it: resample all, filter all, then look at the mask."""
    shape = (24, 20, 16)
    image, mask = (
        pet(noise(shape), np.diag([1.0, 1.0, 2.0, 1.0])),
        box(shape, np.s_[9:14, 0:6, 5:9]),
    )
    mask = mask_of(mask, image.affine)
    feature_set = FeatureSet("f", "PT", families=("stat",), filters=(one,), spacing_mm=spacing,
                             original=False, resegment_range=(4.0, 9.0))  # fmt: skip
    whole = resegment(resample_whole(image, mask, spacing), (4.0, 9.0))
    response = apply_filter(whole.values, whole.spacing_mm, one)[whole.intensity]
    found = extract(image, mask, feature_set, "cpu")
    assert value(found, "stat_mean_intensity") == pytest.approx(response.mean(), abs=1e-10)
    assert value(found, "maximum_intensity") == pytest.approx(response.max(), abs=1e-10)
    holed = image.array.copy()
    holed[0, 0, 0] = np.nan  # stands for the mean of the region
    filled = np.where(np.isnan(holed), holed[mask.array].mean(dtype=float), holed)
    first = extract(image.with_array(holed), mask, feature_set, "cpu")
    second = extract(image.with_array(filled), mask, feature_set, "cpu")
    assert first == pytest.approx(second, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("spacing", [None, (2.0, 1.5, None)])
def test_a_filter_of_the_whole_image_is_computed_once_for_all_labels(monkeypatch, spacing):
    """And each label is found where it lies on the whole resampled image."""
    array, labels = noise((14, 13, 9)), np.zeros((14, 13, 9), dtype=np.uint8)
    labels[1:6, 2:7, 1:5], labels[9:13, 5:12, 3:9], labels[0:3, 9:13, 0:3] = 1, 2, 3
    image, one = pet(array), Simoncelli(1)
    seen = []

    def counted(*arguments):
        seen.append(arguments)
        return resample_whole(*arguments)

    monkeypatch.setattr(preparation, "resample_whole", counted)
    feature_set = FeatureSet("s", "PT", families=("stat",), filters=(one,), original=False,
                             spacing_mm=spacing, resegment_range=(3.0, 9.0))  # fmt: skip
    found = extract_labels(image, mask_of(labels), feature_set, "cpu").table
    assert len(seen) == 1
    for label, row in found.iterrows():
        whole = resegment(resample_whole(image, mask_of(labels == label), spacing), (3.0, 9.0))
        response = apply_filter(whole.values, whole.spacing_mm, one)[whole.intensity]
        row = row.to_dict()
        assert value(row, "stat_mean_intensity") == pytest.approx(response.mean(), abs=1e-10)
        assert value(row, "stat_maximum_intensity") == pytest.approx(response.max(), abs=1e-10)


def test_a_filter_that_reaches_no_neighbour_leaves_the_image():
    one = replace(EVERYTHING, families=("stat", "glcm"), filters=[Mean(1)])
    found = extract(pet(noise()), mask_of(box()), one, "cpu")
    name = Mean(1).name
    original = {k: v for k, v in found.items() if "__original_" in k}
    assert {k.replace("original", name, 1): v for k, v in original.items()} == pytest.approx(
        {k: v for k, v in found.items() if f"__{name}_" in k}, rel=1e-12, nan_ok=True
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_alone_has_the_values_it_has_among_all(family):
    everything = extract(pet(noise()), mask_of(box()), EVERYTHING, "cpu")
    alone = replace(EVERYTHING, families=(family,))
    found = extract(pet(noise()), mask_of(box()), alone, "cpu")
    assert found == pytest.approx({n: everything[n] for n in columns(alone)}, nan_ok=True)
