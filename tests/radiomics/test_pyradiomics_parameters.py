"""PyRadiomics parameter files: what is honoured, what is refused, and the columns that come out."""

import logging

import pytest
import yaml
from pyradiomics_oracles import CLASSES, made_up, ours, volumes

from petnet.errors import InputError
from petnet.radiomics.columns import columns, provenance
from petnet.radiomics.extractor import FeatureSet, extract_regions
from petnet.radiomics.pyradiomics import PyRadiomicsSet, described, names, read_parameters
from petnet.radiomics.pyradiomics.names import DEFINITIONS

#: The example for CT that comes with PyRadiomics, retold.
EXAMPLE = """
imageType:
  Original: {}
  LoG:
    sigma: [1.0, 3.0]
    binWidth: 5
  Wavelet: {}
featureClass:
  shape:
  firstorder: []
  glcm:
    - 'Autocorrelation'
    - 'Imc1'
  gldm:
setting:
  interpolator: 'sitkBSpline'
  resampledPixelSpacing: [1, 1, 0]
  padDistance: 10
  binWidth: 25
  voxelArrayShift: 1000
  label: 1
"""


@pytest.fixture
def read(tmp_path):
    def of(content, **given):
        path = tmp_path / "my params.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return read_parameters(path, **given)

    return of


def test_an_example_becomes_a_set_per_image_type(read):
    original, log, wavelet = read(EXAMPLE)
    assert [one.name for one in (original, log, wavelet)] == [
        "my_params",
        "my_params_log",
        "my_params_wavelet",
    ]
    assert original.families == ("morph", "stat", "glcm", "ngldm")
    assert log.families == wavelet.families == ("stat", "glcm", "ngldm")
    assert original.spacing_mm == (1.0, 1.0, None)
    assert original.interpolation == "cubic"
    assert (original.pad_distance, original.voxel_array_shift) == (10, 1000)
    assert (original.bin_width, log.bin_width, wavelet.bin_width) == (25, 5, 25)
    assert log.sigmas == (1.0, 3.0)
    assert {one.modality for one in (original, log, wavelet)} == {"CT"}
    assert len({one.hash for one in (original, log, wavelet)}) == 3


def test_names_of_columns(read):
    original, log, wavelet = read(EXAMPLE, modality="PT", name="pr")
    found = names(original)
    assert found[0] == "pr__original_shape_Elongation"
    assert len(found) == 14 + 18 + 2 + 14
    assert [n for n in found if "_glcm_" in n] == [
        "pr__original_glcm_Autocorrelation",
        "pr__original_glcm_Imc1",
    ]
    assert {n.split("__")[1].split("_")[0] for n in names(log)} == {
        "log-sigma-1-0-mm-3D",
        "log-sigma-3-0-mm-3D",
    }
    assert len({n.split("__")[1].split("_")[0] for n in names(wavelet)}) == 8
    assert columns(original) == found
    assert list(described(original)) == found


def test_an_empty_file_means_the_defaults_of_pyradiomics(read):
    (one,) = read("")
    assert (one.bin_width, one.discretisation) == (25.0, "fixed_bin_size")
    assert one.aggregations == ("3D_avg",)
    assert one.minimum_dimensions == 2
    assert one.spacing_mm is None
    assert len(names(one)) == 107
    assert {row.radiomics_class for row in one.definitions} == set(CLASSES)


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ({"binCount": 32, "binWidth": 5}, "bins", 32),
        ({"binCount": 32, "binWidth": 5}, "bin_width", None),
        ({"binCount": None, "binWidth": 5}, "bin_width", 5.0),
        ({"force2D": True}, "aggregations", ("2_5D_avg",)),
        ({"force2D": True, "weightingNorm": "no_weighting"}, "aggregations", ("2_5D_comb",)),
        ({"weightingNorm": "no_weighting"}, "aggregations", ("3D_comb",)),
        ({"force2Ddimension": 2}, "force_2d_dimension", 2),
        ({"gldm_a": 2}, "ngldm_alpha", 2),
        ({"normalize": True}, "normalise", True),
        ({"normalizeScale": 100}, "normalise_scale", 100),
        ({"removeOutliers": 3}, "remove_outliers", 3),
        ({"resegmentRange": [-3, 3]}, "resegment", (-3, 3)),
        ({"resegmentMode": "sigma"}, "resegment_mode", "sigma"),
        ({"resegmentShape": True}, "resegment_shape", True),
        ({"preCrop": True}, "pre_crop", True),
        ({"padDistance": 7}, "pad_distance", 7),
        ({"minimumROIDimensions": 3}, "minimum_dimensions", 3),
        ({"minimumROISize": 50}, "minimum_voxels", 50),
        ({"resampledPixelSpacing": [0, 0, 0]}, "spacing_mm", None),
        ({"resampledPixelSpacing": [1, 2, 3], "interpolator": None}, "spacing_mm", None),
        ({"resampledPixelSpacing": [1, 2, 3], "interpolator": 2}, "interpolation", "linear"),
        (
            {"resampledPixelSpacing": [1, 2, 3], "interpolator": "sitkNearestNeighbor"},
            "interpolation",
            "nearest",
        ),
    ],
)
def test_settings_are_honoured(read, setting, field, value):
    (one,) = read({"setting": setting})
    assert getattr(one, field) == value


