from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from reference_sitk import affine_of, on_grid, read, smoothed, study, write

from petnet.errors import InputError, PetnetError
from petnet.imaging.config import ImagingConfig, Window
from petnet.imaging.crop import crop_series, label_sets, normalised, prepare_study
from petnet.imaging.grid import Grid
from petnet.imaging.transforms import BoxAroundGridd, LoadStoredd
from petnet.units import Region, Series
from petnet.volume import read_stored

KINDS = ("identity", "flipped", "permuted", "oblique")
# float32 keeps 24 bits: half a unit in the last place of 20 SUV is 1e-6, of 3000 HU 1.2e-4.
SUV_TOLERANCE, HU_TOLERANCE = 2e-6, 2.5e-4
FILTER_TOLERANCE = 1e-3  # HU; MONAI makes the weights of the filter in float32


def lattice(config, crop):
    """Return the affine of a crop."""
    affine = np.diag([config.spacing_mm] * 3 + [1.0])
    half = config.spacing_mm * (np.array(config.crop_shape) - 1) / 2
    affine[:3, 3] = np.array(crop.centre_mm) - half
    return affine


def reference_crop(series, config, crop):
    shape, affine = config.crop_shape, lattice(config, crop)
    pet, ct, mask = (read(p) for p in (series.pet, series.ct, series.regions[0].path))
    if config.antialias:
        pet, ct = (smoothed(i, config.spacing_mm) for i in (pet, ct))
    return (
        on_grid(pet, affine, shape, 0.0),
        on_grid(ct, affine, shape, -1024.0),
        on_grid(sitk.Cast(mask > 0, sitk.sitkFloat64), affine, shape, 0.0),
    )


def assert_equal(crop, expected, hu_tolerance, suv_tolerance=SUV_TOLERANCE):
    pet, ct, indicator = expected
    assert np.abs(crop.pet_suv.numpy() - pet).max() < suv_tolerance
    assert np.abs(crop.ct_hu.numpy() - ct).max() < hu_tolerance
    clear = np.abs(indicator - 0.5) > 1e-9  # a tie may be rounded to either side
    assert np.array_equal(crop.mask.numpy()[clear], (indicator >= 0.5)[clear])
    assert clear.mean() > 0.999


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_simpleitk_crop_of_awkward_files(tmp_path, kind, antialias):
    series = study(tmp_path / "s", kind)
    config = ImagingConfig(spacing_mm=4.0, crop_shape=(30, 31, 20), antialias=antialias)
    crop = crop_series(series, config, "cpu")
    expected = reference_crop(series, config, crop)
    assert (expected[1] == -1024.0).any()  # the CT's field of view ends inside the crop
    assert crop.mask.sum() > 50
    assert_equal(crop, expected, FILTER_TOLERANCE if antialias else HU_TOLERANCE)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("patient", ["STS_001", "STS_003"])
def test_simpleitk_crop_of_real_patients(reference, patient, antialias):
    folder = reference / "sts" / patient
    region = Region("1", "primary", folder / "PET_mask.nii.gz", None, "pet")
    series = Series(
        patient,
        "FDG",
        "b",
        "FDG",
        folder / "PET_image.nii.gz",
        folder / "CT_image.nii.gz",
        (region,),
    )
    config = ImagingConfig(antialias=antialias)
    crop = crop_series(series, config, "cpu")
    expected = reference_crop(series, config, crop)
    assert_equal(crop, expected, FILTER_TOLERANCE if antialias else HU_TOLERANCE)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", ">i2", "uint16", "int32", "uint32", "float32", "float64"]
)
def test_analytic_stored_dtype_is_uploaded_and_scaled_values_equal_nibabel(tmp_path, dtype):
    values = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(dtype)
    path = tmp_path / "x.nii"
    nib.save(nib.Nifti1Image(values, np.diag([2.0, 3, 4, 1])), path)
    loaded = LoadStoredd(["x"], "cpu")({"x": path})["x"]
    wider = {"uint16": "int32", "uint32": "int64", ">i2": "int16"}
    assert str(loaded.dtype) == f"torch.{wider.get(dtype, dtype)}"
    assert np.array_equal(loaded.numpy()[0], values)
    assert loaded.meta["slope"] == 1.0


