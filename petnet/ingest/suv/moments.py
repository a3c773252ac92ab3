"""Dates and times of DICOM text, and the time line of a PET series."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from petnet.ingest.suv.pet_header import Attribute, PetFrame, PetHeader

__all__ = [
    "DAY_S",
    "ROUNDING_S",
    "SAME_CLOCK_S",
    "Moment",
    "Stamp",
    "Timeline",
    "parse_date",
    "parse_datetime",
    "parse_offset",
    "parse_time",
    "relative_dates",
    "timeline",
]

#: Seconds since the first day of year 1, in the scanner's local time.
Moment = float
DAY_S = 86400.0
ROUNDING_S = 1.0  # times are written to the second

# VR DA, and YYYY.MM.DD of ACR-NEMA; VR TM, and HH:MM:SS.frac of ACR-NEMA; VR DT
DATE = re.compile(r"(\d{4})(\.?)(\d{2})\2(\d{2})", re.ASCII)
TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(\.\d{1,9})?)?)?", re.ASCII)
DATETIME = re.compile(r"(\d{8})(\d{2,6}(?:\.\d{1,9})?)?([+-]\d{4})?", re.ASCII)
OFFSET = re.compile(r"([+-])(\d{2})([0-5]\d)", re.ASCII)
WEST_MOST_S, EAST_MOST_S = -12 * 3600, 14 * 3600
HALF_HOUR_S = 1800  # by which zones differ
SAME_CLOCK_S = 60.0  # within which two attributes tell one time of day


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a DT text says.

    Attributes
    ----------
    day : int
        Days since the first of year 1 (proleptic ordinal).
    clock_s : float or None
        Seconds since midnight; None where the text says no minute.
    offset_s : int or None
        Offset from UTC; None where the text has none.
    """

    day: int
    clock_s: float | None
    offset_s: int | None

    def moment(self, home_s: int | None) -> Moment | None:
        """Return the moment at a place with that offset from UTC; without one, as written."""
        if self.clock_s is None:
            return None
        shift = home_s - self.offset_s if None not in (home_s, self.offset_s) else 0  # type: ignore[operator]
        return self.day * DAY_S + self.clock_s + shift


@dataclass(frozen=True, slots=True)
class Timeline:
    """When things happened, as far as the header says it.

    Attributes
    ----------
    home_s : int or None
        Offset of local time from UTC.
    series : Moment or None
        Series date and time.
    acquisitions : tuple of (Moment or None)
        Start of acquisition per slice.
    explicit, ge : Moment or None
        DecayCorrectionDateTime (0018,9701) and GE's (0009,100D).
    """

    home_s: int | None
    series: Moment | None
    acquisitions: tuple[Moment | None, ...]
    explicit: Moment | None
    ge: Moment | None

    @property
    def first(self) -> Moment | None:
        """Earliest acquisition."""
        return min((moment for moment in self.acquisitions if moment is not None), default=None)

    @property
    def start(self) -> Moment | None:
        """Start of the scan: series time or GE's, unless later than the first acquisition."""
        known = (self.series, self.ge)
        return next((m for m in known if m is not None and self.can_start(m)), self.first)

    def can_start(self, moment: Moment) -> bool:
        """Tell whether a scan can have begun then.

        That is not later than any of its acquisitions, nor more than a day before the first: then
        one of the two has another date, as de-identification leaves it.
        """
        return self.first is None or -DAY_S <= moment - self.first <= ROUNDING_S

    @property
    def scan(self) -> Moment | None:
        """When the scan was, by the best that there is."""
        known = (self.first, self.ge, self.explicit, self.series)
        return next((moment for moment in known if moment is not None), None)


def parse_date(text: str | None) -> int | None:
    """Return the ordinal of a DA text, "20250131" or the old "2025.01.31"; None if it is none."""
    found = DATE.fullmatch(text or "")
    if not found:
        return None
    year, month, day = (int(found[i]) for i in (1, 3, 4))
    try:
        return datetime.date(year, month, day).toordinal()
    except ValueError:
        return None


def parse_time(text: str | None) -> float | None:
    """Return seconds since midnight of a TM text, "HHMM[SS[.F]]" or the old "HH:MM[:SS[.F]]".

    An hour alone is valid TM, but no time to correct decay by: half an hour is 17 % of F-18. It
    gives None, like what is no time.
    """
    found = TIME.fullmatch(text or "")
    if not found or found[2] is None:
        return None
    hours, minutes, seconds = int(found[1]), int(found[2]), int(found[3] or 0)
    if hours > 23 or minutes > 59 or seconds > 60:  # 60 is a leap second
        return None
    return hours * 3600.0 + minutes * 60.0 + seconds + float(found[4] or 0)


