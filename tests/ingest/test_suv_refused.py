"""What cannot become SUV, each on a header made for it: refused by the name of the attribute."""

import pytest
from pet_headers import GA68, ge, pet_slices, philips

from petnet.ingest.refusal import Refused
from petnet.ingest.suv.pet_header import read_pet_header
from petnet.ingest.suv.scale import SuvOptions, suv_scale

TIME_ONLY = {"RadiopharmaceuticalStartDateTime": None}
NOT_CORRECTED = {"DecayCorrection": "NONE", "CorrectedImage": ["NORM", "ATTN"]}
ZR89 = {"nuclide": ("C-168A4", "SRT", "^89^Zirconium"), "Radiopharmaceutical": "Trastuzumab"}


def refusal(kind="SUVbw", **changes):
    with pytest.raises(Refused) as caught:
        suv_scale(read_pet_header(pet_slices(**changes)), SuvOptions(kind))
    return caught.value


REFUSED = [
    # units
    ({"Units": "CPS"}, "Units (0054,1001)", "calibration"),
    ({"Units": "PROPCNTS"}, "Units (0054,1001)", "proportional to counts"),
    ({"Units": "PROPCPS"}, "Units (0054,1001)", "proportional to counts per second"),
    ({"Units": "1CM"}, "Units (0054,1001)", "attenuation"),
    ({"Units": "MLMINML"}, "Units (0054,1001)", "another term"),
    ({"Units": None}, "Units (0054,1001)", "none"),
    ({"Units": "GML", "SUVType": "BSA"}, "SUVType (0054,1006)", "another term"),
    ({"Units": "CM2ML", "SUVType": "BW"}, "SUVType (0054,1006)", "CM2ML"),
    ({"Units": "CNTS"}, "(7053,1000)", "none"),
    ({"Units": "CNTS"}, "(7053,1009)", "none"),
    ({"Units": "CNTS", "private": philips("0", "0")}, "(7053,1009)", "none"),
    ({"Units": "CNTS", "private": philips("-1")}, "(7053,1000)", "-1"),
    # slopes
    ({"RescaleSlope": None}, "RescaleSlope (0028,1053)", "none"),
    ({"RescaleSlope": "0"}, "RescaleSlope (0028,1053)", "0"),
    ({"RescaleSlope": "-1.5"}, "RescaleSlope (0028,1053)", "-1.5"),
    ({"RescaleIntercept": "-1024"}, "RescaleIntercept (0028,1052)", "-1024"),
    ({"slices": ({}, {"RescaleIntercept": "1"})}, "RescaleIntercept (0028,1052)", "1"),
    ({"slices": ({}, {"RescaleSlope": None})}, "RescaleSlope (0028,1053)", "none"),
    # corrections
    ({"CorrectedImage": ["NORM", "DECY"]}, "CorrectedImage (0028,0051)", "ATTN"),
    ({"CorrectedImage": ["ATTN"]}, "DecayCorrection (0054,1102)", "lacks DECY"),
    ({"CorrectedImage": ["ATTN"], "DecayCorrection": "ADMIN"}, "DecayCorrection", "lacks DECY"),
    ({"DecayCorrection": "NONE"}, "DecayCorrection (0054,1102)", "has DECY"),
    ({"DecayCorrection": None}, "DecayCorrection (0054,1102)", "none"),
    ({"DecayCorrection": "MIDDLE"}, "DecayCorrection (0054,1102)", "another term"),
    ({**NOT_CORRECTED, "DecayCorrectionDateTime": "20240131114948"}, "(0018,9701)", "NONE"),
    # body
    ({"PatientWeight": None}, "PatientWeight (0010,1030)", "none"),
    ({"PatientWeight": ""}, "PatientWeight (0010,1030)", "none"),
    ({"PatientWeight": "0"}, "PatientWeight (0010,1030)", "0"),
    ({"PatientWeight": "0.5"}, "PatientWeight (0010,1030)", "0.5"),
    ({"PatientWeight": "401"}, "PatientWeight (0010,1030)", "401"),
    ({"PatientWeight": "1000"}, "PatientWeight (0010,1030)", "1000"),
    ({"PatientWeight": "400001"}, "PatientWeight (0010,1030)", "400.001"),
    # dose
    ({"RadionuclideTotalDose": None}, "RadionuclideTotalDose (0018,1074)", "none"),
    ({"RadionuclideTotalDose": "0"}, "RadionuclideTotalDose (0018,1074)", "0"),
    ({"RadionuclideTotalDose": "-4e8"}, "RadionuclideTotalDose (0018,1074)", "-4e+08"),
    ({"RadionuclideTotalDose": "10.8"}, "RadionuclideTotalDose (0018,1074)", "mCi"),
    ({"RadionuclideTotalDose": "400000"}, "RadionuclideTotalDose (0018,1074)", "400000"),
    ({"RadionuclideTotalDose": "4e14"}, "RadionuclideTotalDose (0018,1074)", "4e+14"),
    # half-life, nuclide, tracer
    ({"RadionuclideHalfLife": None, "nuclide": None}, "RadionuclideHalfLife (0018,1075)", "none"),
    ({"RadionuclideHalfLife": "109.8"}, "RadionuclideHalfLife (0018,1075)", "F-18"),
    ({"RadionuclideHalfLife": "-6588"}, "RadionuclideHalfLife (0018,1075)", "-6588"),
    ({"RadionuclideHalfLife": "4062.6"}, "RadionuclideHalfLife (0018,1075)", "F-18"),
    ({"RadionuclideHalfLife": "6800"}, "RadionuclideHalfLife (0018,1075)", "F-18"),
    ({"nuclide": GA68, "Radiopharmaceutical": None}, "RadionuclideHalfLife (0018,1075)", "Ga-68"),
    ({"nuclide": GA68, "RadionuclideHalfLife": "4062.6"}, "Radiopharmaceutical (", "Ga-68"),
    ({"nuclide": ("C-111A1", "SRT", "68Ga")}, "CodeMeaning", "Ga-68"),
    ({"nuclide": None, "RadionuclideHalfLife": "4062.6"}, "RadionuclideHalfLife", "F-18"),
    ({"nuclide": None, "Radiopharmaceutical": None, "RadionuclideHalfLife": "5000"},
     "RadionuclideHalfLife (0018,1075)", "positron"),
    ({"Radiopharmaceutical": "68Ga-FAPI-46"}, "Radiopharmaceutical (0018,0031)", "Ga-68"),
    # injection
    ({"RadiopharmaceuticalStartDateTime": None, "RadiopharmaceuticalStartTime": None},
     "RadiopharmaceuticalStartTime (0018,1072)", "none"),
    ({**TIME_ONLY, "RadiopharmaceuticalStartTime": "10"}, "StartTime (0018,1072)", "got 10"),
    ({**TIME_ONLY, "RadiopharmaceuticalStartTime": "256199"}, "StartTime (0018,1072)", "256199"),
    # an hour after the scan: the day before, 23 h, 13 half-lives
    ({**TIME_ONLY, "RadiopharmaceuticalStartTime": "124948"}, "StartTime (0018,1072)", "23.0 h"),
    ({"RadiopharmaceuticalStartDateTime": "20240131124948"}, "(0018,1078)", "60.0 min after"),
    ({"RadiopharmaceuticalStartDateTime": "20240201100000",
      "RadiopharmaceuticalStartTime": None}, "(0018,1078)", "22.2 h after"),
    ({"RadiopharmaceuticalStartDateTime": "20240101110000"}, "(0018,1078)", "30 days before"),
    ({**ZR89, **TIME_ONLY, "RadionuclideHalfLife": "282276"}, "(0018,1078)", "none"),
    # moment of decay correction
    ({"DecayCorrectionDateTime": "20240201124948"}, "(0018,9701)", "14.7 half-lives"),
    ({"SeriesTime": "103000", "RadiopharmaceuticalStartDateTime": "20240131111948",
      "RadiopharmaceuticalStartTime": None}, "SeriesTime (0008,0031)", "49.8 min before"),
    ({"SeriesTime": "130000", "FrameReferenceTime": None}, "SeriesTime (0008,0031)", "a later one"),
    ({"SeriesTime": "130000", "ActualFrameDuration": "0"}, "SeriesTime (0008,0031)", "a later one"),
    ({"SeriesTime": None, "private": [ge("20240131130000")], "FrameReferenceTime": "-1"},
     "SeriesTime (0008,0031)", "none"),
    ({"AcquisitionTime": None}, "AcquisitionTime (0008,0032)", "none"),
    ({"SeriesDate": None, "AcquisitionDate": None, **TIME_ONLY}, "AcquisitionTime", "none"),
    ({**NOT_CORRECTED, "slices": ({}, {"AcquisitionTime": None})}, "AcquisitionTime", "none"),
    ({**NOT_CORRECTED, "ActualFrameDuration": None}, "ActualFrameDuration (0018,1242)", "none"),
    ({**NOT_CORRECTED, "ActualFrameDuration": "100000000"}, "ActualFrameDuration", "day"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "tag", "word"), REFUSED)
def test_refused_by_name(changes, tag, word):
    error = refusal(**changes)
    assert tag in error.tag
    assert word in error.reason


@pytest.mark.parametrize(
    ("kind", "changes", "tag"),
    [
        ("SUVlbm", {"PatientSize": None}, "PatientSize (0010,1020)"),
        ("SUVbsa", {"PatientSize": "0"}, "PatientSize (0010,1020)"),
        ("SUVibw", {"PatientSize": "18"}, "PatientSize (0010,1020)"),
        ("SUVlbm", {"PatientSex": None}, "PatientSex (0010,0040)"),
        ("SUVibw", {"PatientSex": "X"}, "PatientSex (0010,0040)"),
        ("SUVibw", {"PatientSize": "1.00"}, "PatientSize (0010,1020)"),  # 48 - 1.06 · 52 < 0
        ("SUVlbm", {"PatientWeight": None}, "PatientWeight (0010,1030)"),
        ("SUVlbm", {"Units": "GML", "PatientWeight": None}, "PatientWeight (0010,1030)"),
    ],
)
def test_body_is_refused_by_name(kind, changes, tag):
    assert refusal(kind, **changes).tag == tag
