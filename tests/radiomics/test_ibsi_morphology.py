"""IBSI-1 consensus values of morphology: digital phantom and configurations A to E, id per row."""

from functools import cache

import pytest
from ibsi_tables import phantom, read_table

from petnet.radiomics.catalogue import features_of
from petnet.radiomics.morphology import morphology_features
from petnet.radiomics.preprocess import resample_region, resegment

NATIVE = {"spacing_mm": (None, None, None), "interpolation": "nearest", "round_hu": False}
LINEAR = {"spacing_mm": (2.0, 2.0, 2.0), "interpolation": "linear", "round_hu": True}
# grid, and what is cut from the intensity mask
CONFIGS = {
    "digital_phantom": (NATIVE, {}),
    "config_A": (NATIVE, {"range_": (-500.0, 400.0)}),
    "config_B": ({**LINEAR, "spacing_mm": (2.0, 2.0, None)}, {"range_": (-500.0, 400.0)}),
    "config_C": (LINEAR, {"range_": (-1000.0, 400.0)}),
    "config_D": (LINEAR, {"n_sigma": 3.0}),
    "config_E": (
        {**LINEAR, "interpolation": "cubic"},
        {"range_": (-1000.0, 400.0), "n_sigma": 3.0},
    ),
}
TAGS = {
    "volume_mesh": "volume",
    "volume_voxel_counting": "vol_approx",
    "surface_area_mesh": "area_mesh",
    "surface_to_volume_ratio": "av",
    "compactness_1": "comp_1",
    "compactness_2": "comp_2",
    "spherical_disproportion": "sph_dispr",
    "sphericity": "sphericity",
    "asphericity": "asphericity",
    "centre_of_mass_shift": "com",
    "maximum_3d_diameter": "diam",
    "major_axis_length": "pca_maj_axis",
    "minor_axis_length": "pca_min_axis",
    "least_axis_length": "pca_least_axis",
    "elongation": "pca_elongation",
    "flatness": "pca_flatness",
    "volume_density_aabb": "vol_dens_aabb",
    "area_density_aabb": "area_dens_aabb",
    "volume_density_aee": "vol_dens_aee",
    "area_density_aee": "area_dens_aee",
    "volume_density_convex_hull": "vol_dens_conv_hull",
    "area_density_convex_hull": "area_dens_conv_hull",
    "integrated_intensity": "integ_int",
    "morans_i_index": "moran_i",
    "gearys_c_measure": "geary_c",
}
NOT_STANDARDISED = {
    f"{kind}_density_{body}" for kind in ("volume", "area") for body in ("ombb", "mvee")
}


@cache
def table(reference, config):
    rows = [row for row in read_table(reference, config) if row["family"] == "Morphology"]
    return {row["tag"].removeprefix("morph_"): row for row in rows if row["reference value"]}


@cache
def computed(reference, config):
    image, mask = phantom(reference, config)
    grid, cuts = CONFIGS[config]
    region = resample_region(image, mask, **grid)
    return morphology_features(resegment(region, **cuts))


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", TAGS)
def test_ibsi_value(reference, config, name):
    row = table(reference, config)[TAGS[name]]
    expected, tolerance = float(row["reference value"]), float(row["tolerance"])
    value = computed(reference, config)[name]
    # the pass rule: three significant digits, then the tolerance
    assert abs(float(f"{value:.3g}") - expected) <= tolerance + 1e-9 * abs(expected), value


def test_every_row_of_the_tables_is_tested(reference):
    for config in CONFIGS:
        assert set(table(reference, config)) == set(TAGS.values())
    names = [feature.name for feature in features_of("morph")]
    assert set(names) == set(TAGS) | NOT_STANDARDISED
    assert list(computed(reference, "digital_phantom")) == names
