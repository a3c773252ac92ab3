"""The table: columns, provenance, configuration, undefined values, the CUDA path."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from petnet.errors import InputError
from petnet.radiomics.extractor import FeatureSet, columns, extract, extract_batch, provenance
from petnet.radiomics.filters import Mean
from petnet.volume import Volume

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "features"
SET = FeatureSet(
    "pt", "PT", discretisation="fixed_bin_size", bin_width=0.25, lower_bound=0.0, families=("glcm",)
)
FULL = replace(SET, families=("stat", "morph", "glcm"))


def lesion(seed, shape=(6, 5, 4), modality="PT"):
    rng = np.random.default_rng(seed)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    values = rng.gamma(4.0, 1.0, size=(10, 10, 10)).astype(np.float32)
    mask = np.zeros(values.shape, dtype=bool)
    mask[1 : 1 + shape[0], 2 : 2 + shape[1], 3 : 3 + shape[2]] = True
    unit = "SUVbw" if modality == "PT" else "HU"
    return Volume(values, affine, unit, modality), Volume(mask, affine, "label", "MASK")


def test_columns_are_named_by_the_rule():
    names = columns(FULL)
    assert len(names) == len(set(names)) == 18 + 29 + 2 * 25
    assert names[0] == "pt__original_stat_mean_intensity"
    assert "pt__original_morph_volume_mesh" in names
    assert names[-1] == "pt__original_glcm_information_correlation_2_3D_comb"
    assert list(extract(*lesion(1), FULL, "cpu")) == names


def test_provenance_says_code_unit_settings_and_versions():
    found = provenance(FULL)
    assert list(found["columns"]) == columns(FULL)
    mean = found["columns"]["pt__original_stat_mean_intensity"]
    assert (mean["ibsi_code"], mean["unit"], mean["aggregation"]) == ("Q4LE", "SUV", None)
    contrast = found["columns"]["pt__original_glcm_contrast_3D_avg"]
    assert (contrast["ibsi_code"], contrast["ibsi_family_code"]) == ("ACUI", "LFYI")
    assert contrast["aggregation"] == "3D_avg"
    assert found["hash"] == FULL.hash
    assert found["feature_set"]["bin_width"] == 0.25
    assert {"petnet", "numpy", "calculation"} <= set(found["versions"])


def test_intensities_of_a_histogram_with_a_fixed_number_of_bins_are_bins():
    """So they are for every response of a filter, whatever is asked for the original."""
    feature_set = FeatureSet("pt", "PT", families=("ivh",), ivh_bin_width=0.1, filters=[Mean(3)])
    found = provenance(feature_set)["columns"]
    (mean,) = [name for name in feature_set.images if name != "original"]
    tail = "ivh_intensity_at_volume_fraction_10"
    assert found[f"pt__original_{tail}"]["unit"] == "SUV"
    assert found[f"pt__{mean}_{tail}"]["unit"] == "bin"
    image, mask = lesion(1)
    value = extract(image, mask, feature_set, "cpu")[f"pt__{mean}_{tail}"]
    assert 1 <= value <= 1001
    assert value == int(value)


def test_batch_equals_one_by_one():
    pairs = [lesion(seed, shape) for seed, shape in enumerate([(6, 5, 4), (1, 1, 1), (3, 3, 3)])]
    table = extract_batch(*zip(*pairs, strict=True), FULL, "cpu", ids=["a", "b", "c"])
    assert table.index.tolist() == ["a", "b", "c"]
    for (image, mask), (_, row) in zip(pairs, table.iterrows(), strict=True):
        assert row.to_dict() == pytest.approx(extract(image, mask, FULL, "cpu"), nan_ok=True)


def test_no_regions_give_an_empty_table():
    table = extract_batch([], [], FULL, "cpu")
    assert table.shape == (0, len(columns(FULL)))


def test_undefined_is_nan_and_never_a_crash():
    one = extract(*lesion(1, (1, 1, 1)), FULL, "cpu")
    assert all(np.isnan(v) for k, v in one.items() if "glcm" in k)
    assert one["pt__original_stat_mean_intensity"] > 0
    image, mask = lesion(1)
    flat = extract(image.with_array(np.full_like(image.array, 2.0)), mask, FULL, "cpu")
    assert np.isnan(flat["pt__original_glcm_correlation_3D_avg"])
    assert flat["pt__original_glcm_contrast_3D_avg"] == 0
    nothing = extract(image, mask, replace(FULL, resegment_range=(900.0, 901.0)), "cpu")
    assert all(np.isnan(v) for k, v in nothing.items() if "morph" not in k)
    assert nothing["pt__original_morph_volume_mesh"] > 0


def test_cuda_path_on_the_shim(shim_cupy):
    """device=cuda with the kernel of the .cu file gives the numbers of device=cpu."""
    pairs = [lesion(seed) for seed in range(3)]
    images, masks = zip(*pairs, strict=True)
    first = extract_batch(images, masks, SET, "cuda")
    second = extract_batch(images, masks, SET, "cpu")
    np.testing.assert_array_equal(first.to_numpy(), second.to_numpy())


def test_each_device_gives_the_table_of_the_cpu(device):
    shapes = [(6, 5, 4), (1, 1, 1), (3, 3, 3), (5, 5, 5), (6, 5, 4)]
    images, masks = zip(*[lesion(k, shape) for k, shape in enumerate(shapes)], strict=True)
    found = extract_batch(images, masks, FULL, device)
    again = extract_batch(images, masks, FULL, device)
    # sums of logarithms are added in no fixed order on CUDA
    rtol = 0 if device == "cpu" else 1e-12
    np.testing.assert_allclose(found.to_numpy(), again.to_numpy(), rtol=rtol, equal_nan=True)
    expected = extract_batch(images, masks, FULL, "cpu")
    assert found.columns.equals(expected.columns)
    np.testing.assert_allclose(
        found.to_numpy(), expected.to_numpy(), rtol=1e-10, atol=1e-12, equal_nan=True
    )


def test_device_auto_is_logged(caplog):
    with caplog.at_level("INFO"):
        extract(*lesion(1), SET)
    assert "device=auto chose" in caplog.text
    assert "CUDA is not used" in caplog.text or "chose cuda" in caplog.text


def test_a_driver_that_does_not_answer_is_a_reason(shim_cupy):
    def fail():
        raise RuntimeError("cudaErrorInsufficientDriver")

    shim_cupy.cuda.runtime.getDeviceCount = fail
    with pytest.raises(InputError, match=r"device=cuda.*cudaErrorInsufficientDriver.*driver"):
        extract(*lesion(1), SET, "cuda")


def test_mistakes_are_named():
    image, mask = lesion(1)
    with pytest.raises(InputError, match="region L7: modality: expected PT for pt, but got CT"):
        extract_batch([lesion(1, modality="CT")[0]], [mask], SET, "cpu", ids=["L7"])
    with pytest.raises(InputError, match="same number of each"):
        extract_batch([image], [mask, mask], SET, "cpu")
    with pytest.raises(InputError, match="a name of its own for each, but got pt, pt"):
        extract_batch([image], [mask], [SET, replace(SET, bin_width=0.5)], "cpu")
    hot = image.with_array(image.array * 1e4)
    with pytest.raises(InputError, match="region 0: grey levels: expected 1 to 1024"):
        extract(hot, mask, SET, "cpu")
    fine = replace(SET, name="fine", bin_width=0.001, original=False, filters=(Mean(3),))
    with pytest.raises(InputError, match="region 0, fine, mean_3: grey levels: expected 1 to 1024"):
        extract_batch([image], [mask], [SET, fine], "cpu")
    volumes = FeatureSet("pt", "PT", families=("ivh",), ivh_bin_width=1e-9)
    with pytest.raises(InputError, match="region L7: ivh width of a bin: expected at most"):
        extract_batch([image], [mask], volumes, "cpu", ids=["L7"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a__b"}, "name: expected letters"),
        ({"name": ""}, "name: expected letters"),
        ({"modality": "MR"}, "modality: expected one of"),
        ({"families": ()}, "families: expected one or more"),
        ({"families": ("glcm", "glcm")}, "families: expected one or more"),
        ({"families": "glcm"}, "families: expected one or more"),
        ({"aggregations": ("2D",)}, "aggregations: expected one or more"),
        ({"interpolation": "sinc"}, "interpolation: expected one of"),
        ({"discretisation": "none", "bin_width": None, "lower_bound": None}, "for texture"),
        ({"discretisation": "fixed_bin_number"}, "bins: expected a number"),
        ({"bins": 64}, "bins: expected null"),
        ({"bin_width": 0}, "bin_width: expected a positive number"),
        ({"bin_width": "wide"}, "bin_width: expected a number"),
        ({"lower_bound": None}, "lower_bound: expected a number"),
        ({"spacing_mm": (1, 2)}, "spacing_mm: expected three positive"),
        ({"spacing_mm": 2.0}, "spacing_mm: expected three positive"),
        ({"resegment_range": (400, -400)}, "resegment_range: expected a lower"),
        ({"resegment_range": (None, None)}, "resegment_range: expected a lower"),
        ({"resegment_range": (1.0, 1.0)}, "resegment_range: expected a lower"),
        ({"resegment_range": (1.0, float("inf"))}, "resegment_range: expected a lower"),
        ({"resegment_sigma": 0}, "resegment_sigma: expected a positive"),
        ({"round_hu": "yes"}, "round_hu: expected one of"),
        ({"spacing_mm": (2, None, 0)}, "spacing_mm: expected three positive"),
        ({"mask_threshold": 0}, "mask_threshold: expected a number above 0"),
        ({"ngldm_alpha": -1}, "ngldm_alpha: expected a whole number"),
        ({"ivh_bins": 1}, "ivh_bins: expected a whole number"),
        ({"ivh_bins": 10, "ivh_bin_width": 1.0}, "ivh_bins: expected null with ivh_bin_width"),
        ({"ivh_bin_width": 0}, "ivh_bin_width: expected a positive number"),
        ({"original": False}, "original: expected true without filters"),
        (
            {"original": False, "filters": [Mean(3)], "families": ("morph", "local")},
            r"original: expected true for \('morph', 'local'\) alone, but got False",
        ),
        ({"filters": ["log"]}, "filters: expected any of Mean"),
        ({"filters": [Mean(3), Mean(3)]}, "filters: expected each once"),
        ({"naming": "mirp"}, "naming: expected one of"),
    ],
)
def test_settings_are_checked_at_construction(change, message):
    with pytest.raises(InputError, match=message):
        replace(SET, **change)


def test_hash_follows_the_settings():
    again = FeatureSet(
        "pt",
        "PT",
        discretisation="fixed_bin_size",
        bin_width=0.25,
        lower_bound=0.0,
        families=["glcm"],
    )
    assert again == SET
    assert again.hash == SET.hash
    assert replace(SET, bin_width=0.5).hash != SET.hash
    assert replace(SET, lower_bound=0).hash == SET.hash


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_is_composed(path):
    with initialize_config_dir(str(CONFIGS.parent), version_base="1.3"):
        config = compose(overrides=[f"+features={path.stem}"])
    features = instantiate(config.features)
    assert features["name"] == path.stem
    for name, feature_set in features["sets"].items():
        assert isinstance(feature_set, FeatureSet)
        assert feature_set.name == name
        assert columns(feature_set)


def test_packages_are_light_to_import():
    heavy = "pandas|scipy|numba|cupy|torch|monai|lightning|sklearn"
    check = (
        "import sys, petnet.radiomics, petnet.measure.lesion, petnet.radiomics.featureset;"
        f"print([m for m in '{heavy}'.split('|') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