@pytest.mark.parametrize("key", ["additionalInfo", "geometryTolerance", "correctMask"])
def test_keys_without_influence_are_named_in_the_log(read, key, caplog):
    with caplog.at_level(logging.INFO):
        (one,) = read({"setting": {key: True}})
    assert one == read({})[0]
    assert f"{key} = True changes nothing" in caplog.text


REFUSED = [
    ({"setting": {"label": 2}}, "setting, label: expected one of (1,), but got 2"),
    ({"setting": {"label_channel": 1}}, "label_channel"),
    ({"setting": {"distances": [1, 2]}}, "distances: expected one of ([1],), but got [1, 2]"),
    ({"setting": {"symmetricalGLCM": False}}, "symmetricalGLCM"),
    ({"setting": {"weightingNorm": "euclidean"}}, "weightingNorm"),
    ({"setting": {"binwidth": 25}}, "'binwidth'"),
    ({"setting": {"binWidth": -1}}, "bin_width: expected a positive number"),
    ({"setting": {"binWidth": "25 HU"}}, "bin_width: expected a number"),
    ({"setting": {"binCount": 5000}}, "bins: expected a whole number from 2 to 1024"),
    ({"setting": {"resampledPixelSpacing": [1, 1], "interpolator": 3}}, "resampledPixelSpacing"),
    (
        {"setting": {"resampledPixelSpacing": [1, 1, 1], "interpolator": "sitkGaussian"}},
        "interpolator: expected one of",
    ),
    ({"setting": {"resegmentRange": [1, 2, 3]}}, "resegment: expected one or two numbers"),
    ({"setting": {"resegmentRange": []}}, "resegment"),
    ({"setting": {"resegmentMode": "percent"}}, "resegment_mode"),
    ({"setting": {"minimumROIDimensions": 4}}, "minimum_dimensions"),
    ({"setting": {"force2Ddimension": 3}}, "force_2d_dimension"),
    ({"setting": {"normalizeScale": 0}}, "normalise_scale"),
    ({"setting": {"removeOutliers": -1}}, "remove_outliers"),
    ({"setting": {"normalize": "yes"}}, "normalise: expected one of (True, False)"),
    ({"setting": {"voxelArrayShift": "a"}}, "voxel_array_shift"),
    ({"setting": {"minimumROISize": -4}}, "minimum_voxels"),
    ({"setting": [1]}, "setting: expected a mapping"),
    ({"voxelSetting": {"kernelRadius": 1}}, "features=maps"),
    ({"imageTypes": {}}, "sections"),
    ({"imageType": ["Original"]}, "imageType: expected a mapping"),
    ({"imageType": {"LBP3D": {}}}, "Local binary patterns"),
    ({"imageType": {"Median": {}}}, "'Median'"),
    ({"imageType": {"Wavelet": {"resegmentRange": [0, 1]}}}, "takes others from setting alone"),
    ({"imageType": {"Wavelet": {"wavelet": "haar9"}}}, "wavelet: expected one of bior1.1"),
    ({"imageType": {"Wavelet": {"level": 0}}}, "level"),
    ({"imageType": {"LoG": {}}}, "sigmas"),
    ({"imageType": {"LoG": {"sigma": [0.0]}}}, "sigmas"),
    ({"featureClass": {"shape2D": None}}, "three dimensions"),
    ({"featureClass": {"gabor": None}}, "'gabor'"),
    ({"featureClass": {"glcm": ["Kurtosis"]}}, "'Kurtosis'"),
    ({"featureClass": {"glcm": "Imc1"}}, "featureClass, glcm: expected a list"),
    ({"featureClass": ["glcm"]}, "featureClass: expected a mapping"),
    ("a: [1", "YAML"),
    ("[1, 2]", "sections"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_what_cannot_be_honoured_is_refused_by_name(read, content, message):
    with pytest.raises(InputError) as error:
        read(content)
    assert message in str(error.value)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match="nothing there"):
        read_parameters(tmp_path / "none.yaml")


def test_features_that_pyradiomics_gives_no_value_are_named_in_the_log(read, caplog):
    (one,) = read({"featureClass": {"glcm": ["SumVariance", "Imc1"]}})
    assert names(one) == ["my_params__original_glcm_Imc1"]
    assert "no glcm_SumVariance, which equals glcm_ClusterTendency" in caplog.text


def test_shape_is_taken_of_the_unfiltered_image_whatever_the_image_types(read):
    content = {"imageType": {"Square": {}}, "featureClass": {"shape": None, "firstorder": None}}
    shape, square = read(content)
    assert names(shape)[0] == "my_params_shape__original_shape_Elongation"
    assert len(names(shape)) == 14
    assert all("__square_firstorder_" in name for name in names(square))
    (alone,) = read({"imageType": {"Square": {}}, "featureClass": {"shape": ["Sphericity"]}})
    assert names(alone) == ["my_params_shape__original_shape_Sphericity"]


def test_every_column_says_how_it_differs_from_ibsi(read):
    (one,) = read({})
    by_key = {name.split("original_")[1]: row for name, row in described(one).items()}
    assert by_key["firstorder_Kurtosis"]["ibsi_code"] == "IPH6"
    assert "not in excess" in by_key["firstorder_Kurtosis"]["differs_from_ibsi"]
    assert by_key["firstorder_Mean"]["differs_from_ibsi"] is None
    assert by_key["firstorder_Mean"]["unit"] == "HU"
    assert by_key["shape_Maximum2DDiameterRow"]["ibsi_code"] is None
    assert by_key["shape_Maximum2DDiameterRow"]["unit"] == "mm"
    assert "multiples of the width" in by_key["glcm_Idm"]["differs_from_ibsi"]
    assert by_key["glcm_Idm"]["aggregation"] == "3D_avg"
    assert by_key["glszm_ZoneEntropy"]["aggregation"] == "3D"
    assert by_key["glszm_ZoneEntropy"]["pyradiomics_class"] == "glszm"
    (normalised,) = read({"setting": {"normalize": True}})
    assert described(normalised)["my_params__original_firstorder_Mean"]["unit"] == "response"
    assert provenance(one)["feature_set"]["bin_width"] == 25


def test_rows_name_each_feature_once():
    assert len({row.key for row in DEFINITIONS}) == len(DEFINITIONS) == 111
    codes = [(row.radiomics_class, row.ibsi.code) for row in DEFINITIONS if row.ibsi]
    assert len(set(codes)) == len(codes)
    assert sum(row.default for row in DEFINITIONS) == 107
    # what IBSI does not have says so
    assert all(
        row.differs and row.differs.startswith("not in IBSI") for row in DEFINITIONS if not row.ibsi
    )


PLAIN = {
    "name": "x",
    "modality": "CT",
    "families": ["stat"],
    "discretisation": "fixed_bin_number",
    "bins": 8,
    "aggregations": ["3D_avg"],
    "naming": "pyradiomics",
}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"aggregations": ["3D_avg", "3D_comb"]}, "aggregations: expected one of"),
        ({"aggregations": ["2D_avg"]}, "aggregations"),
        ({"families": ["gldzm"]}, "families"),
        ({"ivh_bins": 10}, "ivh_bins: expected None with naming=pyradiomics"),
        ({"mask_threshold": 0.4}, "mask_threshold"),
        ({"round_hu": True}, "round_hu"),
        ({"bins": None, "discretisation": "none"}, "discretisation"),
        (
            {"bins": None, "discretisation": "fixed_bin_size", "bin_width": 1, "lower_bound": -5},
            "lower_bound",
        ),
        ({"resegment_range": [0, 1], "resegment_sigma": 3}, "not both"),
    ],
)
def test_plain_sets_may_not_ask_for_what_pyradiomics_does_not_know(given, message):
    with pytest.raises(InputError) as error:
        names(FeatureSet(**PLAIN | given))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("plain", "own"),
    [
        ({"resegment_sigma": 1.0}, {"resegmentRange": [-1, 1], "resegmentMode": "sigma"}),
        ({"resegment_range": [2.0, 4.0]}, {"resegmentRange": [2, 4]}),
    ],
)
def test_plain_sets_resegment_like_parameter_files(plain, own, tmp_path):
    image, mask = volumes(*made_up(), modality="CT")
    table = extract_regions([image], [mask], FeatureSet(**PLAIN | plain), "cpu").table
    parameters = {"featureClass": {"firstorder": None}, "setting": {"binCount": 8, **own}}
    expected = ours([(image, mask)], parameters, tmp_path, "CT")[0]
    found = {name.removeprefix("x__"): value for name, value in table.iloc[0].items()}
    assert found == pytest.approx(expected)


def test_a_set_of_shape_alone_needs_no_bins():
    one = PyRadiomicsSet("x", "CT", families=["morph"], discretisation="none")
    assert len(names(one)) == 14


def test_a_set_names_only_features_of_its_classes():
    common = {"name": "x", "modality": "CT", "families": ["stat"]}
    bins = {"discretisation": "fixed_bin_number", "bins": 8}
    with pytest.raises(InputError, match="glcm_Imc1"):
        PyRadiomicsSet(**common, **bins, features=["glcm_Imc1"])
    with pytest.raises(InputError, match="firstorder_mean"):
        PyRadiomicsSet(**common, **bins, features=["firstorder_mean"])
