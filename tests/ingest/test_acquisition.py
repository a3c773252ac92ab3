"""The acquisition columns of the studies table."""

import math

import pydicom
import pytest
from pet_headers import pet_slices
from pydicom import Dataset
from pydicom.sequence import Sequence

from petnet.ingest.suv.acquisition import acquisition
from petnet.ingest.suv.pet_header import read_pet_header


def columns(**changes):
    slices = pet_slices(**changes)
    return acquisition(read_pet_header(slices), slices[0])


def test_columns_by_hand():
    assert columns(ReconstructionMethod="OSEM 3D", ConvolutionKernel="XYZ Gauss 5.0") == {
        "weight_kg": 80.0,
        "height_m": 1.8,
        "sex": "M",
        "dose_bq": 4e8,
        "uptake_min": pytest.approx(109.8),  # 10:00:00 to 11:49:48
        "scanner": "Some Maker Model 1",
        "reconstruction": "OSEM 3D XYZ Gauss 5.0",
    }


def test_units_are_recognised():
    found = columns(PatientWeight="80000", PatientSize="180", RadionuclideTotalDose="400")
    assert (found["weight_kg"], found["height_m"], found["dose_bq"]) == (80.0, 1.8, 4e8)


@pytest.mark.parametrize(
    ("changes", "minutes"),
    [
        ({"SeriesTime": "110000", "AcquisitionTime": "113000"}, 60.0),
        ({"SeriesTime": "180000"}, 109.8),
        ({"DecayCorrection": "ADMIN"}, 109.8),
        ({"Units": "GML"}, 109.8),
        ({"RadiopharmaceuticalStartDateTime": "20240201100000"}, 109.8),  # date a day late
        ({"RadiopharmaceuticalStartDateTime": None}, 109.8),
    ],
)
def test_uptake_by_hand(changes, minutes):
    assert columns(**changes)["uptake_min"] == pytest.approx(minutes)


UNKNOWN = {
    "PatientWeight": "weight_kg",
    "PatientSize": "height_m",
    "RadionuclideTotalDose": "dose_bq",
    "AcquisitionTime": "uptake_min",
}


@pytest.mark.parametrize("keyword", UNKNOWN)
@pytest.mark.parametrize("value", [None, "", "0"])
def test_unknown_is_nan(keyword, value):
    changes = {keyword: value, "SeriesTime": None, "Units": "GML"}
    assert math.isnan(columns(**changes)[UNKNOWN[keyword]])


def test_implausible_uptake_is_nan():
    """The day before, 23 h: no image of F-18."""
    changes = {"RadiopharmaceuticalStartDateTime": None, "RadiopharmaceuticalStartTime": "125000"}
    assert math.isnan(columns(**changes)["uptake_min"])


def test_text_that_is_missing_is_none():
    found = columns(PatientSex="unknown", Manufacturer=None, ManufacturerModelName=None)
    assert found["sex"] is found["scanner"] is found["reconstruction"] is None


def test_reconstruction_of_enhanced_pet():
    slices = pet_slices()
    group = Dataset()
    group.ReconstructionAlgorithm = "ITERATIVE"
    group.NumberOfIterations, group.NumberOfSubsets = 4, 5
    slices[0].PETReconstructionSequence = Sequence([group])
    found = acquisition(read_pet_header(slices), slices[0])
    assert found["reconstruction"] == "ITERATIVE 4i5s"


def test_real_scan(reference):
    """STS_001: 3.88777472E8 Bq at 10:35:00, scanned at 11:20:11."""
    folder = reference / "dicom" / "STS_001_wholebody_pet" / "image"
    paths = sorted(folder.glob("*"))[:5]
    slices = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    assert acquisition(read_pet_header(slices), slices[0]) == {
        "weight_kg": 71.0,
        "height_m": 1.63,
        "sex": "M",
        "dose_bq": 388777472.0,
        "uptake_min": pytest.approx(45.0 + 11 / 60),
        "scanner": "GE MEDICAL SYSTEMS Discovery ST",
        "reconstruction": "OSEM",
    }
