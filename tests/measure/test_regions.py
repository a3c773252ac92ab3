"""Regions across grids against SimpleITK; the union of boxes against the union of whole masks."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import affine_transform

from petnet.errors import InputError
from petnet.measure.regions import BoxedMask, lesion_masks, mask_on_grid, union
from petnet.units import Region
from petnet.volume import Volume, write_volume

COARSE = np.array([[-4.0, 0, 0, 40], [0, -4.0, 0, 30], [0, 0, 5.0, -20], [0, 0, 0, 1]])
FINE = np.array([[0, 2.0, 0, -5.0], [-2.0, 0, 0, 28], [0, 0, 2.5, -18], [0, 0, 0, 1]])


def on_grid(boxed, image):
    """Return a mask on all of a grid."""
    return boxed.on(image).within(tuple(slice(0, n) for n in image.array.shape))


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
    np.testing.assert_array_equal(made[clear], weight[clear] >= 0.5)
    assert made.any()


@pytest.mark.parametrize("seed", range(40))
def test_scipy_on_all_of_a_grid_gives_the_same(seed):
    """Grids turned, mirrored, oblique, that meet in part; boxes of one voxel and at the rim."""
    rng = np.random.default_rng(seed)
    shape, target = rng.integers(1, 14, 3), rng.integers(4, 24, 3)
    low = rng.integers(0, shape)
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, a + n) for a, n in zip(low, rng.integers(1, 7, 3), strict=True))] = True
    mask &= rng.random(shape) > 0.15
    mask[tuple(low)] = True
    turned = np.linalg.qr(rng.normal(size=(3, 3)))[0] if seed % 2 else np.eye(3)
    own, other = np.eye(4), np.eye(4)
    own[:3, :3] = turned * rng.choice([1.0, 2.5, 4.07], 3)
    other[:3, :3] = np.eye(3)[rng.permutation(3)] * rng.choice([-2.0, -1.0, 0.977, 3.0], 3)
    middle = (own @ [*(shape / 2), 1.0])[:3] + rng.choice([-4.0, 0.0, 0.5], 3)
    other[:3, 3] = middle - other[:3, :3] @ (target / 2)
    to_mask = np.linalg.inv(own) @ other
    weight = affine_transform(
        mask.astype(np.float64), to_mask[:3, :3], to_mask[:3, 3], tuple(target), order=1,
        mode="grid-constant",
    )  # fmt: skip
    image = Volume(np.zeros(target, np.float32), other, "HU", "CT")
    made = mask_on_grid(Volume(mask, own, "label", "MASK"), image).array
    clear = np.abs(weight - 0.5) > 1e-4
    np.testing.assert_array_equal(made[clear], weight[clear] >= 0.5)


def test_a_small_lesion_does_not_cost_the_whole_of_a_large_grid(monkeypatch):
    sampled = []

    def noting(array, *given, output_shape, **more):
        sampled.append(np.prod(output_shape))
        return affine_transform(array, *given, output_shape=output_shape, **more)

    monkeypatch.setattr("scipy.ndimage.affine_transform", noting)
    mask = Volume(blob(), COARSE, "label", "MASK")
    image = Volume(np.broadcast_to(np.float32(0), (200, 180, 160)), FINE, "HU", "CT")
    assert mask_on_grid(mask, image).array.any()
    assert sampled[0] < 20_000  # 12 × 12 × 10 voxels of 2 mm would do without a rim


def test_a_lesion_at_the_border_of_its_grid_is_whole():
    """As SimpleITK samples it on a grid that goes on: a grid's end is no end of a lesion."""
    border = np.zeros((12, 11, 9), bool)
    border[5:, 4:8, :3] = True  # two of its faces are the grid's own
    wider, moved = np.pad(border, 2), COARSE.copy()
    moved[:3, 3] -= COARSE[:3, :3] @ [2, 2, 2]
    fine = FINE.copy()
    fine[:3, 3] = COARSE[:3, :3] @ [13.2, -1.2, -1.2] + COARSE[:3, 3]
    target = Volume(np.zeros((30, 40, 40), np.float32), fine, "HU", "CT")
    oracle = sitk.Resample(
        as_sitk(wider.astype(np.float64), moved), as_sitk(target.array, fine), sitk.Transform(),
        sitk.sitkLinear, 0.0, sitk.sitkFloat64,
    )  # fmt: skip
    weight = sitk.GetArrayFromImage(oracle).transpose(2, 1, 0)
    made = mask_on_grid(Volume(border, COARSE, "label", "MASK"), target).array
    clear = np.abs(weight - 0.5) > 1e-4
    np.testing.assert_array_equal(made[clear], weight[clear] >= 0.5)
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
    np.testing.assert_array_equal(on_grid(both, pet), labels > 0)
    (one,) = lesion_masks([region(path, 2)], pet, "pet")
    np.testing.assert_array_equal(on_grid(one, pet), labels == 2)


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


