"""Each rule of SUV on a header made for it; the numbers are worked by hand (see pet_headers)."""

import json

import pytest
from pet_headers import F18, FACTOR, FDG, ge, pet_slices, philips

from petnet.errors import InputError
from petnet.ingest.refusal import Refused
from petnet.ingest.suv.pet_header import read_pet_header
from petnet.ingest.suv.scale import SuvOptions, suv_scale

NO_INJECTION = {
    "RadiopharmaceuticalStartDateTime": None,
    "RadiopharmaceuticalStartTime": None,
    "RadionuclideTotalDose": None,
    "RadionuclideHalfLife": None,
    "Radiopharmaceutical": None,
    "nuclide": None,
}
NO_BODY = {"PatientWeight": None, "PatientSize": None, "PatientSex": None}
TIME_ONLY = {"RadiopharmaceuticalStartDateTime": None}
NOT_CORRECTED = {"DecayCorrection": "NONE", "CorrectedImage": ["NORM", "ATTN"]}
CU64 = {"nuclide": ("C-127A2", "SRT", "^64^Copper"), "Radiopharmaceutical": "DOTATATE"}
ZR89 = {"nuclide": ("C-168A4", "SRT", "^89^Zirconium"), "Radiopharmaceutical": "Trastuzumab"}


def scale(kind="SUVbw", lean_body_mass="janmahasatian", **changes):
    options = SuvOptions(kind, lean_body_mass)
    return suv_scale(read_pet_header(pet_slices(**changes)), options)


def refusal(kind="SUVbw", **changes):
    with pytest.raises(Refused) as caught:
        scale(kind, **changes)
    return caught.value


