"""IBSI-1 consensus values of preprocessing and of the families of intensities, one id per row."""

from functools import cache

import numpy as np
import pytest
from ibsi_tables import phantom, read_table

from petnet.radiomics.catalogue import features_of
from petnet.radiomics.histogram import histogram_features
from petnet.radiomics.intensity import intensity_statistics
from petnet.radiomics.ivh import ivh_features
from petnet.radiomics.peak import peak_features
from petnet.radiomics.preprocess import (
    crop,
    discretise_fixed_bin_number,
    discretise_fixed_bin_size,
    resample_region,
    resample_whole,
    resegment,
)

NATIVE = {"spacing_mm": (None, None, None), "interpolation": "nearest", "round_hu": False}
LINEAR = {"spacing_mm": (2.0, 2.0, 2.0), "interpolation": "linear", "round_hu": True}
GRIDS = {
    "digital_phantom": NATIVE,
    "config_A": NATIVE,
    "config_B": {**LINEAR, "spacing_mm": (2.0, 2.0, None)},
    "config_C": LINEAR,
    "config_D": LINEAR,
    "config_E": {**LINEAR, "interpolation": "cubic"},
}
RESEGMENTATION = {
    "digital_phantom": {},
    "config_A": {"range_": (-500.0, 400.0)},
    "config_B": {"range_": (-500.0, 400.0)},
    "config_C": {"range_": (-1000.0, 400.0)},
    "config_D": {"n_sigma": 3.0},
    "config_E": {"range_": (-1000.0, 400.0), "n_sigma": 3.0},
}
LEVELS = {
    "digital_phantom": lambda region: discretise_fixed_bin_size(region, 1.0, 1.0),
    "config_A": lambda region: discretise_fixed_bin_size(region, 25.0, -500.0),
    "config_B": lambda region: discretise_fixed_bin_number(region, 32),
    "config_C": lambda region: discretise_fixed_bin_size(region, 25.0, -1000.0),
    "config_D": lambda region: discretise_fixed_bin_number(region, 32),
    "config_E": lambda region: discretise_fixed_bin_number(region, 32),
}
IVH = {
    "digital_phantom": {"step": 1.0},
    "config_A": {"step": 1.0, "range_": (-500.0, 400.0)},
    "config_B": {"step": 1.0, "range_": (-500.0, 400.0)},
    "config_C": {
        "discretisation": "fixed_bin_size",
        "bin_width": 2.5,
        "range_": (-1000.0, 400.0),
    },
    "config_D": {"step": 1.0},
    "config_E": {"discretisation": "fixed_bin_number", "bins": 1000},
}
STATISTICS = [
    "stat_mean", "stat_var", "stat_skew", "stat_kurt", "stat_median", "stat_min", "stat_p10",
    "stat_p90", "stat_max", "stat_iqr", "stat_range", "stat_mad", "stat_rmad", "stat_medad",
    "stat_cov", "stat_qcod", "stat_energy", "stat_rms",
]  # fmt: skip
HISTOGRAM = [
    "ih_mean", "ih_var", "ih_skew", "ih_kurt", "ih_median", "ih_min", "ih_p10", "ih_p90", "ih_max",
    "ih_mode", "ih_iqr", "ih_range", "ih_mad", "ih_rmad", "ih_medad", "ih_cov", "ih_qcod",
    "ih_entropy", "ih_uniformity", "ih_max_grad", "ih_max_grad_g", "ih_min_grad", "ih_min_grad_g",
]  # fmt: skip
VOLUME_HISTOGRAM = [
    "ivh_v10", "ivh_v90", "ivh_i10", "ivh_i90", "ivh_diff_v10_v90", "ivh_diff_i10_i90", "ivh_auc",
]  # fmt: skip
PEAKS = ["loc_peak_loc", "loc_peak_glob"]
#: The tables list the features of a family in the order of the catalogue.
NAMES = {
    tag: (family, feature.name)
    for family, tags in {
        "stat": STATISTICS, "ih": HISTOGRAM, "ivh": VOLUME_HISTOGRAM, "local": PEAKS
    }.items()
    for tag, feature in zip(tags, features_of(family), strict=True)
}  # fmt: skip
FAMILIES = {
    "Statistics",
    "Intensity histogram",
    "Intensity volume histogram",
    "Local intensity",
}
IMAGE_MEASURES = {
    **{f"img_dim_{a}": lambda v, s, k=k: v.shape[k] for k, a in enumerate("xyz")},
    **{f"vox_dim_{a}": lambda v, s, k=k: s[k] for k, a in enumerate("xyz")},
    "mean_int": lambda v, s: v.mean(),
    "min_int": lambda v, s: v.min(),
    "max_int": lambda v, s: v.max(),
}
MASK_MEASURES = {
    **{f"int_mask_dim_{a}": lambda r, k=k: r.values.shape[k] for k, a in enumerate("xyz")},
    **{
        f"int_mask_bb_dim_{a}": lambda r, k=k: np.ptp(np.nonzero(r.intensity)[k]) + 1
        for k, a in enumerate("xyz")
    },
    **{
        f"morph_mask_bb_dim_{a}": lambda r, k=k: np.ptp(np.nonzero(r.morphological)[k]) + 1
        for k, a in enumerate("xyz")
    },
    "int_mask_vox_count": lambda r: r.intensity.sum(),
    "morph_mask_vox_count": lambda r: r.morphological.sum(),
    "int_mask_mean_int": lambda r: r.values[r.intensity].mean(),
    "int_mask_min_int": lambda r: r.values[r.intensity].min(),
    "int_mask_max_int": lambda r: r.values[r.intensity].max(),
}
DIAGNOSTICS = [f"{m}_{stage}_img" for stage in ("init", "interp") for m in IMAGE_MEASURES] + [
    f"{m}_{stage}_roi" for stage in ("init", "interp", "reseg") for m in MASK_MEASURES
]


