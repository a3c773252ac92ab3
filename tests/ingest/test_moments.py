"""Dates and times of DICOM text against Python's calendar; the time line of a series."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pet_headers import pet_slices

from petnet.ingest.suv.moments import (
    Stamp,
    parse_date,
    parse_datetime,
    parse_offset,
    parse_time,
    relative_dates,
    timeline,
)
from petnet.ingest.suv.pet_header import read_pet_header

DAY = 86400


@given(st.dates())
def test_dates_are_those_of_the_calendar(day):
    text = f"{day.year:04d}{day.month:02d}{day.day:02d}"
    assert parse_date(text) == day.toordinal()
    assert parse_date(f"{text[:4]}.{text[4:6]}.{text[6:]}") == day.toordinal()


@given(st.times())
def test_times_are_those_of_the_clock(time):
    since = datetime.timedelta(
        hours=time.hour, minutes=time.minute, seconds=time.second, microseconds=time.microsecond
    ).total_seconds()
    text = f"{time.hour:02d}{time.minute:02d}{time.second:02d}.{time.microsecond:06d}"
    assert parse_time(text) == pytest.approx(since, abs=1e-9)
    assert parse_time(f"{text[:2]}:{text[2:4]}:{text[4:]}") == pytest.approx(since, abs=1e-9)
    assert parse_time(text[:6]) == since // 1
    assert parse_time(text[:4]) == since // 60 * 60


@pytest.mark.parametrize(
    "text",
    ["", None, "2024", "202401", "20240230", "20241301", "00000101", "2024-01-31", "2024.0131",
     "20240131 ", "٢٠٢٤٠١٣١", "20240131120000", "January"],
)  # fmt: skip
def test_what_is_no_date(text):
    assert parse_date(text) is None


@pytest.mark.parametrize(
    "text",
    ["", None, "10", "2400", "1060", "100061", "1000.5", "100000.", "100000.1234567890", "10-00",
     "100000-110000", "１０００００", "noon", " 1000"],
)  # fmt: skip
def test_what_is_no_time_to_the_minute(text):
    assert parse_time(text) is None


@given(st.datetimes(), st.integers(-12 * 4, 14 * 4))
def test_datetimes_with_offset_are_those_of_the_calendar(moment, quarters):
    zone = datetime.timezone(datetime.timedelta(minutes=15 * quarters))
    sign, minutes = "+" if quarters >= 0 else "-", abs(15 * quarters)
    text = f"{moment:%m%d%H%M%S.%f}{sign}{minutes // 60:02d}{minutes % 60:02d}"
    stamp = parse_datetime(f"{moment.year:04d}{text}")
    assert stamp is not None
    assert stamp.offset_s == 15 * 60 * quarters
    epoch = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)
    since = (moment.replace(tzinfo=zone) - epoch).total_seconds()
    # ordinals begin with day 1; the moment in a place two hours east of Greenwich
    assert stamp.moment(7200) == pytest.approx(since + DAY + 7200, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("20240131", Stamp(738916, None, None)),
        ("2024013110", Stamp(738916, None, None)),
        ("20240131+0100", Stamp(738916, None, 3600)),
        ("202401311030", Stamp(738916, 37800.0, None)),
        ("20240131103000.25-0330", Stamp(738916, 37800.25, -12600)),
        ("202401", None),
        ("20240131996060", None),
        ("20240131103000+1500", None),
        ("20240131103000Z", None),
        ("10:30", None),
        ("", None),
        (None, None),
    ],
)
def test_partial_and_malformed_datetimes(text, stamp):
    assert datetime.date(2024, 1, 31).toordinal() == 738916
    assert parse_datetime(text) == stamp


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("+0000", 0), ("-0000", 0), ("+0530", 19800), ("-1200", -43200), ("+1400", 50400),
     ("+1401", None), ("-1201", None), ("+0160", None), ("0100", None), ("+01", None), ("", None)],
)  # fmt: skip
def test_offsets(text, seconds):
    assert parse_offset(text) == seconds


def times(**changes):
    found = timeline(read_pet_header(pet_slices(**changes)))
    midnight = 738916 * DAY  # of 31 January 2024
    return {
        "series": None if found.series is None else found.series - midnight,
        "first": None if found.first is None else found.first - midnight,
        "start": None if found.start is None else found.start - midnight,
    }


NOON = 43200.0


@pytest.mark.parametrize(
    ("changes", "series", "first", "start"),
    [
        ({"SeriesTime": "1200", "AcquisitionTime": "1201"}, NOON, NOON + 60, NOON),
        ({"SeriesTime": "1300", "AcquisitionTime": "1200"}, NOON + 3600, NOON, NOON),
        ({"SeriesTime": "120000.9", "AcquisitionTime": "1200"}, NOON + 0.9, NOON, NOON + 0.9),
        ({"AcquisitionTime": "1200", "SeriesTime": None}, None, NOON, NOON),
        ({"AcquisitionTime": None, "AcquisitionDate": None, "SeriesTime": None,
          "AcquisitionDateTime": "20240131120000"}, None, NOON, NOON),
        ({"AcquisitionDate": "20240201", "AcquisitionTime": "0000", "SeriesTime": "1200"},
         NOON, float(DAY), NOON),
        ({"AcquisitionDate": None, "AcquisitionTime": "0010", "SeriesTime": "2350"},
         85800.0, DAY + 600.0, 85800.0),
        ({"AcquisitionDate": None, "AcquisitionTime": "2350", "SeriesTime": "0010"},
         600.0, -600.0, -600.0),
        ({"AcquisitionDate": None, "SeriesDate": None, "AcquisitionDateTime": "202401311200"},
         None, NOON, NOON),
        ({"slices": ({"AcquisitionTime": "1205"}, {"AcquisitionTime": "1200"}),
          "SeriesTime": "1200"}, NOON, NOON, NOON),
        ({"slices": ({"AcquisitionTime": None}, {"AcquisitionTime": "1200"}),
          "SeriesTime": "1200"}, NOON, NOON, NOON),
    ],
)  # fmt: skip
def test_time_line(changes, series, first, start):
    assert times(**changes) == pytest.approx({"series": series, "first": first, "start": start})


def test_relative_dates_hide_no_interval():
    values = {
        "SeriesDate (0008,0021)": "20240301",
        "AcquisitionDate (0008,0022)": "20240301\\2024.03.02",
        "RadiopharmaceuticalStartDateTime (0018,1078)": "20240228103000+0100",
        "PET scan DateTime (0009,100D)": "about noon",
        "PatientWeight (0010,1030)": "80",
    }
    assert relative_dates(values) == {
        "SeriesDate (0008,0021)": "day 2",
        "AcquisitionDate (0008,0022)": "day 2\\day 3",
        "RadiopharmaceuticalStartDateTime (0018,1078)": "day 0 103000+0100",
        "PET scan DateTime (0009,100D)": "unreadable",
        "PatientWeight (0010,1030)": "80",
    }
