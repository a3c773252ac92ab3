"""The oracle: SimpleITK in float64, from the same files; and NIfTI files of awkward geometry."""

from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter

from petnet.units import Region, Series

LPS = np.diag([-1.0, -1.0, 1.0])


def write(path: Path, values, affine, slope=1.0, intercept=0.0):
    """Write stored numbers with a slope and an intercept in the header."""
    image = nib.Nifti1Image(values, affine)
    header = image.header
    header.set_data_dtype(values.dtype)
    header.set_slope_inter(slope, intercept)
    with path.open("wb") as stream:
        header["vox_offset"] = 352
        header["magic"] = b"n+1"
        header.write_to(stream)
        stream.write(b"\0" * (352 - stream.tell()))
        stream.write(values.tobytes(order="F"))
    stored = nib.load(path)
    assert np.allclose((stored.dataobj.slope, stored.dataobj.inter), (slope, intercept))
    return path


def image(array, affine):
    """Return a SimpleITK image, float64, of an (X, Y, Z) array with a RAS+ affine."""
    made = sitk.GetImageFromArray(np.ascontiguousarray(array.astype(np.float64).T))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    made.SetSpacing(spacing.tolist())
    made.SetDirection((LPS @ (affine[:3, :3] / spacing)).ravel().tolist())
    made.SetOrigin((LPS @ affine[:3, 3]).tolist())
    return made


def read(path):
    """Return a file as a float64 SimpleITK image, scaled by the header."""
    stored = nib.load(path)
    return image(np.asarray(stored.dataobj, dtype=np.float64), stored.affine)


def smoothed(made, spacing_mm):
    """Return the image after the anti-alias filter, by scipy.ndimage."""
    native = np.array(made.GetSpacing())
    sigma = np.maximum(0, (spacing_mm / native - 1) / 2)
    array = gaussian_filter(sitk.GetArrayFromImage(made), sigma[::-1], mode="nearest", truncate=4)
    out = sitk.GetImageFromArray(array)
    out.CopyInformation(made)
    return out


def on_grid(made, affine, shape, outside):
    """Return (X, Y, Z) float64: an image resampled linearly on an axis-aligned RAS+ grid."""
    target = image(np.zeros(shape), affine)
    resampled = sitk.Resample(made, target, sitk.Transform(), sitk.sitkLinear, outside)
    return sitk.GetArrayFromImage(resampled).T


def affine_of(kind, spacing, middle, shape):
    """Return a RAS+ affine: "identity", "flipped", "permuted" or "oblique" axes."""
    axes = {
        "identity": np.eye(3),
        "flipped": np.diag([-1.0, -1.0, 1.0]),
        "permuted": np.array([[0, 0, -1.0], [1, 0, 0], [0, 1, 0]]),
        "oblique": rotation(0.3, -0.2, 0.5),
    }[kind]
    made = np.eye(4)
    made[:3, :3] = axes * np.asarray(spacing)
    made[:3, 3] = np.asarray(middle) - made[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return made


def rotation(a, b, c):
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return z @ y @ x


def study(folder: Path, kind="flipped", seed=0, tracer="FDG", middle=(13.0, -27.0, 310.0)):
    """Write a PET, a CT and a mask of awkward geometry; return them as a Series."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    pet_shape, ct_shape = (34, 36, 30), (60, 66, 40)
    pet_affine = affine_of(kind, (4.07, 4.2, 3.27), middle, pet_shape)
    ct_affine = affine_of(kind, (1.37, 1.52, 2.5), np.add(middle, (3, -2, 1)), ct_shape)
    pet = random.integers(0, 32767, pet_shape).astype(np.int16)
    ct = random.integers(0, 4000, ct_shape).astype(np.uint16)
    mask = np.zeros(pet_shape, np.uint8)
    mask[14:20, 15:23, 12:17] = random.integers(0, 3, (6, 8, 5))
    write(folder / "pet.nii", pet, pet_affine, slope=5e-4, intercept=0.25)
    write(folder / "ct.nii", ct, ct_affine, slope=1.0, intercept=-1024.0)
    write(folder / "mask.nii", mask, pet_affine)
    region = Region("1", "primary", folder / "mask.nii", None, "pet")
    return Series(
        folder.name, "FDG", "baseline", tracer, folder / "pet.nii", folder / "ct.nii", (region,)
    )
