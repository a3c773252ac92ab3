"""Reading NIfTI: values against nibabel's own scaling, and every refusal."""

import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from petnet.errors import InputError
from petnet.volume import (
    Volume,
    check_same_grid,
    read_mask,
    read_stored,
    read_volume,
    write_volume,
)

AFFINE = np.diag([-4.0, -4.0, 3.0, 1.0])


def save(path, array, affine=AFFINE, slope=None, inter=None):
    image = nib.Nifti1Image(array, affine, dtype=array.dtype)
    if slope is not None:
        image.header.set_slope_inter(slope, inter)
    nib.save(image, path)
    return path


def test_slope_and_intercept_are_applied_once(tmp_path):
    raw = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    path = save(tmp_path / "a.nii.gz", raw, slope=0.5, inter=-3.0)
    stored = read_stored(path)
    oracle = nib.load(path).get_fdata()
    np.testing.assert_array_equal(stored.array * stored.slope + stored.intercept, oracle)
    np.testing.assert_array_equal(read_volume(path, "HU", "CT").array, oracle.astype(np.float32))
    assert stored.array.dtype == np.int16


@pytest.mark.parametrize(("slope", "inter"), [(None, None), (1.0, 0.0), (0.1, 0.0), (5e-4, -3.3)])
@pytest.mark.parametrize("dtype", [">i2", "i1", "u2", "i4", "u4", "i8", "u8", ">f4", "f4", "f8"])
def test_float64_values_rounded_once(tmp_path, dtype, slope, inter):
    """Bit for bit, with the sign of 0, NaN and infinity; in the stored order of the axes."""
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        raw = (rng.normal(size=(5, 6, 7)) * 10.0 ** rng.integers(-9, 9, (5, 6, 7))).astype(dtype)
        raw[0, 0, :4] = [-0.0, 0.0, np.nan, -np.inf]
    else:
        bounds = np.iinfo(dtype)
        raw = rng.integers(bounds.min, bounds.max, (5, 6, 7), np.dtype(dtype).newbyteorder("="))
        raw = raw.astype(dtype)
        raw[0, 0, :3] = [bounds.min, bounds.max, 0]
    path = save(tmp_path / "a.nii", raw, slope=slope, inter=inter)
    stored = read_stored(path)
    oracle = (stored.array.astype(np.float64) * stored.slope + stored.intercept).astype(np.float32)
    found = read_volume(path, "HU", "CT").array
    assert found.dtype == np.float32
    assert found.flags.f_contiguous == oracle.flags.f_contiguous
    np.testing.assert_array_equal(found.view(np.uint32), oracle.view(np.uint32))


@pytest.mark.parametrize(("slope", "inter"), [(1.0, 0.0), (0.5, -3.0)])
def test_reading_makes_no_float64_copy_of_the_whole(tmp_path, slope, inter):
    raw = np.ones((64, 64, 64), np.int16)
    path = save(tmp_path / "a.nii", raw, slope=slope, inter=inter)
    read_volume(path, "HU", "CT")
    tracemalloc.start()
    read_volume(path, "HU", "CT")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * raw.size * 4


def test_written_volume_reads_back_the_same_and_writes_the_same_bytes(tmp_path):
    rng = np.random.default_rng(0)
    volume = Volume(rng.normal(size=(4, 5, 6)).astype(np.float32), AFFINE, "SUVbw", "PT", "FDG")
    for name in ("a.nii.gz", "b.nii.gz"):
        write_volume(tmp_path / name, volume)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    oracle = nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(oracle.dataobj), volume.array)
    np.testing.assert_allclose(oracle.affine, AFFINE)


def refusals(tmp_path):
    ones = np.ones((4, 4, 4), np.float32)
    good = save(tmp_path / "good.nii.gz", np.random.default_rng(0).normal(size=(20, 20, 20)))
    (tmp_path / "cut.nii.gz").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "text.nii.gz").write_text("not an image")
    plain = save(tmp_path / "plain.nii", ones)
    (tmp_path / "short.nii").write_bytes(plain.read_bytes()[:400])
    sheared = AFFINE.copy()
    sheared[0, 1] = 1.0
    flat = bytearray(plain.read_bytes())
    flat[312:328] = bytes(16)  # srow_z of the header
    (tmp_path / "flat.nii").write_bytes(flat)
    return {
        "missing": (tmp_path / "none.nii", "no such file"),
        "truncated gz": (tmp_path / "cut.nii.gz", "complete NIfTI"),
        "truncated": (tmp_path / "short.nii", "complete NIfTI"),
        "no NIfTI": (tmp_path / "text.nii.gz", "NIfTI"),
        "4D": (save(tmp_path / "4d.nii", np.ones((3, 3, 3, 2), np.float32)), "expected 3"),
        "sheared": (save(tmp_path / "sheared.nii", ones, sheared), "sheared by up to"),
        "zero spacing": (tmp_path / "flat.nii", "three positive numbers"),
    }


@pytest.mark.parametrize(
    "case",
    ["missing", "truncated gz", "truncated", "no NIfTI", "4D", "sheared", "zero spacing"],
)
def test_refuses(tmp_path, case):
    path, message = refusals(tmp_path)[case]
    with pytest.raises(InputError, match=message) as caught:
        read_volume(path, "SUVbw", "PT")
    assert path.name in str(caught.value)


def test_empty_mask_and_absent_label_name_what_is_there(tmp_path):
    labels = np.zeros((3, 3, 3), np.uint8)
    with pytest.raises(InputError, match="at least one voxel above 0"):
        read_mask(save(tmp_path / "empty.nii", labels))
    labels[1, 1, 1] = 3
    with pytest.raises(InputError, match=r"label 2.*\[0.0, 3.0\]"):
        read_mask(save(tmp_path / "three.nii", labels), label=2)


def test_grid_mismatch_prints_both_geometries():
    a = Volume(np.zeros((3, 3, 3)), AFFINE, "SUVbw", "PT")
    moved = AFFINE.copy()
    moved[0, 3] = 2.0
    with pytest.raises(InputError, match=r"origin \(0.0.*origin \(2.0"):
        check_same_grid(a, Volume(np.zeros((3, 3, 3)), moved, "label", "MASK"), "m.nii")
    nearly = AFFINE.copy()
    nearly[0, 0] += 1e-4
    check_same_grid(a, Volume(np.zeros((3, 3, 3)), nearly, "label", "MASK"), "m.nii")
