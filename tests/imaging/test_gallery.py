from dataclasses import replace

import numpy as np
import pytest
import torch
from reference_sitk import on_grid, read, study, write

from petnet.errors import InputError
from petnet.imaging.config import ImagingConfig
from petnet.imaging.gallery import SLICE_SPACING_MM, gallery
from petnet.units import Region, Series, Unit
from petnet.volume import read_stored

CUDA = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
DEVICES = ["cpu", pytest.param("cuda", marks=CUDA)]


def phantom(folder):
    """A hot lesion right, front and top of the middle; PET of 4 mm, CT of 2 mm."""
    affine = np.diag([4.0, 4, 4, 1])
    pet, mask = np.ones((20, 22, 24), np.float32), np.zeros((20, 22, 24), np.uint8)
    mask[14:18, 15:18, 18:22] = 1
    pet[mask > 0] = 8.0
    ct = np.full((40, 44, 48), -1000, np.int16)
    ct[4:36, 4:40, 4:44] = 40
    fine = np.diag([2.0, 2, 2, 1])
    region = Region("1", "primary", write(folder / "m.nii", mask, affine), None, "pet")
    paths = write(folder / "p.nii", pet, affine), write(folder / "c.nii", ct, fine)
    return Unit("u", "u", "u", "c", (Series("s", "a", "b", "FDG", *paths, (region,)),))


def test_analytic_pictures_are_shown_as_radiologists_do(tmp_path):
    made = gallery(phantom(tmp_path), ImagingConfig())
    for name in ("axial", "coronal"):
        mask = made[f"{name}_mask"]
        rows, columns = np.nonzero(mask)
        assert columns.mean() < mask.shape[1] / 3  # the patient's right is on the left
        assert rows.mean() < mask.shape[0] / 3  # front or top is on top
        inside = made[f"{name}_pet"][made[f"{name}_outline"] < mask]
        assert (inside == 204).all()  # SUV 8 of 10
        assert np.median(made[f"{name}_pet"]) == 26  # SUV 1
        assert made[f"{name}_ct"].max() == 128  # HU 40 of -160..240
        outline = made[f"{name}_outline"]
        assert 0 < outline.sum() < mask.sum()
        assert not (outline > mask).any()
    assert made["mip_pet"].max() == 204
    assert made["mip_mask"].shape == made["mip_pet"].shape == (24, 20)
    assert made["mip_mask"].sum() == 4 * 4
    assert all(a.dtype == np.uint8 for n, a in made.items() if a.ndim == 2 and "range" not in n)


def test_simpleitk_slice_of_an_awkward_study(tmp_path):
    series = study(tmp_path / "s", "oblique")
    made = gallery(Unit("u", "u", "u", "c", (series,)), ImagingConfig())
    shown = made["axial_pet"]
    pet = read(series.pet)
    best = np.inf
    far = np.array(pet.GetSize()) - 1
    corners = [
        pet.TransformIndexToPhysicalPoint([int(i) for i in corner * far])
        for corner in map(np.array, np.ndindex(2, 2, 2))
    ]
    ras = np.array(corners) * [-1, -1, 1]
    first = np.floor(ras.min(0) / SLICE_SPACING_MM) * SLICE_SPACING_MM
    for z in np.arange(290, 330, SLICE_SPACING_MM):  # some slice equals the one shown
        affine = np.diag([SLICE_SPACING_MM] * 3 + [1.0])
        affine[:3, 3] = (first[0], first[1], z)
        expected = on_grid(pet, affine, (shown.shape[1], shown.shape[0], 1), 0.0)[:, :, 0]
        grey = np.rint(np.clip(expected, 0, 10) * 25.5)[::-1, ::-1].T
        best = min(best, np.abs(grey - shown).max())
    assert best <= 1


def test_nan_padding_outside_of_the_lesion_is_shown_as_nothing(tmp_path):
    whole = phantom(tmp_path)
    series = whole.series[0]
    stored = read_stored(series.pet)

    def with_pet(name, start, value):
        values = stored.array.copy()
        values[:, :, start : start + 3] = value
        pet = write(tmp_path / name, values, stored.affine)
        return replace(whole, series=(replace(series, pet=pet),))

    padded = gallery(with_pet("nan.nii", 0, np.nan), ImagingConfig())
    black = gallery(with_pet("zero.nii", 0, 0), ImagingConfig())
    assert padded.keys() == black.keys()
    for name, picture in padded.items():
        assert np.array_equal(picture, black[name]), name
    assert (padded["mip_pet"][-3:] == 0).all()
    with pytest.raises(InputError, match=r"in\.nii: voxel values: expected finite .* inside"):
        gallery(with_pet("in.nii", 19, np.nan), ImagingConfig())


@pytest.mark.parametrize("device", DEVICES)
def test_analytic_pictures_of_each_device_are_those_of_the_cpu(tmp_path, device):
    """A value between two greys may go to either."""
    unit = Unit("u", "u", "u", "c", (study(tmp_path / "s", "oblique"),))
    made, expected = (gallery(unit, ImagingConfig(), d) for d in (device, "cpu"))
    assert made.keys() == expected.keys()
    for name, picture in made.items():
        assert isinstance(picture, np.ndarray)
        differs = np.abs(picture.astype(float) - expected[name])
        greys = name.endswith(("_pet", "_ct"))
        assert differs.max() <= (1 if greys else 0), name
        assert (differs > 0).mean() < 1e-3, name


def test_without_a_ct_there_is_no_picture_of_it(tmp_path):
    unit = phantom(tmp_path)
    made = gallery(replace(unit, series=(replace(unit.series[0], ct=None),)), ImagingConfig())
    assert "axial_ct" not in made
    assert "coronal_pet" in made


def test_input_error_without_a_region(tmp_path):
    unit = phantom(tmp_path)
    bare = replace(unit, series=(replace(unit.series[0], regions=()),))
    with pytest.raises(InputError, match="one with a PET and a region"):
        gallery(bare, ImagingConfig())
