"""The digital reference objects for SUV (oncoray/suv_computation): headers by hand, then voxels."""

import csv
import math
import tarfile

import nibabel as nib
import numpy as np
import pydicom
import pytest

from petnet.ingest.dicom.images import load_pet
from petnet.ingest.dicom.scan import scan_tree
from petnet.ingest.dicom.series import read_series
from petnet.ingest.refusal import Refused
from petnet.ingest.suv.pet_header import read_pet_header
from petnet.ingest.suv.scale import SuvOptions, suv_scale

# 70 kg, 1.75 m, 368.08 MBq of F-18 (6586.2 s) an hour before the scan: what is left is
# 368.08e6 · 2^(-3600/6586.2) = 368.08e6 · 0.684633 = 251.9997e6 Bq.
START = 70000 / 251.9997e6
# Mean of the activity over 603 s begun 60 and 65 min after injection, by Simpson's rule.
MEANS = {
    3600: (0.684633 + 4 * 0.663250 + 0.642535) / 6,
    3900: (0.663355 + 4 * 0.642637 + 0.622566) / 6,
}
FACTORS = {
    "DRO_0_0": START,
    "DRO_1_0": START,
    "DRO_2_0": 1.0,
    "DRO_2_1": 70 / 56.52,  # LBM = 1.10 · 70 - 128 (70 / 175)^2 kg
    "DRO_2_3": 70000 / 18481.43,  # BSA = 0.007184 · 175^0.725 · 70^0.425 = 1.848143 m^2
    "DRO_2_4": 0.0005,
    "DRO_3_0": START,
    "DRO_3_1": 70000 / 368.08e6,
    "DRO_3_3": START,
    "DRO_3_4": None,
    "DRO_4_0": START,
    "DRO_4_1": START,
}
# Manual: sphere of 4.00 and 0.20 in 1.00; of the object in cm^2/ml, stored in steps of 0.01
TARGETS = dict.fromkeys(FACTORS, (0.20, 1.00, 4.00)) | {"DRO_2_3": (0.19, 0.98, 3.98)}


@pytest.fixture(scope="module")
def objects(reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dro")
    with tarfile.open(reference / "suv_dro" / "dro.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def headers(folder):
    found = [pydicom.dcmread(path) for path in sorted(folder.rglob("PT/*")) if path.is_file()]
    assert len(found) == 20
    return found


@pytest.mark.parametrize("name", FACTORS)
def test_factors_of_dro_by_hand(objects, name):
    slices = headers(objects / name)
    scale = suv_scale(read_pet_header(slices), SuvOptions())
    if name == "DRO_3_4":
        starts = [3600 if s.AcquisitionTime == "110000.000000" else 3900 for s in slices]
        expected = [70000 / (368.08e6 * MEANS[start]) for start in starts]
    else:
        expected = [FACTORS[name]] * 20
    np.testing.assert_allclose(scale.factors, expected, rtol=2e-6)


def test_expected_of_dro_is_what_the_manual_says(reference):
    with (reference / "suv_dro" / "expected.csv").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    names = ("suvbw_min", "suvbw_median", "suvbw_max")
    assert {k: tuple(float(row[n]) for n in names) for k, row in rows.items()} == TARGETS


@pytest.mark.parametrize("name", FACTORS)
def test_voxels_of_dro(objects, name):
    found = read_expected(objects / name)
    assert found == TARGETS[name]


def read_expected(folder):
    tree = scan_tree(folder)
    series = read_series([file for file in tree.files if file.modality == "PT"])
    volume, _ = load_pet(series, SuvOptions())
    (path,) = tree.masks
    image = nib.load(path)
    mask = np.asarray(image.dataobj) > 0
    np.testing.assert_allclose(image.affine, volume.affine, atol=1e-3)
    values = volume.array[mask].astype(float)
    statistics = (values.min(), np.median(values), values.max())
    return tuple(math.floor(value * 100 + 0.5) / 100 for value in statistics)


def test_wholebody_factor(reference):
    """A real scanner's files: all ways to the moment of decay correction agree."""
    folder = reference / "dicom" / "STS_001_wholebody_pet" / "image"
    slices = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(folder.glob("*"))]
    assert len(slices) == 267
    scale = suv_scale(read_pet_header(slices), SuvOptions())
    # MIRP 2.7.0; and 71000 g / (388777472 Bq · 2^(-2711 s / 6588 s))
    assert scale.factors == pytest.approx((2.429030e-4,) * 267, rel=1e-6)
    assert [one.rule for one in scale.candidates] == [
        "series time",
        "acquisition and frame reference times",
    ]
    assert scale.candidates[1].factors == pytest.approx(scale.factors, rel=1e-9)
    assert scale.warnings == ()


def test_wholebody_without_series_time(reference):
    """Back-computed from six bed positions that share one AcquisitionTime."""
    folder = reference / "dicom" / "STS_001_wholebody_pet" / "image"
    slices = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(folder.glob("*"))]
    for one in slices:
        one.SeriesTime = "180000"
    scale = suv_scale(read_pet_header(slices), SuvOptions())
    assert scale.factors == pytest.approx((2.429030e-4,) * 267, rel=1e-6)
    assert any("SeriesTime (0008,0031)" in text for text in scale.warnings)


def test_real_injection_a_day_late_is_only_doubted(reference):
    """STS_002 is stored in SUV, which needs no time of injection."""
    folder = reference / "dicom" / "STS_002_petct_cropped" / "PET" / "image"
    slices = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(folder.glob("*"))]
    scale = suv_scale(read_pet_header(slices), SuvOptions())
    assert set(scale.factors) == {1.0}
    (warning,) = scale.warnings
    assert warning.startswith("RadiopharmaceuticalStartDateTime (0018,1078) says 22.9 h after")
    for one in slices:
        injection = one.RadiopharmaceuticalInformationSequence[0]
        one.Units, one.SUVType, one.DecayCorrection = "BQML", "", "START"
        del injection.RadiopharmaceuticalStartTime
    with pytest.raises(Refused, match=r"RadiopharmaceuticalStartDateTime \(0018,1078\)"):
        suv_scale(read_pet_header(slices), SuvOptions())
