"""Regions across grids against SimpleITK; the union of boxes against the union of whole masks."""

import numpy as np
import pytest
import SimpleITK as sitk

from petnet.errors import InputError
from petnet.measure.regions import lesion_masks, mask_on_grid, union
from petnet.units import Region
from petnet.volume import Volume, write_volume

COARSE = np.array([[-4.0, 0, 0, 40], [0, -4.0, 0, 30], [0, 0, 5.0, -20], [0, 0, 0, 1]])
FINE = np.array([[0, 2.0, 0, -5.0], [-2.0, 0, 0, 28], [0, 0, 2.5, -18], [0, 0, 0, 1]])


def blob(seed=0):
    rng = np.random.default_rng(seed)
    mask = np.zeros((12, 11, 9), bool)
    mask[3:9, 2:8, 2:7] = rng.random((6, 6, 5)) > 0.25
    return mask


def as_sitk(array, affine):
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    lps = np.diag([-1.0, -1.0, 1.0]) @ affine[:3, :3]
    spacing = np.linalg.norm(lps, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps / spacing).ravel().tolist())
    image.SetOrigin((np.diag([-1.0, -1.0, 1.0]) @ affine[:3, 3]).tolist())
    return image


@pytest.mark.parametrize("seed", range(5))
def test_sampling_equals_simpleitk(seed):
    mask = Volume(blob(seed), COARSE, "label", "MASK")
    target = Volume(np.zeros((22, 18, 16), np.float32), FINE, "HU", "CT")
    oracle = sitk.Resample(
        as_sitk(mask.array.astype(np.float64), COARSE),
        as_sitk(target.array, FINE),
        sitk.Transform(),
        sitk.sitkLinear,
        0.0,
        sitk.sitkFloat64,
    )
    weight = sitk.GetArrayFromImage(oracle).transpose(2, 1, 0)
    made = mask_on_grid(mask, target).array
    clear = np.abs(weight - 0.5) > 1e-4
    inside = np.ones_like(clear)  # at the very border of the field ITK extends by half a voxel
    np.testing.assert_array_equal(made[clear & inside], weight[clear & inside] >= 0.5)
    assert made.any()


def region(path, label=None, grid="pet", name="a"):
    return Region(name, "primary", path, label, grid)


@pytest.fixture
def pet():
    return Volume(np.ones((12, 11, 9), np.float32), COARSE, "SUVbw", "PT", "FDG")


def test_union_of_labels_of_one_map(tmp_path, pet):
    labels = blob(0).astype(np.uint8)
    labels[6:][labels[6:] > 0] = 2
    path = tmp_path / "labels.nii.gz"
    write_volume(path, Volume(labels, COARSE, "label", "MASK"), np.uint8)
    both = union(lesion_masks([region(path, 1), region(path, 2)], pet, "pet"))
    np.testing.assert_array_equal(both.whole(pet).array, labels > 0)
    (one,) = lesion_masks([region(path, 2)], pet, "pet")
    np.testing.assert_array_equal(one.whole(pet).array, labels == 2)


def test_a_mask_that_claims_the_grid_must_have_it(tmp_path, pet):
    moved = COARSE.copy()
    moved[0, 3] += 1.0
    path = tmp_path / "moved.nii.gz"
    write_volume(path, Volume(blob().astype(np.uint8), moved, "label", "MASK"), np.uint8)
    with pytest.raises(InputError, match=r"moved.nii.gz: grid.*origin \(40.*origin \(41"):
        lesion_masks([region(path)], pet, "pet")
    assert lesion_masks([region(path, grid="ct")], pet, "pet")[0].array.any()


def test_a_mask_outside_the_image_is_an_error(tmp_path, pet):
    far = COARSE.copy()
    far[2, 3] = 500.0
    path = tmp_path / "far.nii.gz"
    write_volume(path, Volume(blob().astype(np.uint8), far, "label", "MASK"), np.uint8)
    with pytest.raises(InputError, match="none after resampling"):
        lesion_masks([region(path, grid="ct")], pet, "pet")