def every_tensor(crop):
    return [crop.pet_suv, crop.ct_hu, crop.mask]


def test_every_output_is_on_the_cpu_and_plain(tmp_path):
    series = study(tmp_path / "s", "oblique")
    crop = crop_series(series, ImagingConfig(), "cpu")
    for tensor in every_tensor(crop):
        assert type(tensor) is torch.Tensor
        assert tensor.device == torch.device("cpu")
    assert [t.dtype for t in every_tensor(crop)] == [torch.float32, torch.float32, torch.uint8]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cpu_twin_every_output_is_on_the_gpu_and_equal(tmp_path):
    series = study(tmp_path / "s", "oblique")
    data, masks = prepare_study(series, "cuda", read_stored)
    assert all(data[key].device.type == "cuda" for key in ("pet_suv", "ct_hu", *masks))
    assert data["pet_suv"].dtype == torch.int16
    here, there = (crop_series(series, ImagingConfig(), d) for d in ("cpu", "cuda"))
    assert all(t.device.type == "cuda" for t in every_tensor(there))
    assert (here.pet_suv - there.pet_suv.cpu()).abs().max() < SUV_TOLERANCE
    assert (here.ct_hu - there.ct_hu.cpu()).abs().max() < FILTER_TOLERANCE


def test_loading_and_cutting_read_no_value_back_from_the_device(tmp_path):
    """On the meta device none can be read: the image crosses once, as it is stored."""
    series = study(tmp_path / "s", "oblique")
    data = LoadStoredd(["pet_suv"], "meta")({"pet_suv": series.pet})
    assert data["pet_suv"].device.type == "meta"
    data["grid"] = Grid.around(np.array([13.0, -27.0, 310.0]), (8, 8, 8), 4.0)
    data = BoxAroundGridd(["pet_suv"])(data)
    assert data["pet_suv"].device.type == "meta"
    assert data["pet_suv"].dtype == torch.int16


@pytest.mark.parametrize("kind", KINDS)
def test_simpleitk_undefined_voxels_outside_the_mask_are_outside_the_field(tmp_path, kind):
    """NaN in the PET is SUV 0, in the CT HU −1024: as if those had been stored."""
    series = study(tmp_path / "s", kind)
    padded, filled = {}, {}
    for name, path, outside in (("pet", series.pet, 0.0), ("ct", series.ct, -1024.0)):
        stored = read_stored(path)
        values = (stored.array * stored.slope + stored.intercept).astype(np.float32)
        distance = np.indices(values.shape).T - (np.array(values.shape) - 1) / 2
        far = (np.abs(distance) > np.array(values.shape) / 3).any(-1).T
        padded[name] = write(
            tmp_path / f"{name}_nan.nii", np.where(far, np.float32(np.nan), values), stored.affine
        )
        filled[name] = write(
            tmp_path / f"{name}_out.nii", np.where(far, np.float32(outside), values), stored.affine
        )
    config = ImagingConfig(crop_shape=(30, 31, 20))
    crop = crop_series(replace(series, **padded), config, "cpu")
    plain = crop_series(replace(series, **filled), config, "cpu")
    assert (crop.pet_suv == 0).any()
    for one, other in zip(every_tensor(crop), every_tensor(plain), strict=True):
        assert torch.equal(one, other)
    assert_equal(crop, reference_crop(replace(series, **filled), config, crop), FILTER_TOLERANCE)