# what is changed, factor, word of the only warning (none: no warning at all)
@pytest.mark.parametrize(
    ("changes", "factor", "warning"),
    [
        ({}, FACTOR, None),
        ({"DecayCorrection": "ADMIN"}, FACTOR / 2, None),
        ({"DecayCorrection": "ADMIN", **TIME_ONLY}, FACTOR / 2, None),
        ({"Units": "GML", **NO_INJECTION, **NO_BODY}, 1.0, None),
        ({"Units": "GML", "SUVType": "BW", **NO_INJECTION, **NO_BODY}, 1.0, None),
        ({"Units": "CNTS", "private": philips("0.003"), **NO_INJECTION, **NO_BODY}, 0.003, None),
        ({"Units": "CNTS", "private": philips(None, "2.5")}, 1e-3, None),
        ({"Units": "CNTS", "private": philips("0", "2.5")}, 1e-3, None),
        ({"Units": "CNTS", "private": philips("0.001", "2.5")}, 1e-3, None),
        ({"Units": "CNTS", "private": philips("0.002", "2.5")}, 2e-3, "more than 1 %"),
        ({"Units": "CNTS", "private": philips("0.002", "0")}, 2e-3, None),
        ({"PatientWeight": "80000"}, FACTOR, "taken as grams"),
        ({"RadionuclideTotalDose": "400"}, FACTOR, "taken as MBq"),
        ({"RadionuclideTotalDose": "4999", "PatientWeight": "49.99"}, 2e-5, "taken as MBq"),
        ({"RadionuclideTotalDose": "8e9"}, 2e-5, "is unusual: 8000 MBq"),
        ({"RadionuclideTotalDose": "5000000"}, 0.032, "is unusual: 5 MBq"),
        ({"RescaleIntercept": None}, FACTOR, None),
        ({"CorrectedImage": None}, FACTOR, "CorrectedImage"),
        # half-life
        ({"RadionuclideHalfLife": None, "RadiopharmaceuticalStartTime": "100002",
          "RadiopharmaceuticalStartDateTime": "20240131100001.8"}, FACTOR, "that of F-18"),
        ({"RadionuclideHalfLife": "6588.0", "nuclide": None}, FACTOR, None),
        ({"nuclide": ("F-1234", "99OWN", "18F")}, FACTOR, None),
        # injection
        (TIME_ONLY, FACTOR, None),
        ({"RadiopharmaceuticalStartTime": None}, FACTOR, None),
        ({**TIME_ONLY, "RadiopharmaceuticalStartTime": "10:00:00.000"}, FACTOR, None),
        ({**TIME_ONLY, "RadiopharmaceuticalStartTime": "1000"}, FACTOR, None),
        ({"RadiopharmaceuticalStartTime": "081012"}, FACTOR, "differ in the time of day"),
        ({"RadiopharmaceuticalStartDateTime": "20240131"}, FACTOR, None),
        ({"RadiopharmaceuticalStartDateTime": "20240130", "SeriesTime": "014948",
          "AcquisitionTime": "014948", "RadiopharmaceuticalStartTime": "2330"},
         FACTOR / 2 * 2 ** (8388 / 6588), None),
        ({"RadiopharmaceuticalStartDateTime": "20240201100000"}, FACTOR, "22.2 h after the start"),
        ({"RadiopharmaceuticalStartDateTime": "20240101100000"}, FACTOR, "30 days before"),
        ({"SeriesTime": "003000", "AcquisitionTime": "003000", **TIME_ONLY,
          "RadiopharmaceuticalStartTime": "224012"}, FACTOR, None),
        ({"RadiopharmaceuticalStartDateTime": "20240131080000+0000",
          "TimezoneOffsetFromUTC": "+0200"}, FACTOR, None),
        ({"RadiopharmaceuticalStartDateTime": "20240131010000-0800",
          "TimezoneOffsetFromUTC": "+0100"}, FACTOR, None),
        ({"RadiopharmaceuticalStartDateTime": "20240131100000+0200",
          "RadiopharmaceuticalStartTime": None}, FACTOR, "taken as local time"),
        # injected one half-life of Cu-64, 12.7 h, before
        ({**CU64, **TIME_ONLY, "RadionuclideHalfLife": "45720", "SeriesTime": "224200",
          "AcquisitionTime": "224200"}, FACTOR, "has no date"),
        # and one of Zr-89, 78 h, before: 28 January at 05:49:48
        ({**ZR89, "RadionuclideHalfLife": "280800", "RadiopharmaceuticalStartTime": None,
          "RadiopharmaceuticalStartDateTime": "20240128054948"}, FACTOR, None),
        # moment of decay correction
        ({"DecayCorrectionDateTime": "20240131114948.00"}, FACTOR, None),
        ({"DecayCorrectionDateTime": "20240131094948+0000", "TimezoneOffsetFromUTC": "+0200",
          "DecayCorrection": None}, FACTOR, None),
        ({"DecayCorrectionDateTime": "20240131094948+0000",
          "RadiopharmaceuticalStartDateTime": "20240131100000+0200"}, FACTOR, None),
        ({"AcquisitionTime": "120948", "FrameReferenceTime": "1319747.5"}, FACTOR, None),
        ({"SeriesTime": "130000"}, FACTOR, "SeriesTime (0008,0031)"),
        ({"SeriesTime": None}, FACTOR, "SeriesTime (0008,0031)"),
        ({"SeriesTime": None, "ActualFrameDuration": None, "private": [ge("20240131114948")]},
         FACTOR, "from the GE scan time"),
        ({"SeriesTime": "13", "private": [ge(b"20240131114948.00", "UN")],
          "FrameReferenceTime": None}, FACTOR, "from the GE scan time"),
        ({"AcquisitionTime": "120000"}, FACTOR, "differ by"),
    ],
)  # fmt: skip
def test_rule_by_hand(changes, factor, warning):
    found = scale(**changes)
    assert found.unit == "SUVbw"
    # half-lives of 6588 and 6586.2 s, DT to a tenth of a second
    assert found.factors == pytest.approx((factor, factor), rel=1e-5)
    assert len(found.warnings) == (warning is not None), found.warnings
    assert warning is None or warning in found.warnings[0]


def test_injection_during_a_dynamic_scan_by_hand():
    """Five minutes after its start, to which decay is corrected."""
    found = scale(
        RadiopharmaceuticalStartDateTime="20240131115448", RadiopharmaceuticalStartTime=None
    )
    assert found.factors == pytest.approx((2e-4 * 2 ** (-300 / 6588),) * 2)
    assert len(found.warnings) == 2
    assert all("5.0 min" in text for text in found.warnings)


