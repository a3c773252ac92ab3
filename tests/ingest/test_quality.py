"""Quality control: each planted fault is found, sound studies are not blamed."""

import numpy as np
import pytest

from petnet.cohort import read_cohort
from petnet.ingest.quality import check_study
from petnet.volume import Volume, write_volume

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


@pytest.fixture
def study(tmp_path):
    def make(pet=None, ct=None, mask=None, mask_affine=AFFINE, ct_affine=AFFINE):
        shape = (16, 16, 16)
        grid = np.indices(shape)
        inside = ((grid - 7.5) ** 2).sum(0) < 16
        suv = np.where(inside, 8.0, 0.9) if pet is None else pet
        hu = np.where(((grid - 7.5) ** 2).sum(0) < 40, 30.0, -1000.0) if ct is None else ct
        roi = inside if mask is None else mask
        write_volume(tmp_path / "pet.nii", Volume(suv, AFFINE, "SUVbw", "PT"))
        write_volume(tmp_path / "ct.nii", Volume(hu, ct_affine, "HU", "CT"))
        label = Volume(roi.astype(np.uint8), mask_affine, "label", "MASK")
        write_volume(tmp_path / "m.nii", label, np.uint8)
        (tmp_path / "manifest.csv").write_text("patient,pet,ct,mask\np1,pet.nii,ct.nii,m.nii\n")
        cohort = read_cohort(tmp_path)
        findings = list(check_study(cohort, cohort.studies.to_dict("records")[0]))
        return {f.what: f for f in findings}

    return make


def test_a_sound_study_has_no_finding(study):
    assert {f.severity for f in study().values()} == {"ok", "not assessable"}


def test_becquerels_given_as_suv(study):
    found = study(pet=np.full((16, 16, 16), 9000.0))["pet"]
    assert found.severity == "error"
    assert "Bq/ml" in found.text


def test_ct_not_in_hounsfield_units(study):
    found = study(ct=np.full((16, 16, 16), 0.02))["ct"]
    assert found.severity == "error"
    assert "HU" in found.text


@pytest.mark.parametrize(("slope", "offset"), [(1, 1024), (1, 1000), (1e-3, 0), (100, 0), (0, 9)])
def test_ct_of_another_scale(study, slope, offset):
    """Stored numbers without their intercept, scaled to about 1, far below 0, and constant."""
    hu = np.random.default_rng(0).normal(-1000, 10, (16, 16, 16))
    hu[4:12, 4:12, 4:12] += 1050
    assert study(ct=hu)["ct"].severity == "ok"
    found = study(ct=hu * slope + offset if slope < 9 else hu * slope - 3e4)["ct"]
    assert found.severity == "error"
    assert "ct.nii: values: expected fat or air below −50 HU" in found.text


def test_a_ct_without_air_may_be_cropped(study):
    hu = np.random.default_rng(0).normal(20, 35, (16, 16, 16))
    assert study(ct=hu)["ct"].severity == "warning"


def test_an_unreadable_image_is_said_once(study, tmp_path):
    study()
    (tmp_path / "pet.nii").write_bytes(b"")
    cohort = read_cohort(tmp_path)
    findings = list(check_study(cohort, cohort.studies.to_dict("records")[0]))
    assert [f.what for f in findings if f.severity == "error"] == ["pet"]


def test_an_image_that_does_not_say_where_it_lies_is_a_warning(study, tmp_path):
    study()
    data = bytearray((tmp_path / "pet.nii").read_bytes())
    data[252:256] = bytes(4)  # qform_code and sform_code of nifti1.h
    (tmp_path / "pet.nii").write_bytes(data)
    cohort = read_cohort(tmp_path)
    found = {f.what: f for f in check_study(cohort, cohort.studies.to_dict("records")[0])}
    assert found["pet"].severity == "warning"
    assert "pet.nii: orientation: expected a qform or sform code" in found["pet"].text


def test_ct_elsewhere(study):
    far = AFFINE.copy()
    far[2, 3] = 60.0
    assert study(ct_affine=far)["field of view"].severity == "error"


def test_mask_on_another_grid_empty_or_over_nan(study):
    moved = AFFINE.copy()
    moved[0, 3] = 2.0
    assert "grid" in study(mask_affine=moved)["mask"].text
    assert study(mask=np.zeros((16, 16, 16), bool))["mask"].severity == "error"
    pet = np.ones((16, 16, 16))
    pet[7, 7, 7] = np.nan
    text = (
        "pet.nii: values inside the mask: expected finite numbers, but got NaN or infinity in 1 of"
    )
    assert text in study(pet=pet)["mask"].text
    pet[7, 7, 7] = 8
    pet[0, 0, 0] = np.inf
    assert study(pet=pet)["mask"].severity == "ok"


@pytest.mark.parametrize(("index", "severity"), [((7, 7, 7), "error"), ((0, 0, 0), "ok")])
def test_the_other_image_is_looked_at_on_its_own_grid(study, index, severity):
    """The CT is shifted by a quarter of a voxel; the first index still lies in the lesion."""
    hu = np.where(((np.indices((16, 16, 16)) - 7.5) ** 2).sum(0) < 40, 30.0, -1000.0)
    hu[index] = -np.inf
    moved = AFFINE.copy()
    moved[:3, 3] = 1.0
    found = study(ct=hu, ct_affine=moved)["mask"]
    assert found.severity == severity
    assert ("ct.nii: values inside the mask" in found.text) == (severity == "error")


def test_tiny_lesion_is_a_warning(study):
    tiny = np.zeros((16, 16, 16), bool)
    tiny[7, 7, 7:9] = True
    assert study(mask=tiny)["mask"].severity == "warning"


def test_real_patients_have_no_error(reference, tmp_path):
    rows = [
        f"{p.name},{p.name}/PET_image.nii.gz,{p.name}/CT_petgrid.nii.gz,{p.name}/PET_mask.nii.gz"
        for p in sorted((reference / "sts").glob("STS_00*"))
    ]
    (tmp_path / "manifest.csv").write_text("patient,pet,ct,mask\n" + "\n".join(rows) + "\n")
    cohort = read_cohort(tmp_path)
    object.__setattr__(cohort, "root", reference / "sts")
    for study in cohort.studies.to_dict("records"):
        assert {f.severity for f in check_study(cohort, study)} <= {
            "ok",
            "not assessable",
            "warning",
        }
