"""The call for notebooks: IBSI's phantom through files, and the same numbers by every way in."""

import doctest
import importlib
import subprocess
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import petnet.radiomics
from petnet.errors import InputError
from petnet.radiomics import FeatureSet, extract
from petnet.radiomics.extractor import extract as extract_volumes
from petnet.radiomics.presets import feature_sets
from petnet.volume import Volume

AFFINE = np.diag([-2.0, 2.0, 3.0, 1.0])
STAT = FeatureSet("s", "PT", ("stat", "morph"), autocorrelation=False)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(3)
    labels = np.zeros((14, 12, 10), np.int16)
    labels[1:7, 2:8, 2:7], labels[8:13, 5:11, 3:9], labels[0, 0, 0] = 4, 2, 9
    return rng.gamma(3.0, 1.5, labels.shape).astype(np.float32), labels


@pytest.fixture
def files(arrays, tmp_path):
    paths = tmp_path / "pet.nii.gz", tmp_path / "labels.nii.gz"
    for path, array in zip(paths, arrays, strict=True):
        nib.save(nib.Nifti1Image(array, AFFINE), path)
    return paths


def test_ibsi_digital_phantom_from_its_files(reference):
    """Consensus values of the digital phantom, doi:10.1148/radiol.2020191145."""
    (image,) = (reference / "ibsi1_digital_phantom").rglob("image/*.nii*")
    (mask,) = (reference / "ibsi1_digital_phantom").rglob("mask/*.nii*")
    one = FeatureSet("d", "PT", ("stat", "glcm"), "fixed_bin_size", bin_width=1, lower_bound=1)
    (row,) = extract(image, mask, one, device="cpu").to_dict("records")
    assert row["d__original_stat_mean_intensity"] == pytest.approx(2.15, abs=5e-3)
    assert row["d__original_stat_intensity_energy"] == pytest.approx(567)
    assert row["d__original_glcm_contrast_3D_avg"] == pytest.approx(5.32, abs=5e-3)
    assert row["d__original_glcm_joint_entropy_3D_avg"] == pytest.approx(2.40, abs=5e-3)


def test_files_volumes_and_arrays_give_the_same(arrays, files):
    suv, labels = arrays
    pet = Volume(suv, AFFINE, "SUVbw", "PT")
    mask = Volume(labels, AFFINE, "label", "MASK")
    expected = pd.DataFrame([extract_volumes(pet, mask, STAT, "cpu")])
    for given, more in (
        (files, {}),
        (map(str, files), {}),
        ((pet, mask), {}),
        ((pet, files[1]), {}),
        ((pet, labels > 0), {}),
        ((files[0], labels), {}),
        ((suv, labels > 0), {"spacing_mm": (2, 2, 3)}),
        ((suv.astype(np.float64), labels), {"spacing_mm": [2.0, 2.0, 3.0]}),
    ):
        found = extract(*given, STAT, device="cpu", **more)
        pd.testing.assert_frame_equal(found, expected, check_index_type=False, check_names=False)


def test_each_label_is_a_row(arrays, files):
    suv, labels = arrays
    table = extract(*files, STAT, labels=True, device="cpu")
    assert table.index.tolist() == [2, 4, 9]
    assert table.index.name == "label"
    for label, row in table.iterrows():
        assert row["s__original_stat_mean_intensity"] == pytest.approx(suv[labels == label].mean())
        volume = row["s__original_morph_volume_voxel_counting"]
        assert volume == pytest.approx(12.0 * np.count_nonzero(labels == label))
    some = extract(suv, labels, STAT, labels=[9, 2], spacing_mm=(2, 2, 3), device="cpu")
    assert some.index.tolist() == [9, 2]
    pd.testing.assert_frame_equal(some, table.loc[[9, 2]])
    with pytest.raises(InputError, match=r"label 7 in the map.*2, 4, 9"):
        extract(*files, STAT, labels=[7], device="cpu")


def test_flags_are_a_column_that_is_asked_for(files):
    table = extract(*files, "pet", labels=True, flagged=True, device="cpu")
    assert table.loc[2, "flagged"] == table.loc[4, "flagged"] == ""
    notes = table.loc[9, "flagged"].split("; ")
    assert "pt_64 glcm: fewer than 64 voxels or a single grey level" in notes
    assert "pt stat: fewer than 10 voxels" in notes
    assert "pt morph: fewer than 8 voxels" in notes
    assert "flagged" not in extract(*files, "pet", device="cpu")


