"""Headers as de-identification, UTC clocks and slips of the hand leave them; worked by hand.

The truth is that of pet_headers throughout: factor 4e-4, whatever was done to the header; or a
refusal, or at least a warning, where nothing in the header tells the truth any more.
"""

import pytest
from pet_headers import FACTOR, ge, pet_slices

from petnet.ingest.refusal import Refused
from petnet.ingest.suv.moments import timeline
from petnet.ingest.suv.pet_header import read_pet_header
from petnet.ingest.suv.scale import SuvOptions, suv_scale

DATETIME, TIME = "RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime"


def scale(kind="SUVbw", **changes):
    return suv_scale(read_pet_header(pet_slices(**changes)), SuvOptions(kind))


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        # UTC in (0018,1078), local time in (0018,1072), TimezoneOffsetFromUTC removed
        ({DATETIME: "20240131080000+0000"}, "is in UTC"),
        ({DATETIME: "20240131043000+0000"}, "is in UTC"),  # 5 h 30 min east
        ({DATETIME: "20240131183000+0000"}, "is in UTC"),  # 8 h 30 min west
        ({DATETIME: "20240131080000+0000", "DecayCorrectionDateTime": "20240131094948+0000"},
         "is in UTC"),
        # its time of day removed, its date right, shifted, or a stand-in
        ({DATETIME: "20240131000000"}, "says midnight"),
        ({DATETIME: "20200229000000.00"}, "says midnight"),
        ({DATETIME: "20200229"}, "its date was not used"),
        # dates that were shifted here and left there
        ({"SeriesDate": "20240129"}, "SeriesTime (0008,0031) is missing"),
        ({"AcquisitionDate": "20260131"}, "SeriesTime (0008,0031) is missing"),
        ({"AcquisitionDate": "20100131"}, "SeriesTime (0008,0031) is missing"),
        ({"DecayCorrectionDateTime": "20190131114948.00"}, "DecayCorrectionDateTime cannot be"),
        ({"SeriesTime": "130000", "private": [ge("20190131114948")]}, "GE scan time cannot be"),
    ],
)  # fmt: skip
def test_truth_is_found_with_a_warning(changes, warning):
    found = scale(**changes)
    assert found.factors == pytest.approx((FACTOR, FACTOR), rel=1e-8)
    assert any(warning in text for text in found.warnings), found.warnings


def test_injection_in_utc_on_another_day_by_hand():
    """00:30 in a zone 9 h east is 15:30 UTC of the day before; scanned at 02:19:48."""
    found = scale(
        **{DATETIME: "20240130153000+0000", TIME: "003000"},
        SeriesTime="021948", AcquisitionTime="021948",
    )  # fmt: skip
    assert found.factors == pytest.approx((FACTOR, FACTOR), rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "home_s"),
    [
        ({DATETIME: "20240131080000+0000"}, 7200),
        ({DATETIME: "20240131080059+0000"}, 7200),  # the minute before it was written down
        ({DATETIME: "20240131153000+0000", TIME: "100000"}, -19800),
        ({DATETIME: "20240131081500+0000"}, 0),  # no zone is 1 h 45 min off: another time
        ({DATETIME: "20240131080000+0000", TIME: None}, 0),
        ({DATETIME: "20240131080000+0000", "TimezoneOffsetFromUTC": "+0100"}, 3600),
        ({DATETIME: "20240131110000+0100"}, 3600),  # not UTC: the writer's own zone
        ({}, None),
    ],
)
def test_local_time_by_hand(changes, home_s):
    assert timeline(read_pet_header(pet_slices(**changes))).home_s == home_s


