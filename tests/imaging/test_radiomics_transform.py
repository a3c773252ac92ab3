"""Radiomics in a MONAI pipeline: the numbers of `extract` on the files."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged

from petnet.errors import InputError
from petnet.imaging.radiomics_transform import ExtractRadiomicsd
from petnet.radiomics import FeatureSet, extract

OBLIQUE = np.array([[0, -2.0, 0, 8], [1.5, 0, 0, -4], [0, 0, 3.0, 20], [0, 0, 0, 1]])
PET = FeatureSet("p", "PT", ("stat", "morph", "glcm"), "fixed_bin_number", bins=8)
CT = FeatureSet("c", "CT", ("stat",))
# MONAI registers every reader it knows, also one whose plug-in is not installed
pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader:UserWarning")


def loaded(keys, *more):
    """Return a pipeline that loads images as MONAI does."""
    load = [LoadImaged(keys, reader="NibabelReader")]
    return Compose([*load, EnsureChannelFirstd(keys, channel_dim="no_channel"), *more])


ALL = ["pet", "ct", "mask"]


def write(folder, seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros((12, 11, 9), np.uint8)
    mask[2:9, 3:8, 2 : 6 + seed] = 1
    arrays = {
        "pet": rng.gamma(3.0, 1.5, mask.shape).astype(np.float32),
        "ct": rng.integers(-900, 900, mask.shape).astype(np.int16),
        "mask": mask,
    }
    paths = {name: str(folder / f"{seed}{name}.nii.gz") for name in arrays}
    for name, array in arrays.items():
        nib.save(nib.Nifti1Image(array, OBLIQUE), paths[name])
    return paths


@pytest.fixture
def paths(tmp_path):
    return [write(tmp_path, seed) for seed in range(3)]


def test_the_numbers_are_those_of_extract_on_the_files(paths):
    step = ExtractRadiomicsd(("pet", "ct"), "mask", [(PET,), (CT,)], device="cpu")
    for one in paths:
        made = loaded(ALL, step)(one)
        pet = extract(one["pet"], one["mask"], PET, device="cpu").iloc[0]
        ct = extract(one["ct"], one["mask"], CT, device="cpu").iloc[0]
        assert step.columns == (*pet.index, *ct.index)
        np.testing.assert_array_equal(made["radiomics"].numpy(), [*pet, *ct])
        assert made["radiomics"].dtype == torch.float64
        assert isinstance(made["pet"], MetaTensor)


def test_a_real_lesion(reference):
    folder = reference / "sts" / "STS_001"
    paths = {"pet": str(folder / "PET_image.nii.gz"), "mask": str(folder / "PET_mask.nii.gz")}
    step = ExtractRadiomicsd("pet", "mask", PET, device="cpu")
    made = loaded(["pet", "mask"], step)(paths)
    alone = extract(paths["pet"], paths["mask"], PET, device="cpu").iloc[0]
    np.testing.assert_array_equal(made["radiomics"].numpy(), alone)


def test_a_loader_stacks_the_vectors(paths):
    step = ExtractRadiomicsd("pet", "mask", "first_order", device="cpu", to="features")
    batch = next(iter(DataLoader(Dataset(paths, loaded(ALL, step)), batch_size=3)))
    assert batch["features"].shape == (3, len(step.columns))
    expected = [extract(p["pet"], p["mask"], "first_order", device="cpu").iloc[0] for p in paths]
    np.testing.assert_array_equal(batch["features"].numpy(), expected)


def test_presets_by_key_and_by_modality(paths):
    one = ExtractRadiomicsd(["pet", "ct"], ["mask", "mask"], "core", ["PT", "CT"], device="cpu")
    two = ExtractRadiomicsd(["pet", "ct"], "mask", ["glcm_only", "ct"], device="cpu")
    assert {c.split("__")[0] for c in one.columns} == {"pt_bw025", "pt_64", "ct_bw25"}
    assert {c.split("__")[0] for c in two.columns} == {"pt_64", "ct_bw25"}
    assert loaded(ALL, two)(paths[0])["radiomics"].shape == (len(two.columns),)


def test_mistakes_are_named(paths):
    for arguments, message in (
        ((["pet", "ct"], "mask", "pet"), "pt__original_stat_mean_intensity' twice"),
        ((["pet", "ct"], "mask", ["pet"]), "features: expected one, or one for each of 2 keys"),
        ((["pet", "ct"], ["mask"], "pet"), "mask_key: expected one, or one for each of 2 keys"),
        (("pet", "mask", "core"), "those of one modality"),
        (("pet", "mask", []), "one feature set or more, but got none"),
    ):
        with pytest.raises(InputError, match=message):
            ExtractRadiomicsd(*arguments)
    step = ExtractRadiomicsd("pet", "mask", PET, device="cpu")
    whole = MetaTensor(torch.ones(1, 4, 4, 4), affine=torch.eye(4))
    for pet, mask, message in (
        (torch.ones(1, 4, 4, 4), whole, "pet: type: expected a MetaTensor"),
        (whole[0], whole, r"pet: shape: expected \(1, X, Y, Z\)"),
        (whole, MetaTensor(torch.ones(1, 4, 4, 5), affine=torch.eye(4)), "mask and image: grid"),
        (whole, MetaTensor(torch.ones(1, 4, 4, 4), affine=2 * torch.eye(4)), "grid: expected"),
        (whole, whole * 0, "mask: expected at least one voxel"),
    ):
        with pytest.raises(InputError, match=message):
            step({"pet": pet, "mask": mask})