def test_analytic_absolute_suv_is_kept_at_lattice_points(tmp_path):
    values = np.random.default_rng(1).integers(0, 30000, (12, 12, 12)).astype(np.int16)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = (-16, 8, 400)
    mask = np.zeros_like(values, np.uint8)
    mask[4:8, 4:8, 4:8] = 1
    pet = write(tmp_path / "pet.nii", values, affine, slope=0.001)
    region = Region("1", "primary", write(tmp_path / "mask.nii", mask, affine), 1, "pet")
    series = Series("s", "FDG", "b", "FDG", pet, None, (region,))
    crop = crop_series(series, ImagingConfig(crop_shape=(8, 8, 8)), "cpu")
    assert crop.ct_hu is None
    expected = values[2:10, 2:10, 2:10] * float(np.float32(0.001))  # headers hold float32
    assert np.array_equal(crop.pet_suv.numpy(), expected.astype(np.float32))
    assert np.array_equal(crop.mask.numpy(), mask[2:10, 2:10, 2:10])


@pytest.mark.parametrize("kind", KINDS)
def test_simpleitk_union_of_labels_files_and_grids(tmp_path, kind):
    series = study(tmp_path / "s", kind)
    ct = nib.load(series.ct)
    other = np.zeros(ct.shape, np.uint8)
    other[20:40, 20:40, 10:25] = 7
    other[25:30, 20:40, 10:25] = 8
    path = write(tmp_path / "other.nii", other, ct.affine)
    regions = (
        replace(series.regions[0], label=1),
        replace(series.regions[0], label=2),
        Region("3", "primary", path, 7, "ct"),
    )
    assert label_sets(replace(series, regions=regions)) == {
        series.regions[0].path: frozenset({1, 2}),
        path: frozenset({7}),
    }
    config = ImagingConfig(crop_shape=(24, 24, 24))
    union = crop_series(replace(series, regions=regions), config, "cpu")
    assert union.covered == 1.0
    affine = lattice(config, union)
    parts = []
    for file, labels in ((series.regions[0].path, (1, 2)), (path, (7,))):
        label_map = read(file)
        indicator = sum(sitk.Cast(label_map == label, sitk.sitkFloat64) for label in labels)
        parts.append(on_grid(indicator, affine, config.crop_shape, 0.0))
    clear = np.all([np.abs(part - 0.5) > 1e-9 for part in parts], axis=0)
    assert clear.mean() > 0.99
    each = [part >= 0.5 for part in parts]
    assert all((one & ~other & clear).any() for one, other in (each, each[::-1]))
    assert np.array_equal(union.mask.numpy()[clear], (each[0] | each[1])[clear])


def test_analytic_a_lesion_larger_than_the_crop_is_partly_covered(tmp_path):
    values = np.ones((20, 20, 20), np.float32)
    affine = np.diag([4.0, 4, 4, 1])
    pet = write(tmp_path / "pet.nii", values, affine)
    region = Region("1", "primary", write(tmp_path / "m.nii", values, affine), None, "pet")
    series = Series("s", "a", "b", "FDG", pet, None, (region,))
    crop = crop_series(series, ImagingConfig(crop_shape=(10, 10, 10)), "cpu")
    assert crop.covered == pytest.approx(1 / 8)
    assert crop.mask.all()


def test_analytic_a_lesion_smaller_than_a_voxel_is_one_voxel(tmp_path):
    values = np.ones((20, 20, 20), np.float32)
    affine = np.diag([1.0, 1, 1, 1])
    mask = np.zeros_like(values)
    mask[10, 10, 9] = 1
    pet = write(tmp_path / "pet.nii", values, affine)
    region = Region("1", "primary", write(tmp_path / "m.nii", mask, affine), None, "pet")
    crop = crop_series(
        Series("s", "a", "b", "FDG", pet, None, (region,)),
        ImagingConfig(crop_shape=(5, 5, 5)),
        "cpu",
    )
    assert crop.point_mask
    assert crop.mask.sum() == 1


