"""Lesion quantities against arithmetic done by hand."""

import math

import numpy as np
import pytest

from petnet.errors import InputError
from petnet.measure.lesion import (
    burden,
    lesion_quantities,
    nothing_delineated,
    quantities,
    reference_mean,
)
from petnet.volume import Volume, read_mask, read_volume

AFFINE = np.diag([5.0, 5.0, 4.0, 1.0])  # 0.1 ml a voxel


def pair(suv, mask=None, unit="SUVbw"):
    suv = np.asarray(suv, dtype=np.float32).reshape(-1, 1, 1)
    mask = np.ones(suv.shape, dtype=bool) if mask is None else np.reshape(mask, (-1, 1, 1))
    return Volume(suv, AFFINE, unit, "PT", "FDG"), Volume(mask, AFFINE, "label", "MASK")


def test_analytic():
    """Threshold 41: the voxel at 41 belongs, the hotter voxel outside the mask does not."""
    found = lesion_quantities(*pair([100.0, 60.0, 41.0, 40.0, 9.0, 500.0], [1, 1, 1, 1, 1, 0]))
    assert found == pytest.approx(
        {
            "SUVmax": 100.0,
            "SUVmean": 50.0,
            "MTV41": 0.3,
            "TLG41": 201 / 3 * 0.3,
            "volume_ml": 0.5,
            "count": 1.0,
            "short_axis_mm": 5.0,
        },
        rel=1e-6,
    )


def test_analytic_one_voxel_and_flat():
    one = lesion_quantities(*pair([3.0]))
    assert (one["SUVmax"], one["MTV41"], one["TLG41"]) == pytest.approx((3.0, 0.1, 0.3))
    assert lesion_quantities(*pair([2.0] * 4))["MTV41"] == pytest.approx(0.4)


def test_no_uptake_has_no_threshold():
    found = lesion_quantities(*pair([0.0, -0.1]))
    assert math.isnan(found["MTV41"])
    assert math.isnan(found["TLG41"])
    assert found["volume_ml"] == pytest.approx(0.2)


def test_not_a_number_outside_is_fine():
    assert lesion_quantities(*pair([np.nan, 2.0], [0, 1]))["SUVmax"] == 2.0


def test_mistakes_are_named():
    with pytest.raises(InputError, match="a kind of SUV, but got Bq/ml"):
        lesion_quantities(*pair([1.0], unit="Bq/ml"))
    with pytest.raises(InputError, match="empty mask"):
        lesion_quantities(*pair([1.0], [0]))
    with pytest.raises(InputError, match="NaN or infinity in 1 of 2"):
        lesion_quantities(*pair([1.0, np.nan]))
    pet, _ = pair([1.0, 2.0])
    with pytest.raises(InputError, match="grid"):
        lesion_quantities(pet, pair([1.0])[1])


LESIONS = [
    {"SUVmax": 10.0, "SUVmean": 6.0, "MTV41": 3.0, "TLG41": 21.0, "volume_ml": 4.0,
     "count": 1.0, "short_axis_mm": 8.0},
    {"SUVmax": 4.0, "SUVmean": 2.0, "MTV41": 10.0, "TLG41": 22.0, "volume_ml": 12.0,
     "count": 1.0, "short_axis_mm": 15.0},
]  # fmt: skip


def test_analytic_burden():
    """Sums; largest; SUVmean 6 over 4 ml and 2 over 12 ml is 3 over 16 ml; 10 is 4 times 2.5."""
    assert burden(LESIONS, {"liver": 2.5, "blood_pool": math.nan}) == pytest.approx(
        {
            "SUVmax": 10.0,
            "SUVmean": 3.0,
            "MTV41": 13.0,
            "TLG41": 43.0,
            "volume_ml": 16.0,
            "count": 2.0,
            "short_axis_mm": 15.0,
            "TBR_liver": 4.0,
            "TBR_blood_pool": math.nan,
        },
        nan_ok=True,
    )


@pytest.mark.parametrize("mean", [0.0, -0.1])
def test_a_reference_that_is_not_above_zero_has_no_ratio(mean):
    assert math.isnan(burden(LESIONS, {"liver": mean})["TBR_liver"])


def test_names_are_the_same_with_and_without_lesions():
    names = quantities(["liver"])
    assert tuple(burden(LESIONS, {"liver": 2.0})) == tuple(nothing_delineated(["liver"])) == names
    assert len(set(names)) == len(names)


def test_analytic_reference_mean():
    assert reference_mean(*pair([1.0, 2.0, 6.0, 50.0], [1, 1, 1, 0])) == pytest.approx(3.0)
    with pytest.raises(InputError, match="reference region: SUV inside the mask"):
        reference_mean(*pair([1.0, np.inf]))


def test_real_lesion_is_consistent(reference):
    folder = reference / "sts" / "STS_001"
    pet = read_volume(folder / "PET_image.nii.gz", "SUVbw", "PT", "FDG")
    found = lesion_quantities(pet, read_mask(folder / "PET_mask.nii.gz"))
    assert 0 < found["MTV41"] <= found["volume_ml"]
    assert found["SUVmean"] < found["SUVmax"]
    assert 0.41 * found["SUVmax"] <= found["TLG41"] / found["MTV41"] <= found["SUVmax"]
