"""SUV from headers that a scanner of known truth would write.

The truth is a voxel of known SUV in a patient of known size: its activity concentration at any
moment follows. What a scanner stores is the mean of that over a frame, summed up here numerically,
and corrected for decay as DecayCorrection says. Whatever the style, the SUV must come out.
"""

import datetime
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pet_headers import GA68, ge, pet_slices, philips

from petnet.ingest.suv.decay import mean_activity_s
from petnet.ingest.suv.pet_header import read_pet_header
from petnet.ingest.suv.scale import SuvOptions, suv_scale

NUCLIDES = {
    "F-18": (6586.2, ("C-111A1", "SRT", "^18^Fluorine"), "FDG"),
    "Ga-68": (4062.6, GA68, "FAPI"),
    "C-11": (1223.4, ("40565003", "SCT", "^11^Carbon"), "Choline"),
}
STYLES = (
    "START", "processed later", "GE processed later", "stated moment", "ADMIN", "NONE", "MBq, g",
    "time without date", "GML", "Philips by SUV", "Philips by activity",
)  # fmt: skip
BEDS_S = (0.0, 180.0, 360.0)


def mean_over(duration_s, half_life_s, start_s):
    """Mean of 2^(-t/half-life) from `start_s` on, by the midpoint rule."""
    steps = start_s + (np.arange(20000) + 0.5) / 20000 * duration_s
    return float(np.exp2(-steps / half_life_s).mean())


@given(
    st.sampled_from(STYLES),
    st.sampled_from(sorted(NUCLIDES)),
    st.integers(40, 150),  # kg
    st.integers(60, 900),  # MBq
    st.integers(0, 86399),  # s since midnight of the injection
    st.integers(1200, 4800),  # s of uptake
    st.integers(60, 170),  # s of a frame
)
@settings(max_examples=200, deadline=None)
def test_truth_comes_back(style, name, weight, dose, injected_s, uptake, duration):
    half_life, code, tracer = NUCLIDES[name]
    injected = datetime.datetime(2024, 2, 28) + datetime.timedelta(seconds=injected_s)
    begun = injected + datetime.timedelta(seconds=uptake)
    slices, stored = [], []
    for bed in BEDS_S:
        acquired = begun + datetime.timedelta(seconds=bed)
        measured = dose * 1e6 / (weight * 1e3) * mean_over(duration, half_life, uptake + bed)
        middle = bed + mean_activity_s(duration, half_life)
        slices.append(
            {
                "AcquisitionDate": f"{acquired:%Y%m%d}",
                "AcquisitionTime": f"{acquired:%H%M%S}",
                "FrameReferenceTime": f"{1000 * middle:.4f}",
            }
        )
        stored.append(measured * 2 ** (middle / half_life))  # Bq/ml of SUV 1, corrected to START
        if style == "ADMIN":
            stored[-1] *= 2 ** (uptake / half_life)
        if style == "NONE":
            stored[-1] = measured
        if style in ("GML", "Philips by SUV"):
            stored[-1] = {"GML": 1.0, "Philips by SUV": 400.0}[style]
        if style == "Philips by activity":
            stored[-1] /= 2.5
    header = read_pet_header(
        pet_slices(slices, code, **of_style(style, injected, begun, weight, dose),
                   Radiopharmaceutical=tracer, RadionuclideHalfLife=str(half_life),
                   ActualFrameDuration=str(1000 * duration))
    )  # fmt: skip
    found = suv_scale(header, SuvOptions())
    np.testing.assert_allclose(np.multiply(found.factors, stored), 1.0, rtol=2e-6)
    for candidate in found.candidates:
        np.testing.assert_allclose(candidate.factors, found.factors, rtol=2e-6)


def of_style(style, injected, begun, weight, dose):
    later = begun + datetime.timedelta(hours=3)
    series = later if "later" in style else begun
    header = {
        "Units": "BQML",
        "DecayCorrection": style if style in ("ADMIN", "NONE") else "START",
        "CorrectedImage": ["ATTN"] if style == "NONE" else ["ATTN", "DECY"],
        "SeriesDate": f"{series:%Y%m%d}",
        "SeriesTime": f"{series:%H%M%S}",
        "RadiopharmaceuticalStartDateTime": f"{injected:%Y%m%d%H%M%S}",
        "RadiopharmaceuticalStartTime": f"{injected:%H%M%S}",
        "RadionuclideTotalDose": f"{dose}000000",
        "PatientWeight": str(weight),
    }
    changes = {
        "GE processed later": {"private": [ge(f"{begun:%Y%m%d%H%M%S}.00")]},
        "stated moment": {"DecayCorrectionDateTime": f"{begun:%Y%m%d%H%M%S}"},
        "MBq, g": {"RadionuclideTotalDose": str(dose), "PatientWeight": str(1000 * weight)},
        "time without date": {"RadiopharmaceuticalStartDateTime": None},
        "GML": {"Units": "GML"},
        "Philips by SUV": {"Units": "CNTS", "private": philips("0.0025")},
        "Philips by activity": {"Units": "CNTS", "private": philips(None, "2.5")},
    }
    return header | changes.get(style, {})


@given(st.floats(1e-3, 1e5), st.floats(60, 1e8))
@settings(deadline=None)
def test_mean_activity_time_analytic(duration, half_life):
    """At that time of the frame the activity is its mean, by the midpoint rule."""
    moment = mean_activity_s(duration, half_life)
    assert 0 < moment < duration / 2 * (1 + 1e-6)
    if duration < 2 * half_life:
        mean = mean_over(duration, half_life, 0.0)
        assert math.exp2(-moment / half_life) == pytest.approx(mean, rel=1e-8)


@given(st.integers(40, 150), st.integers(60, 4000), st.integers(600, 30000), st.integers(1, 3000))
@settings(deadline=None)
def test_later_scans_of_the_same_counts_are_of_higher_suv(weight, dose, uptake, more):
    """At equal concentration: by 2^(delay/half-life), in proportion to weight, against the dose."""

    def factor(weight, dose, uptake):
        begun = datetime.datetime(2024, 2, 28, 10) + datetime.timedelta(seconds=uptake)
        day, clock = f"{begun:%Y%m%d}", f"{begun:%H%M%S}"
        slices = pet_slices(
            SeriesDate=day, SeriesTime=clock, AcquisitionDate=day, AcquisitionTime=clock,
            PatientWeight=str(weight), RadionuclideTotalDose=f"{dose}000000",
            RadiopharmaceuticalStartDateTime="20240228100000",
        )  # fmt: skip
        return suv_scale(read_pet_header(slices), SuvOptions()).factors[0]

    base = factor(weight, dose, uptake)
    assert factor(weight, dose, uptake + more) == pytest.approx(base * 2 ** (more / 6588), rel=1e-9)
    assert factor(2 * weight, dose, uptake) == pytest.approx(2 * base, rel=1e-12)
    assert factor(weight, 2 * dose, uptake) == pytest.approx(base / 2, rel=1e-12)