def test_stated_moment_of_decay_correction_goes_before_all_others():
    found = scale(DecayCorrectionDateTime="20240131100000")
    assert found.factors == pytest.approx((2e-4, 2e-4))
    assert len(found.warnings) == 2  # series time and frames say otherwise
    assert all("would differ by +100.0 % from" in text for text in found.warnings)


def test_grams_and_megabecquerel_by_hand():
    """80000 g and 400 MBq, in other words."""
    found = scale(PatientWeight="80000", RadionuclideTotalDose="400.0")
    assert found.factors == pytest.approx((FACTOR, FACTOR))
    assert len(found.warnings) == 2


@pytest.mark.parametrize(
    ("kind", "lean", "sex", "size_kg"),
    [  # 80 kg, 1.80 m; BMI 24.691358, (80/180)^2 = 0.19753086
        ("SUVlbm", "janmahasatian", "M", 61.731410),  # 741600 / (6680 + 5333.3333)
        ("SUVlbm", "janmahasatian", "F", 50.092230),  # 741600 / (8780 + 6024.6914)
        ("SUVlbm", "janmahasatian", "O", 55.911820),
        ("SUVlbm", "james128", "M", 62.716049),  # 88 - 25.283951
        ("SUVlbm", "james120", "M", 64.296296),  # 88 - 23.703704
        ("SUVlbm", "james128", "F", 56.365432),  # 85.6 - 29.234568
        ("SUVlbm", "james120", "F", 56.365432),
        ("SUVlbm", "james128", "O", 59.540741),
        ("SUVibw", "janmahasatian", "M", 77.68),  # 48 + 1.06 · 28
        ("SUVibw", "janmahasatian", "F", 70.98),  # 45.5 + 0.91 · 28
        ("SUVibw", "janmahasatian", "O", 74.33),
        ("SUVbsa", "janmahasatian", "M", 19.964210),  # 0.007184 · 23.97... ; in 1e3 cm^2
        ("SUVbw", "janmahasatian", "F", 80.0),
    ],
)
def test_kind_of_suv_by_hand(kind, lean, sex, size_kg):
    found = scale(kind, lean, PatientSex=sex)
    assert found.unit == kind
    # SUV = c · size in g / (400e6 Bq · 1/2)
    assert found.factors == pytest.approx((size_kg * 5e-6,) * 2, rel=1e-7)
    assert any("is O" in text for text in found.warnings) == (sex == "O" and kind != "SUVbsa")


@pytest.mark.parametrize(
    ("stored", "size_kg"),
    [
        ("BW", 80.0),
        ("LBM", 64.296296),
        ("LBMJAMES128", 62.716049),
        ("LBMJANMA", 61.731410),
        ("IBW", 77.68),
        ("BSA", 19.964210),
    ],
)
@pytest.mark.parametrize(
    ("kind", "lean", "asked_kg"),
    [
        ("SUVbw", "janmahasatian", 80.0),
        ("SUVlbm", "janmahasatian", 61.731410),
        ("SUVlbm", "james120", 64.296296),
        ("SUVlbm", "james128", 62.716049),
        ("SUVibw", "janmahasatian", 77.68),
        ("SUVbsa", "janmahasatian", 19.964210),
    ],
)
def test_stored_suv_becomes_asked_suv_by_hand(stored, size_kg, kind, lean, asked_kg):
    units = "CM2ML" if stored == "BSA" else "GML"
    found = scale(kind, lean, Units=units, SUVType=stored, **NO_INJECTION)
    assert found.factors == pytest.approx((asked_kg / size_kg,) * 2, rel=1e-7)
    assert found.warnings == ()


def test_suv_of_the_asked_kind_needs_no_body():
    assert scale("SUVbsa", Units="CM2ML", **NO_BODY, **NO_INJECTION).factors == (1.0, 1.0)
    found = scale("SUVlbm", "james120", Units="GML", SUVType="LBM", **NO_BODY, **NO_INJECTION)
    assert found.factors == (1.0, 1.0)


def test_ideal_body_weight_needs_no_weight():
    assert scale("SUVibw", PatientWeight=None).factors == pytest.approx((77.68 * 5e-6,) * 2)


