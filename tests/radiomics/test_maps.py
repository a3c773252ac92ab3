"""Feature maps: against filters of SciPy, plain Python, PyRadiomics, and regions one by one."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from map_oracles import contrast_map, levels_by_number, window_mask
from map_settings import BY_NUMBER, BY_SIZE
from scipy.ndimage import generic_filter

from petnet.errors import InputError
from petnet.radiomics import maps
from petnet.radiomics.extractor import extract
from petnet.radiomics.filters import Mean
from petnet.radiomics.maps import MapSpec, feature_maps
from petnet.volume import Volume

AFFINE = np.array([[-2.0, 0, 0, 40], [0, 2.0, 0, -30], [0, 0, 3.0, 7], [0, 0, 0, 1]])


def study(seed=1, shape=(9, 8, 7), fill=0.7):
    """Random uptake and a ragged mask with holes that reaches every face of the image."""
    rng = np.random.default_rng(seed)
    values = rng.gamma(4.0, 1.0, shape).astype(np.float32)
    mask = rng.random(shape) < fill
    return on_grid(values, mask)


def on_grid(values, mask):
    return Volume(values, AFFINE, "SUVbw", "PT", "FDG"), Volume(mask, AFFINE, "label", "MASK")


def one_map(image, mask, spec):
    (found,) = feature_maps(image, mask, spec, "cpu").values()
    return found.array


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize(
    ("feature", "function"),
    [
        ("mean_intensity", np.mean),
        ("maximum_intensity", np.max),
        ("intensity_variance", np.var),
        ("median_intensity", np.median),
        ("90th_intensity_percentile", lambda x: np.percentile(x, 90)),
        ("intensity_energy", lambda x: np.sum(x**2)),
    ],
)
def test_scipy_generic_filter_gives_the_statistics(feature, function, restricted):
    image, mask = study()
    seen = np.where(mask.array | (not restricted), image.array.astype(np.float64), np.nan)
    expected = generic_filter(
        seen, lambda x: function(x[~np.isnan(x)]) if not np.isnan(x).all() else np.nan,
        size=(5, 3, 1), mode="constant", cval=np.nan,
    )  # fmt: skip
    spec = MapSpec(BY_NUMBER, [f"stat_{feature}"], (2, 1, 0), restricted=restricted)
    found = one_map(image, mask, spec)
    np.testing.assert_allclose(found[mask.array], expected[mask.array], rtol=1e-6)
    assert np.isnan(found[~mask.array]).all()


@pytest.mark.parametrize("radius", [(1, 1, 1), (2, 2, 2), (0, 2, 1)])
@pytest.mark.parametrize("merged", [True, False])
def test_brute_force_glcm_contrast(radius, merged):
    image, mask = study(shape=(6, 5, 6), fill=0.4)
    levels = levels_by_number(image.array.astype(np.float64), mask.array, 8)
    expected = contrast_map(levels, mask.array, radius, merged)
    feature = f"glcm_contrast_3D_{'comb' if merged else 'avg'}"
    found = one_map(image, mask, MapSpec(BY_NUMBER, [feature], radius))
    assert np.isnan(expected[mask.array]).sum() < mask.array.sum() / 2
    np.testing.assert_allclose(found[mask.array], expected[mask.array], rtol=1e-6)


def test_brute_force_glcm_contrast_of_windows_that_look_out_of_the_mask():
    image, mask = study(shape=(7, 6, 5), fill=0.05)
    everything = np.ones_like(mask.array)
    wide = np.zeros_like(everything)
    for centre in np.argwhere(mask.array):
        wide |= window_mask(everything, centre, (1, 1, 1))
    levels = levels_by_number(image.array.astype(np.float64), wide, 8)
    expected = contrast_map(levels, everything, (1, 1, 1), True)
    spec = MapSpec(BY_NUMBER, ["glcm_contrast_3D_comb"], 1, restricted=False)
    found = one_map(image, mask, spec)
    np.testing.assert_allclose(found[mask.array], expected[mask.array], rtol=1e-6)


@pytest.mark.parametrize("aggregation", ["2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg"])
def test_each_voxel_has_the_features_of_its_window_extracted_alone(aggregation):
    """Every family; grey levels of the window, by number of bins."""
    image, mask = study()
    whole = replace(BY_NUMBER, aggregations=(aggregation,))
    features = known_features(whole)
    found = feature_maps(image, mask, MapSpec(whole, features, (2, 1, 1), bins="window"), "cpu")
    for centre in np.random.default_rng(3).permutation(np.argwhere(mask.array))[:6]:
        alone = mask.with_array(window_mask(mask.array, centre, (2, 1, 1)))
        expected = extract(image, alone, whole, "cpu")
        for name in features:
            value = found[name].array[tuple(centre)]
            np.testing.assert_allclose(value, expected[f"pt__original_{name}"], rtol=2e-6)


@pytest.mark.parametrize("bins", ["region", "window"])
def test_each_voxel_has_the_features_of_its_ball_extracted_alone(bins):
    """Every family, and coarse dependence; bins of one size, so that levels are the same."""
    image, mask = study(fill=0.99)
    whole = replace(BY_SIZE, ngldm_alpha=1)
    features = [f for f in known_features(whole) if bins == "window" or not counts_levels(f)]
    found = feature_maps(image, mask, MapSpec(whole, features, radius_mm=7, bins=bins), "cpu")
    index = np.indices(mask.array.shape)
    for centre in np.random.default_rng(4).permutation(np.argwhere(mask.array))[:6]:
        steps = (index - centre[:, None, None, None]) * np.array([2, 2, 3.0])[:, None, None, None]
        ball = (steps**2).sum(axis=0) <= 7**2
        expected = extract(image, mask.with_array(mask.array & ball), whole, "cpu")
        for name in features:
            value = found[name].array[tuple(centre)]
            np.testing.assert_allclose(value, expected[f"pt__original_{name}"], rtol=2e-6)


def counts_levels(feature):
    """Whether a feature takes the number of levels, which a region has more of than its windows."""
    return "gradient" in feature or "normalised_inverse_difference" in feature


def test_numpy_gradient_of_the_histogram_over_all_levels_of_the_region(monkeypatch):
    monkeypatch.setattr(maps, "BLOCK_VOXELS", 27)  # no window borrows the levels of another
    image, mask = study(fill=0.9)
    image.array[4, 4, 3] = 40.0  # so that most windows have the lowest levels alone
    names = [f"ih_minimum_histogram_gradient{part}" for part in ("", "_intensity")]
    found = feature_maps(image, mask, MapSpec(BY_NUMBER, names, 1), "cpu")
    least, place = (found[name].array for name in names)
    levels = levels_by_number(image.array.astype(np.float64), mask.array, 8)
    for centre in map(tuple, np.argwhere(mask.array)):
        inside = levels[window_mask(mask.array, centre, (1, 1, 1))]
        gradient = np.gradient(np.bincount(inside, minlength=9)[1:])
        assert (least[centre], place[centre]) == (gradient.min(), gradient.argmin() + 1)


def test_brute_force_number_of_levels_is_that_of_the_region():
    """Normalised inverse difference of two voxels: 1 / (1 + |i - j| / N), N levels in all."""
    values = np.array([1.0, 2.0, 9.0], dtype=np.float32).reshape(3, 1, 1)
    image, mask = on_grid(values, np.ones(values.shape, bool))
    name = "glcm_normalised_inverse_difference_3D_comb"
    found = one_map(image, mask, MapSpec(BY_NUMBER, [name], 1))
    np.testing.assert_allclose(found[0, 0, 0], 1 / (1 + 1 / 8), rtol=1e-6)  # levels 1 and 2
    np.testing.assert_allclose(found[2, 0, 0], 1 / (1 + 6 / 8), rtol=1e-6)  # 2 and 8


def known_features(feature_set):
    from petnet.radiomics.columns import columns_of

    return [c.name.removeprefix("pt__original_") for c in columns_of(feature_set)]


# PyRadiomics 3.0.1, voxel-based, kernelRadius 1, maskedKernel, binCount 6, on `formula_study(True)`
# at these voxels; made by `pyradiomics_maps.py` beside this file.
PYRADIOMICS_VOXELS = [(0, 0, 1), (1, 5, 2), (3, 2, 3), (5, 5, 4)]
PYRADIOMICS = {
    "firstorder_Mean": ("stat_mean_intensity", (2.625, 2.45833333, 2.43518519, 2.34375)),
    "firstorder_RobustMeanAbsoluteDeviation": (
        "stat_intensity_robust_mean_absolute_deviation",
        (1.01234568, 1.14030612, 1.06575964, 0.416666667),
    ),
    "firstorder_Entropy": (
        "ih_discretised_intensity_entropy",
        (1.95914792, 2.11328333, 2.43528785, 1.81127812),
    ),
    "glcm_Contrast": ("glcm_contrast_3D_avg", (6.92948718, 6.04273504, 5.46581197, 2.42307692)),
    "glcm_JointEntropy": (
        "glcm_joint_entropy_3D_avg",
        (2.39067865, 3.12330029, 3.39515198, 1.69230769),
    ),
    "glcm_Idmn": (
        "glcm_normalised_inverse_difference_moment_3D_avg",
        (0.861294721, 0.875603878, 0.886749329, 0.940852391),
    ),
    "glrlm_ShortRunEmphasis": (
        "glrlm_short_runs_emphasis_3D_avg",
        (0.946153846, 0.947427368, 0.92693176, 0.947802198),
    ),
    "glrlm_RunPercentage": (
        "glrlm_run_percentage_3D_avg",
        (0.942307692, 0.935897436, 0.917378917, 0.942307692),
    ),
    "glszm_ZonePercentage": (
        "glszm_zone_percentage_3D",
        (0.416666667, 0.388888889, 0.296296296, 0.5),
    ),
    "glszm_SmallAreaEmphasis": (
        "glszm_small_zone_emphasis_3D",
        (0.456944444, 0.392857143, 0.430564236, 0.555555556),
    ),
    "ngtdm_Contrast": ("ngtdm_contrast_3D", (0.953192641, 0.48627451, 0.288706579, 0.142857143)),
    "gldm_SmallDependenceEmphasis": (
        "ngldm_low_dependence_emphasis_3D",
        (0.289930556, 0.265339506, 0.224025206, 0.333333333),
    ),
}
OURS = MapSpec(replace(BY_NUMBER, bins=6), [name for name, _ in PYRADIOMICS.values()], 1)


def formula_study(solid):
    """A volume that no generator of random numbers makes; its mask a box, or ragged."""
    i, j, k = np.indices((7, 6, 5))
    values = ((7 * i + 13 * j + 29 * k + i * j * k) % 23 / 4).astype(np.float32)
    return on_grid(values, i < 6 if solid else (5 * i + 3 * j + 11 * k) % 7 > 1)


@pytest.mark.parametrize("feature", PYRADIOMICS)
def test_pyradiomics_typed_values(feature):
    image, mask = formula_study(True)
    name, expected = PYRADIOMICS[feature]
    found = one_map(image, mask, replace(OURS, features=[name]))
    np.testing.assert_allclose(found[tuple(np.transpose(PYRADIOMICS_VOXELS))], expected, rtol=1e-6)


@pytest.mark.parametrize("solid", [True, False])
def test_pyradiomics_beside_us(solid, tmp_path):
    python = os.environ.get("PETNET_PYRADIOMICS")
    if not python:
        pytest.skip("PyRadiomics absent: set PETNET_PYRADIOMICS to a Python that has it")
    image, mask = formula_study(solid)
    # PyRadiomics leaves a direction out in which no run has two voxels; IBSI does not
    features = [f for f in PYRADIOMICS if solid or not f.startswith("glrlm")]
    given, made = tmp_path / "given.npz", tmp_path / "made.npz"
    np.savez(given, image=image.array, mask=mask.array, bins=6, radius=1)
    script = Path(__file__).with_name("pyradiomics_maps.py")
    subprocess.run([python, script, given, made, *features], check=True)
    theirs = np.load(made)
    ours = feature_maps(image, mask, OURS, "cpu")
    for feature in features:
        found = ours[PYRADIOMICS[feature][0]].array
        np.testing.assert_allclose(found, theirs[feature], rtol=1e-6, err_msg=feature)


@pytest.mark.parametrize(
    ("radius_mm", "spacing", "voxels"),
    [
        (2.0, (2.0, 2.0, 2.0), 7),  # itself and the 6 that share a face
        (2.9, (2.0, 2.0, 2.0), 19),  # and those that share an edge
        (3.5, (2.0, 2.0, 2.0), 27),  # and those that share a corner
        (4.0, (2.0, 2.0, 4.0), 13 + 2),  # a disc of radius 2, and above and below
        (1.0, (2.0, 2.0, 2.0), 1),
    ],
)
def test_analytic_ball(radius_mm, spacing, voxels):
    footprint = MapSpec(BY_NUMBER, ["stat_mean_intensity"], radius_mm=radius_mm).footprint(spacing)
    assert footprint.sum() == voxels
    assert all(n % 2 == 1 for n in footprint.shape)


def test_a_ball_that_memory_cannot_hold_is_refused():
    spec = MapSpec(BY_NUMBER, ["stat_mean_intensity"], radius_mm=130.0)
    assert spec.footprint((2.0, 2.0, 2.0)).shape == (131, 131, 131)
    with pytest.raises(InputError, match=r"radius_mm: expected a window of at most .* got 130"):
        spec.footprint((1.0, 1.0, 1.0))


def test_scipy_generic_filter_gives_the_mean_in_a_ball():
    image, mask = study()
    spec = MapSpec(BY_NUMBER, ["stat_mean_intensity"], radius_mm=4.0)
    seen = np.where(mask.array, image.array.astype(np.float64), np.nan)
    offsets = np.indices((5, 5, 3)) - np.array([2, 2, 1])[:, None, None, None]
    ball = np.einsum("dxyz,d->xyz", offsets**2, np.array([4.0, 4.0, 9.0])) <= 16
    expected = generic_filter(
        seen, lambda x: np.nanmean(x) if not np.isnan(x).all() else np.nan,
        footprint=ball, mode="constant", cval=np.nan,
    )  # fmt: skip
    np.testing.assert_allclose(one_map(image, mask, spec)[mask.array], expected[mask.array], 1e-6)


def test_one_voxel_has_statistics_and_no_texture():
    image, mask = study()
    one = np.zeros_like(mask.array)
    one[8, 0, 3] = True  # in an edge of the image
    spec = MapSpec(BY_NUMBER, ["stat_mean_intensity", "glcm_contrast_3D_comb"], 2)
    found = feature_maps(image, mask.with_array(one), spec, "cpu")
    mean, contrast = (part.array for part in found.values())
    assert mean[8, 0, 3] == image.array[8, 0, 3]
    assert np.isfinite(mean).sum() == 1
    assert np.isnan(contrast).all()


def test_what_is_not_finite_is_an_error_inside_and_no_part_of_any_window_outside():
    image, mask = study(fill=0.5)
    hole, voxel = np.argwhere(~mask.array)[0], np.argwhere(mask.array)[0]
    spec = MapSpec(BY_NUMBER, ["stat_maximum_intensity"], 1, restricted=False)
    spoilt = image.array.copy()
    spoilt[tuple(hole)] = np.inf
    found = one_map(image.with_array(spoilt), mask, spec)
    lowest = image.array.copy()
    lowest[tuple(hole)] = -1  # never the greatest
    np.testing.assert_array_equal(found, one_map(image.with_array(lowest), mask, spec))
    spoilt[tuple(voxel)] = np.nan
    for one in (spec, replace(spec, restricted=True)):
        with pytest.raises(InputError, match=r"lesion 7: intensities inside the mask.*finite"):
            feature_maps(image.with_array(spoilt), mask, one, "cpu", "lesion 7")


def test_windows_of_which_resegmentation_leaves_nothing_are_undefined():
    image, mask = study(fill=1.0)
    values = np.where(np.indices(mask.array.shape)[0] < 4, np.float32(50), image.array)
    kept = replace(BY_SIZE, resegment_range=(0.0, 40.0))
    spec = MapSpec(kept, ["stat_maximum_intensity", "glszm_zone_percentage_3D"], 1)
    for found in feature_maps(image.with_array(values), mask, spec, "cpu").values():
        assert np.isnan(found.array[:3]).all()
        assert np.isfinite(found.array[3:]).all()
        assert np.nanmax(found.array) < 40


def test_outside_may_be_zero():
    image, mask = study()
    spec = MapSpec(BY_NUMBER, ["stat_mean_intensity"], 1)
    nan, zero = (one_map(image, mask, replace(spec, outside=o)) for o in ("undefined", "zero"))
    np.testing.assert_array_equal(zero, np.where(mask.array, nan, 0))


def test_maps_lie_on_the_grid_of_the_image():
    image, mask = study()
    spec = MapSpec(BY_NUMBER, ["original_glcm_contrast_3D_avg"], (2, 1, 0))
    ((name, found),) = feature_maps(image, mask, spec, "cpu").items()
    assert name == "original_glcm_contrast_3D_avg"
    assert found.array.shape == image.array.shape
    assert found.array.dtype == np.float32
    np.testing.assert_array_equal(found.affine, AFFINE)
    assert (found.unit, found.modality, found.tracer) == ("feature", "PT", "FDG")
    moved = replace(mask, affine=AFFINE + np.eye(4))
    with pytest.raises(InputError, match="mask and image: grid"):
        feature_maps(image, moved, spec, "cpu")


def test_maps_of_a_filtered_image():
    image, mask = study()
    mean = Mean(3)
    filtered = replace(BY_NUMBER, filters=(mean,))
    name = f"{mean.name}_stat_median_intensity"
    found = feature_maps(image, mask, MapSpec(filtered, [name, "stat_median_intensity"], 1), "cpu")
    from petnet.radiomics.filters import apply_filter

    response = apply_filter(image.array.astype(np.float64), image.spacing_mm, mean)
    alone = MapSpec(BY_NUMBER, ["stat_median_intensity"], 1)
    expected = one_map(image.with_array(response), mask, alone)
    np.testing.assert_array_equal(found[name].array, expected)
    np.testing.assert_array_equal(found["stat_median_intensity"].array, one_map(image, mask, alone))


def test_blocks_do_not_show(monkeypatch):
    image, mask = study()
    spec = MapSpec(BY_SIZE, known_features(BY_SIZE), (1, 1, 2))
    whole = feature_maps(image, mask, spec, "cpu")
    monkeypatch.setattr(maps, "BLOCK_VOXELS", 7 * 45)
    for name, found in feature_maps(image, mask, spec, "cpu").items():
        np.testing.assert_allclose(found.array, whole[name].array, rtol=1e-6)


def test_memory_does_not_grow_with_the_region(monkeypatch):
    largest = []
    monkeypatch.setattr(
        maps._Scene, "around",
        lambda *given, before=maps._Scene.around: largest.append(found := before(*given)) or found,
    )  # fmt: skip
    image, mask = study(shape=(40, 40, 20), fill=1.0)
    feature_maps(image, mask, MapSpec(BY_NUMBER, ["stat_maximum_intensity"], 2), "cpu")
    assert len(largest) > 10
    assert max(one.size for one in largest) <= maps.BLOCK_VOXELS < 32_000 * 125 / 10


def test_each_device_gives_the_maps_of_the_cpu(device):
    compare_devices(device)


def test_cuda_path_on_the_shim(shim_cupy):
    compare_devices("cuda", shape=(3, 3, 2))


def compare_devices(device, shape=(9, 8, 7)):
    image, mask = study(shape=shape, fill=0.8)
    spec = MapSpec(BY_NUMBER, known_features(BY_NUMBER), 1)
    expected = feature_maps(image, mask, spec, "cpu")
    for name, found in feature_maps(image, mask, spec, device).items():
        np.testing.assert_allclose(found.array, expected[name].array, rtol=1e-6, atol=1e-7)
