"""What may be asked of feature maps, and what they are called."""

from dataclasses import replace

import pytest
from map_settings import BY_NUMBER, BY_SIZE

from petnet.errors import InputError
from petnet.radiomics.filters import Mean
from petnet.radiomics.maps import MapSpec


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"features": ["glcm_contrst_3D_avg"]},
            r"features: .*such as glcm_contrast_3D_avg.*'glcm_",
        ),
        ({"features": ["morph_volume_mesh"]}, "features: .*families stat, ih, glcm"),
        ({"features": []}, "features: expected one or more"),
        ({"features": ["stat_mean_intensity"] * 2}, "features: .*each once"),
        ({"features": "stat_mean_intensity"}, "features: .*one or more"),
        ({"radius_voxels": None}, "radius_voxels, radius_mm: expected one of the two"),
        ({"radius_mm": 4.0}, "radius_voxels, radius_mm: expected one of the two"),
        ({"radius_voxels": 0}, "radius_voxels: .*above 0"),
        ({"radius_voxels": [1, 1]}, "radius_voxels: "),
        ({"radius_voxels": [1, -1, 1]}, "radius_voxels: "),
        ({"radius_voxels": 1.5}, "radius_voxels: "),
        ({"radius_voxels": 128}, "radius_voxels: expected a window of at most 16777216 voxels"),
        ({"radius_voxels": None, "radius_mm": -1.0}, "radius_mm: expected a positive number"),
        ({"bins": "lesion"}, r"bins: expected one of \('region', 'window'\)"),
        ({"outside": 0}, "outside: expected one of"),
        ({"restricted": "yes"}, "restricted: expected one of"),
        ({"feature_set": "core"}, "feature_set: expected a FeatureSet"),
        ({"feature_set": replace(BY_NUMBER, spacing_mm=(4, 4, 4))}, "feature_set.spacing_mm"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes, message):
    given = {"feature_set": BY_NUMBER, "features": ["stat_mean_intensity"], "radius_voxels": 2}
    with pytest.raises(InputError, match=f"feature maps: {message}"):
        MapSpec(**(given | changes))


def test_names_say_feature_and_window():
    spec = MapSpec(BY_NUMBER, ["glcm_contrast_3D_avg"], [2, 2, 0])
    assert spec.title("glcm_contrast_3D_avg") == "pt__original_glcm_contrast_3D_avg__5x5x1"
    assert MapSpec(BY_NUMBER, ["stat_mean_intensity"], 2).window == "5x5x5"
    assert MapSpec(BY_NUMBER, ["stat_mean_intensity"], radius_mm=7.5).window == "r7.5mm"


def test_provenance_says_code_unit_window_and_settings():
    spec = MapSpec(BY_NUMBER, ["glcm_contrast_3D_avg"], 2)
    found = spec.provenance()
    (described,) = found["maps"].values()
    assert list(found["maps"]) == ["pt__original_glcm_contrast_3D_avg__5x5x5"]
    assert (described["ibsi_code"], described["unit"]) == ("ACUI", "level²")
    assert found["window"]["radius_voxels"] == (2, 2, 2)
    assert found["feature_set"]["bins"] == 8
    assert found["hash"] == spec.hash


def test_every_setting_is_in_the_hash():
    spec = MapSpec(BY_NUMBER, ["stat_mean_intensity"], 2)
    others = [
        replace(spec, feature_set=BY_SIZE), replace(spec, features=["stat_intensity_range"]),
        replace(spec, radius_voxels=1), replace(spec, radius_voxels=None, radius_mm=4.0),
        replace(spec, bins="window"), replace(spec, restricted=False),
        replace(spec, outside="zero"),
    ]  # fmt: skip
    assert len({spec.hash, *(other.hash for other in others)}) == 8
    assert MapSpec(BY_NUMBER, ["stat_mean_intensity"], [2, 2, 2]).hash == spec.hash


def test_only_what_is_needed_is_computed():
    every = ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb")
    whole = replace(BY_NUMBER, aggregations=every, filters=(Mean(3),))
    needed = MapSpec(whole, ["glcm_contrast_3D_comb", "ngtdm_contrast_3D"], 1).needed()
    assert needed.families == ("glcm", "ngtdm")
    assert needed.aggregations == ("3D_comb",)
    assert needed.filters == ()
    flat = MapSpec(whole, ["glszm_zone_percentage_2D", "glcm_contrast_3D_avg"], 1).needed()
    assert set(flat.aggregations) == {"2D_avg", "3D_avg"}