def test_not_corrected_per_slice_by_hand():
    """Two beds of 10 min, one half-life and one and a half after injection.

    Mean of 2^-t over a tenth of 6000 s from t: 2^-t (1 - 2^-0.1) / (0.1 ln 2) = 2^-t · 0.966130.
    """
    found = scale(
        slices=(
            {"AcquisitionTime": "114000", "FrameReferenceTime": "300000"},
            {"AcquisitionTime": "123000", "FrameReferenceTime": "3300000"},
        ),
        RadionuclideHalfLife="6588",
        ActualFrameDuration="658800",
        RadiopharmaceuticalStartDateTime="20240131095012",
        RadiopharmaceuticalStartTime=None,
        **NOT_CORRECTED,
    )
    first = 2e-4 / (0.5 * 0.966130)
    second = first * 2 ** (3000 / 6588)
    assert found.factors == pytest.approx((first, second), rel=1e-6)
    assert found.warnings == ()


def test_beds_that_share_an_acquisition_time_by_hand():
    """Not corrected; FrameReferenceTime tells that the second bed began 3000 s after the first."""
    beds = ({"FrameReferenceTime": "0"}, {"FrameReferenceTime": "3000000"})
    first, second = scale(slices=beds, **NOT_CORRECTED).factors
    assert second / first == pytest.approx(2 ** (3000 / 6588), rel=1e-9)


def test_back_computed_per_slice_by_hand():
    """Beds begun 0 and 300 s after 11:49:48, their references counted from there."""
    beds = (
        {"AcquisitionTime": "114948", "FrameReferenceTime": "119747.5"},
        {"AcquisitionTime": "115448", "FrameReferenceTime": "419747.5"},
    )
    found = scale(slices=beds, SeriesTime="235900")
    assert found.factors == pytest.approx((FACTOR, FACTOR), rel=1e-7)


def test_slices_that_lead_to_different_moments_are_not_averaged():
    """20 min between them are 13 % of SUV: with nothing else to go by, they are refused."""
    beds = ({"AcquisitionTime": "114948"}, {"AcquisitionTime": "120948"})
    found = scale(slices=beds)
    assert found.factors == pytest.approx((FACTOR, FACTOR))
    assert "different moments" in found.warnings[0]
    assert [one.rule for one in found.candidates] == ["series time"]
    assert refusal(slices=beds, SeriesTime=None).tag == "SeriesTime (0008,0031)"


def test_every_valid_candidate_is_in_the_sidecar():
    """Series time 11:49:48; GE's 5 min, the frames' 20 s earlier: +3.2 % and +0.2 % left."""
    found = scale(private=[ge("20240131114448")], FrameReferenceTime="139747.5")
    names = ["series time", "GE scan time", "acquisition and frame reference times"]
    assert [one.rule for one in found.candidates] == names
    expected = [FACTOR, FACTOR * 2 ** (-300 / 6588), FACTOR * 2 ** (-20 / 6588)]
    assert [one.factors[1] for one in found.candidates] == pytest.approx(expected, rel=1e-7)
    assert found.factors == found.candidates[0].factors
    (warning,) = found.warnings  # of the one that differs by more than 1 %
    assert "GE scan time would differ by -3.1 %" in warning
    record = json.loads(json.dumps(found.record()))
    assert [one["rule"] for one in record["candidates"]] == names


def test_implausible_candidate_is_dropped():
    """GE's moment lies before the injection, and is not the one used."""
    found = scale(private=[ge("20230131114448")])
    assert found.factors == pytest.approx((FACTOR, FACTOR))
    assert "GE scan time" not in [one.rule for one in found.candidates]
    assert "the GE scan time cannot be" in found.warnings[0]


def test_frame_reference_from_the_start_of_the_frame_by_hand():
    """As some scanners write it: no activity of a frame is in its mean when it begins."""
    beds = (
        {"AcquisitionTime": "114948", "FrameReferenceTime": "0"},
        {"AcquisitionTime": "115448", "FrameReferenceTime": "300000"},
    )
    assert scale(slices=beds, SeriesTime=None).factors == pytest.approx((FACTOR, FACTOR), rel=1e-9)


