"""Values against PyRadiomics 3.0.1: those recorded in a table, and itself where it is installed."""

import os

import nibabel as nib
import numpy as np
import pytest
from pyradiomics_oracles import SETTINGS, made_up, ours, recorded, theirs, volumes, write_pair
from scipy import ndimage

from petnet.radiomics.extractor import FeatureSet, extract_regions
from petnet.radiomics.pyradiomics.names import DEFINITIONS
from petnet.volume import read_mask, read_volume

RECORDED = recorded()
RELATIVE = 1e-6
#: PyRadiomics' rounding where a value is 0: log2(1 + 2e-16), the root of an eigenvalue of 1e-31.
ABSOLUTE = 1e-13

peer = pytest.mark.skipif(
    "PETNET_PYRADIOMICS" not in os.environ,
    reason="PETNET_PYRADIOMICS names no Python that has PyRadiomics",
)


def close(value):
    return pytest.approx(value, rel=RELATIVE, abs=ABSOLUTE, nan_ok=True)


@pytest.fixture(scope="session")
def computed(tmp_path_factory):
    pair = volumes(*made_up())
    folder = tmp_path_factory.mktemp("parameters")
    return {key: ours([pair], parameters, folder)[0] for key, parameters in SETTINGS.items()}


@pytest.mark.parametrize(
    ("settings", "name", "value"), RECORDED, ids=[f"{s}-{n}" for s, n, _ in RECORDED]
)
def test_proc_recorded(computed, settings, name, value):
    assert computed[settings][name] == close(value)


@pytest.mark.parametrize("settings", SETTINGS)
def test_proc_the_same_columns_and_no_others(computed, settings):
    assert set(computed[settings]) == {name for key, name, _ in RECORDED if key == settings}


def test_proc_every_feature_is_recorded():
    names = {name.removeprefix("original_") for _, name, _ in RECORDED}
    assert {row.key for row in DEFINITIONS} <= names


def test_a_plain_feature_set_gives_the_same_numbers(computed):
    image, mask = volumes(*made_up())
    plain = FeatureSet(
        name="plain",
        modality="PT",
        families=["morph", "stat", "glcm", "glrlm", "glszm", "ngldm", "ngtdm"],
        discretisation="fixed_bin_size",
        bin_width=0.25,
        lower_bound=0.0,
        aggregations=["3D_avg"],
        naming="pyradiomics",
    )
    table = extract_regions([image], [mask], plain, "cpu").table
    found = {name.removeprefix("plain__"): value for name, value in table.iloc[0].items()}
    assert found == {
        key: pytest.approx(value, rel=1e-12) for key, value in computed["width"].items()
    }


def test_beside_an_ibsi_set_in_one_call():
    image, mask = volumes(*made_up())
    common = {"modality": "PT", "families": ["stat"], "discretisation": "fixed_bin_number"}
    ibsi = FeatureSet(name="ibsi", **common, bins=16)
    other = FeatureSet(name="pr", **common, bins=16, aggregations=["3D_avg"], naming="pyradiomics")
    found = extract_regions([image, image], [mask, mask], [other, ibsi], "cpu")
    row = found.table.iloc[1]
    assert row["pr__original_firstorder_Mean"] == close(row["ibsi__original_stat_mean_intensity"])
    excess = row["ibsi__original_stat_excess_intensity_kurtosis"]
    assert row["pr__original_firstorder_Kurtosis"] == close(excess + 3)
    assert found.table.columns.tolist() == found.flagged.columns.tolist()


def disagreements(image, mask, parameters, folder, spacing_mm=(1.0, 1.0, 1.0), modality="PT"):
    paths = write_pair(image, mask, folder, spacing_mm)
    expected = theirs(*paths, parameters, folder)
    pair = volumes(image.astype(np.float32), mask, spacing_mm, modality)
    found = ours([pair], parameters, folder, modality)[0]
    if expected is None:
        assert np.isnan(list(found.values())).all()
        return {}
    assert set(found) == set(expected)
    return {k: (found[k], v) for k, v in expected.items() if found[k] != close(v)}


RANDOM = [
    {"setting": {"binWidth": 0.5}},
    {"setting": {"binCount": 16}},
    {"featureClass": dict.fromkeys(("glcm", "glrlm", "gldm", "glszm", "ngtdm")),
     "setting": {"binWidth": 0.5, "force2D": True, "force2Ddimension": 2}},
    {"setting": {"binWidth": 2.0, "gldm_a": 1, "voxelArrayShift": 10}},
]  # fmt: skip


@peer
@pytest.mark.parametrize("seed", range(12))
def test_proc_random_masks_with_holes_and_several_components(seed, tmp_path):
    rng = np.random.default_rng(seed)
    shape = rng.integers(2, 11, 3)
    mask = rng.random(shape) < rng.uniform(0.1, 0.95)
    mask.flat[0] = False  # PyRadiomics asks for background
    image = rng.normal(5, 3, shape).astype(np.float32)
    spacing = tuple(rng.uniform(0.5, 4, 3).tolist())
    assert disagreements(image, mask, RANDOM[seed % len(RANDOM)], tmp_path, spacing) == {}