def test_the_modality_chooses_the_sets_of_a_preset(arrays):
    values, labels = arrays
    ct = Volume(values * 10, AFFINE, "HU", "CT")
    assert all(c.startswith("ct_") for c in extract(ct, labels, "core", device="cpu"))
    pet = extract(values, labels, "core", modality="PT", spacing_mm=(2, 2, 3), device="cpu")
    assert {c.split("__")[0] for c in pet} == {"pt_bw025", "pt_64"}


def test_mistakes_are_named(arrays, files, tmp_path):
    suv, labels = arrays
    ct = Volume(suv, AFFINE, "HU", "CT")
    for given, more, message in (
        ((suv, labels), {}, "spacing_mm: expected three voxel edges"),
        ((suv, labels), {"spacing_mm": (2, 2)}, "spacing_mm: expected three positive"),
        ((suv, labels), {"spacing_mm": (2, 2, 0)}, "spacing_mm: expected three positive"),
        (files, {"spacing_mm": (2, 2, 3)}, "none, as the image has its own"),
        ((suv, labels[:3]), {"spacing_mm": (2, 2, 3)}, "shape of the mask: expected"),
        ((tmp_path / "no.nii", labels), {}, "no.nii: file: expected an existing"),
        ((ct, labels), {}, "expected some for CT, but got PT sets"),
        ((ct, labels), {"features": "ctt"}, "expected one of .*core, ct, .*'ctt'"),
        (files, {"features": "core"}, "those of one modality.*Say modality='PT'"),
        (files, {"features": "lesion"}, "one feature set or more, but got none in 'lesion'"),
        (files, {"features": []}, "one feature set or more, but got none"),
        (files, {"features": 5}, "name of a preset, or feature sets, but got 5"),
        (files, {"features": None}, "name of a preset, or feature sets, but got None"),
        (files, {"labels": 1}, "labels: expected true, false or a list of whole numbers"),
        (files, {"labels": None}, "labels: expected true, false or a list"),
        (files, {"labels": [1.5]}, r"labels: .*got \[1\.5\]"),
        (files, {"labels": [1, 1]}, r"labels: .*each once, but got \[1, 1\]"),
        ((suv, labels), {"spacing_mm": "abc"}, "spacing_mm: expected three positive"),
        ((suv * 1j, labels), {"spacing_mm": (2, 2, 3)}, "image: .*real numbers.*complex"),
        ((suv.astype(str), labels), {"spacing_mm": (2, 2, 3)}, "image: .*real numbers.*<U"),
        ((None, labels), {"spacing_mm": (2, 2, 3)}, "image: expected a path, a Volume"),
        ((suv, labels + 1j), {"spacing_mm": (2, 2, 3)}, "mask: .*real numbers.*complex"),
        (files, {"features": [STAT, "pet"]}, "feature sets, but got 'pet'"),
    ):
        with pytest.raises(InputError, match=message):
            extract(*given, device="cpu", **more)


def test_a_yaml_file_of_ones_own(files, tmp_path):
    own = tmp_path / "own.yaml"
    filters = "[{_target_: petnet.radiomics.filters.Mean, support: 3}]"
    target = "_target_: petnet.radiomics.extractor.FeatureSet"
    own.write_text(f"sets: {{a: {{{target}, name: a, modality: PT, families: [stat],"
                   f" filters: {filters}}}}}\n")  # fmt: skip
    (one,) = feature_sets(own)
    assert one.filters[0].support == 3
    assert len(extract(*files, own, device="cpu").columns) == 2 * 18
    for text, message in (
        ("sets: {a: {_target_: os.system, command: ls}}", "_target_: expected one of"),
        ("sets: {a: {_target_: petnet.radiomics.filters.Mean, support: 3}}", "feature sets"),
        (f"sets: {{a: {{{target}, nam: a}}}}", "settings that it has"),
        ("sets: [1, 2]", "sets: expected feature sets by name"),
        ("sets: {a: [}", "expected YAML"),
    ):
        own.write_text(text)
        with pytest.raises(InputError, match=message):
            feature_sets(own)


def test_what_the_package_offers_is_loaded_when_asked_for():
    for name in petnet.radiomics.__all__:
        assert getattr(petnet.radiomics, name).__module__.startswith("petnet.radiomics.")
        assert name in dir(petnet.radiomics)
    with pytest.raises(AttributeError, match="no attribute 'extrac'"):
        _ = petnet.radiomics.extrac
    heavy = "pandas|scipy|numba|cupy|torch|monai|lightning|sklearn"
    check = (
        "import sys, petnet.radiomics as r; from petnet.radiomics import FeatureSet;"
        f"dir(r); print([m for m in '{heavy}'.split('|') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["api", "transformer"])
def test_the_examples_of_the_docstrings_run(module):
    done = doctest.testmod(importlib.import_module(f"petnet.radiomics.{module}"))
    assert done.attempted > 0
    assert done.failed == 0