def test_analytic_windows():
    x = torch.tensor([-5.0, 0.0, 2.5, 20.0, 50.0])
    asinh = normalised(x, Window(0, 20, "asinh", 2.5))
    assert torch.allclose(asinh, torch.asinh(x.clamp(0, 20) / 2.5) / np.arcsinh(8.0))
    linear = normalised(torch.tensor([-1000.0, -160, 40, 240, 3000]), Window(-160, 240))
    assert linear.tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_analytic_grids():
    grid = Grid.around(np.array([10.1, -3.9, 100.0]), (4, 5, 6), 4.0)
    assert grid.first == (1, -3, 22) or grid.first == (1, -3, 23)
    affine = affine_of("oblique", (2.0, 3.0, 4.0), (5, 6, 7), (10, 11, 12))
    cover = Grid.covering(affine, (10, 11, 12), 2.5)
    low, high = cover.outer_mm()
    for corner in np.ndindex(2, 2, 2):
        point = affine @ [*(np.array(corner) * [9, 10, 11]), 1]
        assert (point[:3] > low).all()
        assert (point[:3] < high).all()
    assert cover.plane(1, 3).shape[1] == 1
    assert cover.plane(1, 3).affine[1, 3] == cover.affine[1, 3] + 3 * 2.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": 9}, r"label \{9\}, but got none"),
        ({"path": "absent.nii"}, r"absent\.nii: file: expected an existing NIfTI file"),
    ],
)
def test_input_errors_of_masks(tmp_path, change, message):
    series = study(tmp_path / "s")
    change = {k: tmp_path / v if k == "path" else v for k, v in change.items()}
    broken = replace(series, regions=(replace(series.regions[0], **change),))
    with pytest.raises(InputError, match=message):
        crop_series(broken, ImagingConfig(), "cpu")


def test_input_errors_of_images(tmp_path):
    series, far = study(tmp_path / "s"), study(tmp_path / "far", middle=(900, 0, 0))
    with pytest.raises(InputError, match="field of view: expected one that holds the lesion"):
        crop_series(replace(series, pet=far.pet), ImagingConfig(), "cpu")
    stored = read_stored(series.pet)
    values = (stored.array * stored.slope + stored.intercept).astype(np.float32)
    inside = np.argwhere(read_stored(series.regions[0].path).array)[7]
    values[tuple(inside)] = np.nan
    pet = write(tmp_path / "nan.nii", values, stored.affine)
    with pytest.raises(InputError, match=r"nan\.nii: voxel values: expected finite"):
        crop_series(replace(series, pet=pet), ImagingConfig(), "cpu")
    hole = read_stored(series.ct)
    index = np.linalg.solve(hole.affine, stored.affine @ [*inside, 1])[:3].round().astype(int)
    values = hole.array.astype(np.float32) - 1024
    values[tuple(index)] = -np.inf
    ct = write(tmp_path / "inf.nii", values, hole.affine)
    with pytest.raises(InputError, match=r"inf\.nii: voxel values: expected finite"):
        crop_series(replace(series, ct=ct), ImagingConfig(), "cpu")
    in_bq = write(tmp_path / "bq.nii", stored.array.astype(np.float32), stored.affine)
    with pytest.raises(PetnetError, match=r"bq\.nii: values: expected a maximum SUV .*Bq/ml"):
        crop_series(replace(series, pet=in_bq), ImagingConfig(), "cpu")
    unshifted = write(tmp_path / "raw.nii", hole.array.clip(0).astype(np.float32), hole.affine)
    with pytest.raises(PetnetError, match=r"raw\.nii: values: expected fat or air .*HU"):
        crop_series(replace(series, ct=unshifted), ImagingConfig(), "cpu")
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.complex64), np.eye(4)), tmp_path / "c.nii")
    with pytest.raises(InputError, match="voxel type: expected real numbers"):
        crop_series(replace(series, pet=tmp_path / "c.nii"), ImagingConfig(), "cpu")
