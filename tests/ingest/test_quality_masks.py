"""Masks against masks: SimpleITK on random blobs and grids, analytic balls, real patients."""

from itertools import pairwise

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter

from petnet.cohort import read_cohort
from petnet.ingest.quality import check_cohort
from petnet.ingest.quality.lesion_pairs import dice_limit, mask_dice
from petnet.ingest.quality.regions import read_regions
from petnet.volume import Volume, write_volume

TEN = ("001", "002", "003", "009", "011", "012", "017", "019", "027", "029")


def image_of(mask, affine):
    """Return a SimpleITK image of the same place: LPS, axes reversed in NumPy."""
    image = sitk.GetImageFromArray(mask.astype(np.float32).transpose(2, 1, 0))
    lps = np.diag([-1.0, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def turned(degrees, spacing, signs, origin):
    a = np.radians(degrees)
    rotation = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag(np.multiply(signs, spacing))
    affine[:3, 3] = origin
    return affine


def delineations(folder, masks):
    """Return the regions of one study with a mask on each grid, read as a cohort's are."""
    images, rois = {}, []
    for grid, (mask, affine) in masks.items():
        write_volume(folder / f"{grid}.nii", Volume(mask, affine, "label", "MASK"), np.uint8)
        modality = "PT" if grid == "pet" else "CT"
        images[grid] = Volume(np.ones(mask.shape, np.float32), affine, "feature", modality)
        roi = {"study": "s", "roi": grid, "lesion_uid": "L", "role": "primary"}
        rois.append(roi | {"path": f"{grid}.nii", "grid": grid})

    class Folder:
        @staticmethod
        def path(name):
            return folder / name

    found, faults = read_regions(Folder, {"study": "s", "pet": "p", "ct": "c"}, rois, images)
    assert not faults
    return {region.grid: region for region in found}


@pytest.mark.parametrize("seed", range(8))
def test_dice_across_grids_as_simpleitk(seed, tmp_path):
    rng = np.random.default_rng(seed)
    centre = np.array([20.0, -30.0, 50.0])

    def blob(shape, affine, shift):
        at = affine[:3, :3] @ np.indices(shape).reshape(3, -1) + affine[:3, 3:]
        ripple = gaussian_filter(rng.normal(size=shape), 1.5) * 30
        radius = np.linalg.norm(at - (centre + shift)[:, None], axis=0).reshape(shape)
        return radius + ripple < 18

    pet_affine = turned(rng.uniform(-20, 20), (4.1, 4.1, 3.3), (-1, -1, 1), (65.0, 10.0, 10.0))
    signs = ((1, -1, 1), (-1, 1, -1))[seed % 2]
    ct_affine = turned(rng.uniform(-20, 20), (1.9, 1.9, 2.5), signs, (0, 0, 0))
    half = ct_affine[:3, :3] @ np.array([20, 20, 16])
    ct_affine[:3, 3] = centre - half
    pet = blob((24, 24, 24), pet_affine, np.zeros(3))
    ct = blob((41, 41, 33), ct_affine, rng.uniform(-6, 6, 3))
    found = delineations(tmp_path, {"pet": (pet, pet_affine), "ct": (ct, ct_affine)})

    reference = image_of(pet, pet_affine)
    soft = sitk.Resample(image_of(ct, ct_affine), reference, sitk.Transform(), sitk.sitkLinear, 0.0)
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(reference > 0.5, soft >= 0.5)
    expected = measures.GetDiceCoefficient()
    assert 0.4 < expected < 0.99
    assert mask_dice([found["pet"]], [found["ct"]]) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("voxel_mm", [2.0, 4.0, 5.5])
@pytest.mark.parametrize("radius_mm", [4.0, 8.0, 12.0])
def test_limit_for_small_lesions_is_that_of_balls_half_a_voxel_apart(radius_mm, voxel_mm):
    """Count the voxels of two balls on a fine grid."""
    at = np.indices((131, 131, 131)) - 65
    radius = np.sqrt((at**2).sum(0)) * (radius_mm * 1.05 / 65)
    large, small = (int((radius < r).sum()) for r in (radius_mm, radius_mm - voxel_mm / 2))
    counted = 2 * small / (large + small)
    volume_ml = 4 / 3 * np.pi * radius_mm**3 / 1000
    assert dice_limit(volume_ml, voxel_mm) == pytest.approx(min(0.8, counted), abs=5e-3)


def test_limit_grows_with_the_lesion_up_to_that_of_contours():
    limits = [dice_limit(ml, 4.0) for ml in (0.01, 0.1, 1, 10, 100, 1000)]
    assert all(a <= b for a, b in pairwise(limits))
    assert limits[0] == 0
    assert limits[-1] == 0.8


@pytest.fixture(scope="module")
def sarcomas(reference, tmp_path_factory):
    """Ten real patients with masks on both grids, and what is found in them."""
    folder = tmp_path_factory.mktemp("sts")
    names = [f"STS_{number}" for number in TEN]
    images = "baseline,fdg,FDG,PT/CT,{0}/PET_image.nii.gz,{0}/CT_image.nii.gz"
    tables = {
        "studies": ["patient,study,timepoint,arm,tracer,modality,pet,ct"]
        + [f"{n},{n}," + images.format(n) for n in names],
        "rois": ["study,roi,lesion_uid,role,path,grid"]
        + [
            f"{n},tumour {grid},{n}-1,primary,{n}/{grid.upper()}_mask.nii.gz,{grid}"
            for n in names
            for grid in ("pet", "ct")
        ],
        "targets": ["patient", *names],
    }
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    for name in names:
        (folder / name).symlink_to(reference / "sts" / name)
    return check_cohort(read_cohort(folder, allow_outside=True), workers=2)


def test_of_the_real_patients_one_is_flagged(sarcomas):
    """STS_019, of whom the reference data say that the masks disagree (Dice 0.645)."""
    pairs = {f.study: f for f in sarcomas.findings if f.what == "pet and ct masks"}
    assert len(pairs) == 10
    assert {study for study, f in pairs.items() if f.severity != "ok"} == {"STS_019"}
    assert pairs["STS_019"].severity == "warning"
    assert pairs["STS_019"].value == pytest.approx(0.645, abs=2e-3)
    assert min(f.value for s, f in pairs.items() if s != "STS_019") > 0.99


def test_nothing_else_is_said_of_the_other_nine(sarcomas):
    loud = {f.study for f in sarcomas.findings if f.severity in ("warning", "error")}
    assert loud == {"(cohort)", "STS_019"}


def test_cropped_images_are_not_assessable_rather_than_sound(sarcomas):
    for what in ("whole-body mean", "body outline", "liver"):
        severities = {f.severity for f in sarcomas.findings if f.what == what}
        assert severities == {"not assessable"}