@pytest.mark.parametrize(
    ("changes", "tag", "word"),
    [
        ({DATETIME: None, TIME: "000000", "SeriesTime": "000000", "AcquisitionTime": "000000.00"},
         TIME, "removed times"),
        ({DATETIME: "20240131000000", TIME: None, "SeriesTime": "000000",
          "AcquisitionTime": "000000"}, DATETIME, "removed times"),
        ({"RadionuclideTotalDose": "9500"}, "RadionuclideTotalDose", "9500"),  # µCi
        ({"PatientWeight": "1"}, "PatientWeight", "1 kg"),  # a stand-in
        ({"PatientWeight": "1.80", "PatientSize": "80"}, "PatientWeight", "1.8 kg"),  # exchanged
        ({"kind": "SUVlbm", "PatientSize": "70"}, "PatientSize", "0.7 m"),  # inches
        ({"kind": "SUVbsa", "PatientSize": "70"}, "PatientSize", "0.7 m"),
        ({"kind": "SUVlbm", "PatientWeight": "8"}, "PatientSize", "goes with 8 kg"),
    ],
)  # fmt: skip
def test_what_cannot_be_known_is_refused_by_name(changes, tag, word):
    with pytest.raises(Refused) as caught:
        scale(**changes)
    assert tag in caught.value.tag
    assert word in caught.value.reason


@pytest.mark.parametrize(
    ("changes", "warnings"),
    [
        # 9 h, 4.9 half-lives before; 7 h, 3.8 half-lives, are not told
        ({DATETIME: "20240131024948", TIME: None}, ["unusually long before the scan: 9.0 h"]),
        ({DATETIME: "20240131044948", TIME: None}, []),
        ({DATETIME: "20240131000000", TIME: None}, ["was it removed?", "unusually long"]),
        ({"PatientWeight": "8"}, ["do not go together: 8 kg at 1.8 m"]),
        ({"PatientSize": "70"}, ["do not go together: 80 kg at 0.7 m"]),
        ({"PatientWeight": "3.2", "PatientSize": "0.50"}, []),  # a newborn
        ({"PatientWeight": "227", "PatientSize": "1.60"}, []),  # 89 kg/m²
        ({"PatientSize": "0"}, []),
    ],
)
def test_doubts(changes, warnings):
    found = scale(**changes).warnings
    assert len(found) == len(warnings)
    assert all(word in text for word, text in zip(warnings, found, strict=True)), found


# Beds of 4 min, begun 0 and 12 min after the moment of correction; the mean activity of a frame
# comes 119.7475 s after its start: 2^(119.7475 / 6588) = 1.01268 and 2^(839.7475 / 6588) = 1.09237
BED = {"SeriesTime": "150000", "AcquisitionTime": "120148"}


@pytest.mark.parametrize(
    ("frame", "factor"),
    [
        ({"FrameReferenceTime": "720000", "DecayFactor": "1.09237"}, FACTOR),  # of the start
        ({"FrameReferenceTime": "839747.5", "DecayFactor": "1.09237"}, FACTOR),  # of the mean
        # where the factor is of no help, of the mean, as the standard says
        ({"FrameReferenceTime": "839747.5", "DecayFactor": "1"}, FACTOR),
        ({"FrameReferenceTime": "839747.5", "DecayFactor": "-1"}, FACTOR),
        ({"FrameReferenceTime": "839747.5", "DecayFactor": None}, FACTOR),
        ({"FrameReferenceTime": "720000", "DecayFactor": None}, FACTOR * 2 ** (119.7475 / 6588)),
    ],
)
def test_decay_factor_tells_what_frame_reference_time_counts_to(frame, factor):
    """The first bed is not there, which would have told it."""
    found = scale(**BED, **frame)
    assert found.factors == pytest.approx((factor, factor), rel=1e-7)


def test_decay_factor_of_a_real_scanner_dro(reference):
    """GE Discovery ST: counted to the start of the frame, which the factors of its beds confirm."""
    from pydicom import dcmread

    files = sorted((reference / "dicom" / "STS_001_wholebody_pet" / "image").iterdir())
    slices = [dcmread(file, stop_before_pixels=True) for file in files]
    for one in slices:
        one.SeriesTime = "235900"
    found = suv_scale(read_pet_header(slices), SuvOptions())
    assert found.factors == pytest.approx([2.429030e-4] * 267, rel=1e-6)
