"""Reading NIfTI: values against nibabel's own scaling, and every refusal."""

import struct
import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from petnet.errors import InputError
from petnet.volume import (
    Volume,
    check_same_grid,
    is_oriented,
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
    colour = np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    patched = {
        name: patch(plain, tmp_path / f"{name}.nii", *where) for name, where in PATCHES.items()
    }
    return {
        **{name: (path, PATCHED[name]) for name, path in patched.items()},
        "colour": (save(tmp_path / "rgb.nii", colour), "real numbers.*colour"),
        "complex": (save(tmp_path / "c.nii", ones.astype(np.complex64)), "real numbers.*complex"),
        "2D": (save(tmp_path / "2d.nii", ones[0]), "expected 3"),
        "a folder": (tmp_path, "a folder"),
        "no bytes": (touch(tmp_path / "empty.nii"), "0 bytes"),
        "missing": (tmp_path / "none.nii", "no such file"),
        "truncated gz": (tmp_path / "cut.nii.gz", "complete NIfTI"),
        "truncated": (tmp_path / "short.nii", "complete NIfTI"),
        "no NIfTI": (tmp_path / "text.nii.gz", "NIfTI"),
        "4D": (save(tmp_path / "4d.nii", np.ones((3, 3, 3, 2), np.float32)), "expected 3"),
        "sheared": (save(tmp_path / "sheared.nii", ones, sheared), "sheared by up to"),
    }


def patch(path, target, offset, form, *values):
    """Write header fields by their offset in the standard, so that no library mends them."""
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, offset, *values)
    target.write_bytes(data)
    return target


def touch(path):
    path.touch()
    return path


# Offsets of nifti1.h: pixdim at 76, xyzt_units at 123, qform_code at 252, sform_code at 254,
# srow_x at 280, srow_y at 296, srow_z at 312, magic at 344.
PATCHES = {
    "zero spacing": (80, "<3f", 4.0, 0.0, 3.0),
    "negative spacing": (80, "<3f", 4.0, -4.0, 3.0),
    "NaN spacing": (80, "<3f", 4.0, float("nan"), 3.0),
    "flat sform": (312, "<4f", 0.0, 0.0, 0.0, 0.0),
    "NaN sform": (280, "<4f", float("nan"), 0.0, 0.0, 0.0),
    "metres": (123, "<B", 1),
    "magic": (344, "<4s", b"abc"),
}
PATCHED = {
    "zero spacing": r"spacing: .*three positive numbers.*\[4.0, 0.0, 3.0\]",
    "negative spacing": r"spacing: .*three positive numbers.*\[4.0, -4.0, 3.0\]",
    "NaN spacing": "three positive numbers.*nan",
    "flat sform": "spacing: .*three positive numbers",
    "NaN sform": "affine: expected finite numbers.*nan",
    "metres": "millimetres, but got metres",
    "magic": "header.*NIfTI",
}
CASES = [
    "missing", "truncated gz", "truncated", "no NIfTI", "4D", "2D", "sheared", "colour", "complex",
    "a folder", "no bytes", *PATCHES,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
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


@pytest.mark.parametrize("label", [None, 1])
def test_a_mask_of_fractions_is_refused_and_one_of_whole_floats_is_not(tmp_path, label):
    labels = np.zeros((3, 3, 3), np.float32)
    labels[1, 1] = [1, 1, 0]
    found = read_mask(save(tmp_path / "float.nii", labels), label)
    assert found.array.sum() == 2
    scaled = save(tmp_path / "scaled.nii", labels.astype(np.uint8) * 255, slope=1 / 255, inter=0)
    np.testing.assert_array_equal(read_mask(scaled, label).array, found.array)
    labels[1, 1, 2] = 0.37
    with pytest.raises(InputError, match=r"fraction.nii: mask: .*whole numbers.*1 voxels.*0.37"):
        read_mask(save(tmp_path / "fraction.nii", labels), label)


def test_orientation_is_known_where_qform_or_sform_has_a_code(tmp_path):
    oriented = save(tmp_path / "a.nii", np.ones((3, 3, 3), np.float32))
    assert is_oriented(oriented)
    assert is_oriented(patch(oriented, tmp_path / "q.nii", 252, "<2h", 1, 0))
    assert not is_oriented(patch(oriented, tmp_path / "none.nii", 252, "<2h", 0, 0))


def test_a_slope_of_nan_means_unscaled_as_nibabel_writes_it(tmp_path):
    path = save(tmp_path / "a.nii", np.full((3, 3, 3), 7, np.int16))
    spoiled = patch(path, tmp_path / "b.nii", 112, "<2f", float("nan"), float("nan"))
    assert (read_volume(spoiled, "HU", "CT").array == 7).all()


def test_grid_mismatch_prints_both_geometries():
    a = Volume(np.zeros((3, 3, 3)), AFFINE, "SUVbw", "PT")
    moved = AFFINE.copy()
    moved[0, 3] = 2.0
    with pytest.raises(InputError, match=r"origin \(0.0.*origin \(2.0"):
        check_same_grid(a, Volume(np.zeros((3, 3, 3)), moved, "label", "MASK"), "m.nii")
    nearly = AFFINE.copy()
    nearly[0, 0] += 1e-4
    check_same_grid(a, Volume(np.zeros((3, 3, 3)), nearly, "label", "MASK"), "m.nii")