@cache
def table(reference, config):
    return {row["tag"]: row for row in read_table(reference, config)}


@cache
def stages(reference, config):
    """The region on the whole grid: as read, resampled, re-segmented."""
    pair = phantom(reference, config)
    whole = resample_whole(*pair, **GRIDS[config])
    return resample_whole(*pair), whole, resegment(whole, **RESEGMENTATION[config])


@cache
def computed(reference, config):
    region = crop(stages(reference, config)[-1])
    values = region.values[region.intensity]
    levels = LEVELS[config](region)
    counts = np.bincount(levels.array[region.intensity], minlength=levels.n_levels + 1)[1:]
    histogram = histogram_features(counts[None], np.array([levels.n_levels]))
    return {
        "stat": intensity_statistics(values),
        "ih": {name: value.item() for name, value in histogram.items()},
        "ivh": ivh_features(values, **IVH[config]),
        "local": peak_features(region),
    }


def assert_within(value, row, digits):
    """Apply the pass rule: round, then within the tolerance."""
    expected, tolerance = float(row["reference value"]), float(row["tolerance"] or 0)
    rounded = float(format(float(value), digits))
    assert abs(rounded - expected) <= tolerance + 1e-9 * abs(expected), (value, row)


@pytest.mark.parametrize("config", GRIDS)
@pytest.mark.parametrize("tag", [tag for tag in NAMES if tag != "ivh_auc"])
def test_ibsi_value(reference, config, tag):
    family, name = NAMES[tag]
    assert_within(computed(reference, config)[family][name], table(reference, config)[tag], ".3g")


@pytest.mark.parametrize("config", [config for config in GRIDS if config != "digital_phantom"])
@pytest.mark.parametrize("tag", DIAGNOSTICS)
def test_ibsi_diagnostics(reference, config, tag):
    measure, stage, kind = tag.rsplit("_", 2)
    region = stages(reference, config)[["init", "interp", "reseg"].index(stage)]
    if kind == "img":
        value = IMAGE_MEASURES[measure](region.values, region.spacing_mm)
    else:
        value = MASK_MEASURES[measure](region)
    # numbers of voxels and greatest intensities are printed to the last digit
    assert_within(value, table(reference, config)[tag], ".3g" if abs(value) < 1000 else ".0f")


@pytest.mark.parametrize("config", GRIDS)
def test_ibsi_no_row_of_these_families_is_left_out(reference, config):
    printed = {
        tag
        for tag, row in table(reference, config).items()
        if row["family"] in FAMILIES or row["family"].startswith("Diagnostics")
    }
    tested = set(NAMES) | (set() if config == "digital_phantom" else set(DIAGNOSTICS))
    assert printed == tested
    assert table(reference, config)["ivh_auc"]["consensus"] == "not standardized"


@pytest.mark.parametrize("config", GRIDS)
def test_ibsi_region_alone_equals_the_whole_image(reference, config):
    """Resampling only what is near the region gives what the whole image gives."""
    near = resegment(
        resample_region(*phantom(reference, config), **GRIDS[config]), **RESEGMENTATION[config]
    )
    far = crop(stages(reference, config)[-1])
    np.testing.assert_array_equal(near.morphological, far.morphological)
    np.testing.assert_array_equal(near.intensity, far.intensity)
    np.testing.assert_array_equal(near.values[near.morphological], far.values[far.morphological])
    assert near.surroundings.corner == far.surroundings.corner
    np.testing.assert_allclose(near.surroundings.values, far.surroundings.values, atol=1e-9)
    assert peak_features(near) == pytest.approx(computed(reference, config)["local"], rel=1e-12)