@pytest.mark.parametrize("seed", range(3))
def test_union_of_boxes_equals_that_of_whole_masks(pet, seed):
    rng = np.random.default_rng(seed)
    whole = np.zeros((3, *pet.array.shape), bool)
    for mask in whole:
        low = rng.integers(0, 6, 3)
        box = tuple(slice(a, a + n) for a, n in zip(low, rng.integers(1, 4, 3), strict=True))
        mask[box] = rng.random(mask[box].shape) > 0.2
        mask[tuple(low)] = True
    made = union([BoxedMask.of(mask) for mask in whole])
    np.testing.assert_array_equal(on_grid(made, pet), whole.any(axis=0))


def test_a_box_lies_where_it_lay_in_the_patient(pet):
    mask = np.zeros(pet.array.shape, bool)
    mask[4:6, 3, 7:9] = True
    image, inside = BoxedMask.of(mask).cut(
        pet.with_array(np.random.default_rng(0).random(mask.shape))
    )
    assert inside.array.shape == (2, 1, 2)
    np.testing.assert_allclose(image.affine @ [0, 0, 0, 1], COARSE @ [4, 3, 7, 1])
    np.testing.assert_allclose(image.affine @ [1, 0, 1, 1], COARSE @ [5, 3, 8, 1])


def test_a_node_between_the_voxels_of_the_pet_is_the_nearest_one(tmp_path, pet):
    """A voxel of 2 mm beside the middle of four of 4 mm: no voxel centre is half covered."""
    node = np.zeros((22, 18, 16), np.uint8)
    node[9, 8, 6] = 1
    path = tmp_path / "node.nii.gz"
    write_volume(path, Volume(node, FINE, "label", "MASK"), np.uint8)
    assert not mask_on_grid(Volume(node > 0, FINE, "label", "MASK"), pet).array.any()
    (made,) = lesion_masks([region(path, grid="ct")], pet, "pet")
    (found,) = np.argwhere(on_grid(made, pet))
    centres = np.argwhere(np.ones(pet.array.shape)) @ COARSE[:3, :3].T + COARSE[:3, 3]
    distance = np.linalg.norm(centres - (FINE @ [9, 8, 6, 1])[:3], axis=1)
    assert found.tolist() == list(np.unravel_index(distance.argmin(), pet.array.shape))


def test_a_lesion_outside_the_field_of_view_is_left_out_of_those_inside(tmp_path, pet, caplog):
    far = FINE.copy()
    far[0, 3] = 900.0
    for name, affine in (("far", far), ("near", FINE)):
        mask = np.zeros((22, 18, 16), np.uint8)
        mask[5:12, 5:12, 4:9] = 1
        write_volume(tmp_path / f"{name}.nii.gz", Volume(mask, affine, "label", "MASK"), np.uint8)
    rois = [region(tmp_path / f"{n}.nii.gz", grid="ct", name=n) for n in ("far", "near")]
    assert len(lesion_masks(rois, pet, "pet")) == 1
    (said,) = caplog.messages
    assert said == f"{tmp_path / 'far.nii.gz'}: region far lies outside of the PET: left out"