def parse_offset(text: str | None) -> int | None:
    """Return seconds east of UTC of "+HHMM" or "-HHMM"; None if it is none."""
    found = OFFSET.fullmatch(text or "")
    if not found:
        return None
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    seconds = -seconds if found[1] == "-" else seconds
    return seconds if WEST_MOST_S <= seconds <= EAST_MOST_S else None


def parse_datetime(text: str | None) -> Stamp | None:
    """Return what a DT text says, "YYYYMMDD[HHMM[SS[.F]]][&ZZXX]"; None if it has no valid day."""
    found = DATETIME.fullmatch(text or "")
    day = parse_date(found[1]) if found else None
    if not found or day is None:
        return None
    clock = parse_time(found[2])
    if found[2] and clock is None and len(found[2]) != 2:
        return None
    offset = parse_offset(found[3])
    return None if found[3] and offset is None else Stamp(day, clock, offset)


def timeline(header: PetHeader) -> Timeline:
    """Put the dates and times of a header into one local time.

    DA and TM are local. A DT with an offset from UTC is brought to TimezoneOffsetFromUTC; where
    that is absent, to the offset of the injection, and without that it is taken as local. An
    injection in UTC, with RadiopharmaceuticalStartTime other by whole or half hours, tells what is
    local.
    A time without a date has the date of the series; of acquisitions, the day that brings it
    nearest to the series time (a scan over midnight).
    """
    home = _home_s(header)
    series_day = parse_date(header.series_date.text)
    series = _joined(series_day, parse_time(header.series_time.text))
    return Timeline(
        home_s=home,
        series=series,
        acquisitions=tuple(_acquired(frame, series_day, series, home) for frame in header.frames),
        explicit=_local(header.decay_correction_datetime, home),
        ge=_local(header.ge_scan, home),
    )


def _home_s(header: PetHeader) -> int | None:
    """Return the offset of local time from UTC; None where nothing says it."""
    stated = parse_offset(header.timezone.text)
    injection = parse_datetime(header.injection_datetime.text)
    if stated is not None or injection is None or injection.offset_s != 0:
        return injection.offset_s if stated is None and injection else stated
    local_s = parse_time(header.injection_time.text)
    if local_s is None or injection.clock_s is None:
        return 0
    apart_s = (local_s - injection.clock_s + DAY_S / 2) % DAY_S - DAY_S / 2
    zone_s = HALF_HOUR_S * round(apart_s / HALF_HOUR_S)
    return zone_s if abs(apart_s - zone_s) <= SAME_CLOCK_S else 0


def _joined(day: int | None, clock_s: float | None) -> Moment | None:
    return None if day is None or clock_s is None else day * DAY_S + clock_s


def _local(attribute: Attribute, home_s: int | None) -> Moment | None:
    stamp = parse_datetime(attribute.text)
    return stamp.moment(home_s) if stamp else None


def _acquired(
    frame: PetFrame, series_day: int | None, series: Moment | None, home_s: int | None
) -> Moment | None:
    clock = parse_time(frame.acquisition_time.text)
    day = parse_date(frame.acquisition_date.text)
    if clock is None or (day is None and series_day is None):
        return _local(frame.acquisition_datetime, home_s)
    moment = _joined(series_day if day is None else day, clock)
    if day is not None or moment is None or series is None:
        return moment
    return moment + DAY_S * round((series - moment) / DAY_S)


def relative_dates(values: dict[str, str]) -> dict[str, str]:
    """Return header values with each date as the number of days since the earliest of them.

    Parameters
    ----------
    values : dict of str to str
        Attribute's name and tag to text; dates are where the name says so.
    """
    dated = {tag: text.split("\\") for tag, text in values.items() if "Date" in tag}
    days = [day for texts in dated.values() for text in texts if (day := _day(text)) is not None]
    return values | {
        tag: "\\".join(_relative(text, min(days, default=0)) for text in texts)
        for tag, texts in dated.items()
    }


def _day(text: str) -> int | None:
    found = DATE.match(text)
    return parse_date(found[0]) if found else None


def _relative(text: str, first: int) -> str:
    found, day = DATE.match(text), _day(text)
    return f"day {day - first} {text[found.end() :]}".strip() if found and day else "unreadable"