def test_acquisition_over_midnight_without_its_date():
    """Series began at 23:50; a slice acquired at 00:05 is 15 min later, not a day earlier."""
    beds = ({"AcquisitionTime": "235000"}, {"AcquisitionTime": "000500"})
    found = scale(
        slices=beds, SeriesTime="235000", AcquisitionDate=None, FrameReferenceTime=None,
        RadiopharmaceuticalStartDateTime=None, RadiopharmaceuticalStartTime="220012",
    )  # fmt: skip
    assert found.factors == pytest.approx((FACTOR, FACTOR))
    assert found.warnings == ()


def test_contradictions_that_do_not_matter_are_only_doubted():
    wrong = {"RadionuclideHalfLife": "4062.6", "RadiopharmaceuticalStartDateTime": "20240131130000"}
    for changes in ({"Units": "GML"}, {"DecayCorrection": "ADMIN"}):
        found = scale(**changes, **wrong)
        assert len(found.warnings) == 2
        assert all("SUV does not depend on it" in text for text in found.warnings)


def test_name_and_code_of_the_tracer_that_differ_are_told():
    found = scale(tracer_code=FDG, Radiopharmaceutical="PSMA-1007")
    assert found.factors == pytest.approx((FACTOR, FACTOR))
    assert "names PSMA" in found.warnings[0]


def test_record_holds_every_value_used_and_no_date():
    found = scale(slices=({}, {"RescaleSlope": "2.5"}), nuclide=F18)
    record = json.loads(json.dumps(found.record()))
    assert record["header"] == {
        "AcquisitionDate (0008,0022)": "day 0",
        "AcquisitionTime (0008,0032)": "114948",
        "ActualFrameDuration (0018,1242)": "240000",
        "CorrectedImage (0028,0051)": "NORM\\ATTN\\SCAT\\DECY",
        "DecayCorrection (0054,1102)": "START",
        "FrameReferenceTime (0054,1300)": "119747.5",
        "PatientWeight (0010,1030)": "80",
        "RadionuclideCodeSequence (0054,0300)": "C-111A1",
        "RadionuclideCodeSequence (0054,0300) CodeMeaning": "^18^Fluorine",
        "RadionuclideHalfLife (0018,1075)": "6588",
        "RadionuclideTotalDose (0018,1074)": "400000000",
        "Radiopharmaceutical (0018,0031)": "FDG",
        "RadiopharmaceuticalStartDateTime (0018,1078)": "day 0 100000",
        "RescaleIntercept (0028,1052)": "0",
        "RescaleSlope (0028,1053)": "1.5\\2.5",
        "SeriesDate (0008,0021)": "day 0",
        "SeriesTime (0008,0031)": "114948",
        "Units (0054,1001)": "BQML",
    }
    assert record["rule"] == "BQML, START: from the series time"
    assert record["unit"] == "SUVbw"
    assert record["factor"] == found.factors[0]
    dated = found.record(dates=True)["header"]
    assert dated["SeriesDate (0008,0021)"] == "20240131"
    assert dated["RadiopharmaceuticalStartDateTime (0018,1078)"] == "20240131100000"


def test_record_of_stored_suv_holds_what_was_checked():
    """For whoever looks at the tracer and its half-life later."""
    header = scale(Units="GML", RadionuclideHalfLife="4062.6").record()["header"]
    assert header["RadionuclideHalfLife (0018,1075)"] == "4062.6"
    assert header["Radiopharmaceutical (0018,0031)"] == "FDG"
    assert header["RadiopharmaceuticalStartDateTime (0018,1078)"] == "day 0 100000"
    assert "PatientWeight (0010,1030)" not in header


def test_record_counts_days():
    found = scale(
        SeriesTime="001000", AcquisitionTime="001000", FrameReferenceTime=None,
        RadiopharmaceuticalStartDateTime="20240130222012", RadiopharmaceuticalStartTime=None,
    )  # fmt: skip
    header = found.record()["header"]
    assert header["RadiopharmaceuticalStartDateTime (0018,1078)"] == "day 0 222012"
    assert header["SeriesDate (0008,0021)"] == "day 1"


@pytest.mark.parametrize(
    ("kind", "lean"), [("SUV", "janmahasatian"), ("SUVbw", "james"), ("suvbw", "james120")]
)
def test_options_are_checked(kind, lean):
    with pytest.raises(InputError, match="expected one of"):
        SuvOptions(kind, lean)