@peer
@pytest.mark.parametrize("kind", ["one voxel", "line", "flat", "plane", "two values", "faces"])
def test_proc_edges(kind, tmp_path):
    rng = np.random.default_rng(1)
    image = rng.normal(5, 3, (6, 5, 4)).astype(np.float32)
    mask = np.zeros(image.shape, dtype=bool)
    mask[1:5, 1:4, 1:3] = True
    if kind == "one voxel":
        mask[:] = False
        mask[2, 2, 2] = True
    elif kind == "line":
        mask[:] = False
        mask[1:4, 2, 2] = True
    elif kind == "flat":
        image[:] = 4.0
    elif kind == "plane":
        mask[:, :, 2] = False
    elif kind == "two values":
        image = np.where(image > 5, 7.0, 3.0).astype(np.float32)
    else:
        mask[:] = True
        mask[0, 0, 0] = False
    for parameters in RANDOM[:2]:
        assert disagreements(image, mask, parameters, tmp_path) == {}


def in_hu(parameters):
    """The same settings with bins a hundred times as wide."""
    if not isinstance(parameters, dict):
        return parameters
    return {
        name: value * 100 if name == "binWidth" else in_hu(value)
        for name, value in parameters.items()
    }


@peer
@pytest.mark.parametrize("key", SETTINGS)
def test_proc_settings_on_a_smooth_ct(key, tmp_path):
    shape = (22, 19, 14)
    smooth = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=shape), 1.5)
    image = np.rint(smooth / smooth.std() * 200).astype(np.int16)
    x, y, z = np.indices(shape) - np.array([10, 9, 7])[:, None, None, None]
    mask = (x / 7) ** 2 + (y / 6) ** 2 + (z / 4) ** 2 < 1
    parameters = in_hu(SETTINGS[key])
    if key == "range":
        parameters["setting"]["resegmentRange"] = [-150, 200]
    spacing = (0.9765625, 0.9765625, 3.0)
    assert disagreements(image, mask, parameters, tmp_path, spacing, "CT") == {}


def compared(image_path, mask_path, parameters, folder, modality, unit):
    expected = theirs(image_path, mask_path, parameters, folder)
    pair = read_volume(image_path, unit, modality), read_mask(mask_path)
    integers = nib.load(image_path).get_data_dtype().kind in "iu"
    found = ours([pair], parameters, folder, modality, integers)[0]
    assert set(found) == set(expected)
    return {k: (found[k], v) for k, v in expected.items() if found[k] != close(v)}


@peer
@pytest.mark.parametrize("study", ["STS_001", "STS_002", "STS_003", "STS_019", "STS_025"])
def test_proc_real_pet_and_ct(study, reference, tmp_path):
    folder = reference / "sts" / study
    mask = folder / "PET_mask.nii.gz"
    pet = {"setting": {"binWidth": 0.25}}, {"setting": {"binCount": 64}}, {
        "imageType": {"Original": {}, "LoG": {"sigma": [5.0]}},
        "setting": {"binWidth": 0.25, "resampledPixelSpacing": [3, 3, 3]},
    }  # fmt: skip
    for parameters in pet:
        given = folder / "PET_image.nii.gz", mask, parameters, tmp_path, "PT", "SUVbw"
        assert compared(*given) == {}
    ct = {"imageType": {"Original": {}, "Wavelet": {}}, "setting": {"binWidth": 25}}
    assert compared(folder / "CT_petgrid.nii.gz", mask, ct, tmp_path, "CT", "HU") == {}


@peer
def test_proc_ibsi_phantoms(reference, tmp_path):
    folder = reference / "ibsi1_ct_phantom"
    paths = folder / "image" / "phantom.nii.gz", folder / "mask" / "mask.nii.gz"
    assert compared(*paths, {"setting": {"binWidth": 25}}, tmp_path, "CT", "HU") == {}
    spline = {"setting": {"binCount": 32, "resampledPixelSpacing": [2, 2, 2]}}
    assert compared(*paths, spline, tmp_path, "CT", "HU") == {}
    (image,), (mask,) = (
        sorted((reference / "ibsi1_digital_phantom").rglob(f"{part}*.nii.gz"))
        for part in ("phantom", "mask")
    )
    levels = np.asarray(nib.load(image).dataobj)
    inside = np.asarray(nib.load(mask).dataobj) != 0
    assert disagreements(levels, inside, {"setting": {"binWidth": 1}}, tmp_path, (2, 2, 2)) == {}


@peer
def test_proc_the_table_is_what_pyradiomics_gives(tmp_path):
    paths = write_pair(*made_up(), tmp_path)
    for key, parameters in SETTINGS.items():
        rows = {name: close(value) for one, name, value in RECORDED if one == key}
        assert theirs(*paths, parameters, tmp_path) == rows
