"""How much was injected, and when."""

from __future__ import annotations

from dataclasses import replace

from petnet.ingest.refusal import Refused, tag_name
from petnet.ingest.suv.moments import (
    DAY_S,
    SAME_CLOCK_S,
    Moment,
    Stamp,
    Timeline,
    parse_datetime,
    parse_offset,
    parse_time,
)
from petnet.ingest.suv.pet_header import PetHeader
from petnet.ingest.suv.values import Ledger, quoted, required

__all__ = ["dose_bq", "injected_at"]

# In Bq, less than a thousandth of what any scan needs; as MBq, more than any, but usual as µCi
MEGABECQUEREL_BELOW = 5e3
MILLICURIES_BELOW = 30.0  # what may be mCi as well as MBq: refused
DOSES_BQ = (1e6, 1e11)
USUAL_DOSES_BQ = (1e7, 5e9)  # from long-lived nuclides on total-body scanners to O-15 and Rb-82
LATE_S = 600.0  # a dynamic scan starts before the injection
HALF_LIVES = 8.0  # then 0.4 % is left, too little for an image
USUAL_HALF_LIVES = 4.0  # 7.3 h of F-18, 4.5 h of Ga-68, 13 days of Zr-89
DATE_NEEDED_ABOVE_S = DAY_S  # half-life of nuclides that are imaged days after injection
DATE_DOUBTED_ABOVE_S = 6 * 3600.0


def dose_bq(header: PetHeader, ledger: Ledger) -> float:
    """Return the injected activity.

    RadionuclideTotalDose below 5000 is taken as MBq, with a warning; below 30, where it may be mCi
    just as well, it is refused. What is not within 10 MBq to 5 GBq is told.

    Raises
    ------
    Refused
        Missing, zero, malformed, below 30, or not within 1 MBq to 100 GBq.
    """
    expected = "an injected activity in Bq"
    dose = required(header.dose, expected, ledger)
    if dose < MILLICURIES_BELOW:
        raise Refused(header.dose.tag, expected, f"{dose:.6g}, which may be MBq or mCi")
    if dose < MEGABECQUEREL_BELOW:
        dose *= 1e6
        ledger.warn(f"{header.dose.tag} below {MEGABECQUEREL_BELOW:g} was taken as MBq")
    low, high = DOSES_BQ
    if not low <= dose <= high:
        raise Refused(header.dose.tag, f"{low:g} to {high:g} Bq", f"{dose:.6g}")
    if not USUAL_DOSES_BQ[0] <= dose <= USUAL_DOSES_BQ[1]:
        ledger.warn(f"{header.dose.tag} is unusual: {dose / 1e6:.4g} MBq")
    return dose


def injected_at(
    header: PetHeader, timeline: Timeline, half_life_s: float, ledger: Ledger
) -> Moment:
    """Return when the tracer was injected.

    RadiopharmaceuticalStartDateTime, if it lies before the scan by at most 8 half-lives (or after
    its start by at most 10 min, with a warning: dynamic scans). If it does not, but
    RadiopharmaceuticalStartTime confirms its time of day, only its date is wrong, as
    de-identification leaves it: then, as where there is no DateTime, the Time is taken on the day
    of the scan, or the day before if it were later than the scan, with a warning. A DateTime of
    midnight beside another Time is a date alone.

    Parameters
    ----------
    header : PetHeader
    timeline : Timeline
    half_life_s : float
    ledger : Ledger

    Raises
    ------
    Refused
        Neither is there, or neither can be meant; a time alone of a nuclide that is imaged days
        after injection (half-life over a day); no time of the scan; midnight for both.
    """
    scan = timeline.scan
    if scan is None:
        raise Refused(tag_name("AcquisitionTime"), "date and time of the scan", "none")
    stamp = _stamp(header, ledger)
    moment = stamp.moment(timeline.home_s) if stamp else None
    if stamp is None or moment is None:
        injected = _by_time(header, scan, stamp, half_life_s, ledger)
    elif (fault := _fault(moment, scan, half_life_s)) is None:
        injected = _by_datetime(header, timeline, scan, stamp, moment, ledger)
    elif _same_clock(header, moment):
        ledger.warn(
            f"{header.injection_datetime.tag} says {fault}: its date was not used, but"
            f" {header.injection_time.tag}, which has the same time of day"
        )
        injected = _by_time(header, scan, None, half_life_s, ledger)
    else:
        expected = f"a moment up to {HALF_LIVES:g} half-lives before the scan"
        raise Refused(header.injection_datetime.tag, expected, fault)
    _check_midnight(header, timeline, injected, ledger)
    if scan - injected > USUAL_HALF_LIVES * half_life_s:
        ledger.warn(f"the injection was unusually long before the scan: {_span(scan - injected)}")
    return injected


def _stamp(header: PetHeader, ledger: Ledger) -> Stamp | None:
    """Return what DateTime says; a midnight that Time contradicts stands for no time of day."""
    text = header.injection_datetime.text
    stamp = parse_datetime(text)
    if stamp is None:
        if text:
            ledger.warn(f"{header.injection_datetime.tag} cannot be read and was not used")
        return None
    has_time = parse_time(header.injection_time.text) is not None
    if stamp.clock_s != 0 or not has_time or _same_clock(header, stamp.day * DAY_S):
        return stamp
    ledger.warn(
        f"{header.injection_datetime.tag} says midnight: {header.injection_time.tag} was used"
        " on its date"
    )
    return replace(stamp, clock_s=None)


def _check_midnight(
    header: PetHeader, timeline: Timeline, injected: Moment, ledger: Ledger
) -> None:
    """Doubt midnight to the second, as removed times are written; refuse it for scan and injection.

    Raises
    ------
    Refused
    """
    if injected % DAY_S:
        return
    text = header.injection_time.text
    attribute = header.injection_time if text else header.injection_datetime
    if timeline.start is not None and timeline.start % DAY_S == 0:
        found = "midnight, as that of the scan: removed times"
        raise Refused(attribute.tag, "the time of the injection", found)
    ledger.warn(f"{attribute.tag} is midnight: was it removed?")


def _by_datetime(
    header: PetHeader,
    timeline: Timeline,
    scan: Moment,
    stamp: Stamp,
    moment: Moment,
    ledger: Ledger,
) -> Moment:
    ledger.use(header.injection_datetime, header.timezone)
    if header.injection_time.text and not _same_clock(header, moment):
        ledger.warn(
            f"{header.injection_datetime.tag} and {header.injection_time.tag} differ in the time of"
            " day: the first was used"
        )
    elif stamp.offset_s != timeline.home_s and parse_offset(header.timezone.text) is None:
        ledger.use(header.injection_time)
        ledger.warn(
            f"{header.injection_datetime.tag} is in UTC, and {header.timezone.tag} is missing:"
            f" local time was taken from {header.injection_time.tag}"
        )
    elif stamp.offset_s is not None and not header.timezone.text and not header.injection_time.text:
        ledger.warn(
            f"{header.injection_datetime.tag} has an offset from UTC, but {header.timezone.tag} is"
            " missing: it was taken as local time"
        )
    if moment > scan:
        ledger.warn(f"the injection was {_span(moment - scan)} after the start of the scan")
    return moment


def _by_time(
    header: PetHeader, scan: Moment, stamp: Stamp | None, half_life_s: float, ledger: Ledger
) -> Moment:
    """Return the moment of a time of day; its date is that of `stamp`, or follows from the scan."""
    tag, text = header.injection_time.tag, header.injection_time.text
    expected = f"a time of injection (HHMMSS), here or in {header.injection_datetime.tag}"
    clock = parse_time(text)
    if clock is None:
        raise Refused(tag, expected, quoted(text) if text else "none")
    ledger.use(header.injection_time, header.series_date)
    if stamp:
        ledger.use(header.injection_datetime)
        moment = stamp.day * DAY_S + clock
        fault = _fault(moment, scan, half_life_s)
        if fault is None:
            return moment
        ledger.warn(f"{header.injection_datetime.tag} says {fault}: its date was not used")
    _doubt_date(header, half_life_s, ledger)
    moment = scan // DAY_S * DAY_S + clock
    moment -= DAY_S if moment > scan else 0.0
    fault = _fault(moment, scan, half_life_s)
    if fault:
        raise Refused(tag, f"a time up to {HALF_LIVES:g} half-lives before the scan", fault)
    return moment


def _doubt_date(header: PetHeader, half_life_s: float, ledger: Ledger) -> None:
    if half_life_s > DATE_NEEDED_ABOVE_S:
        expected = "a date of injection, as the nuclide may be imaged days later"
        raise Refused(header.injection_datetime.tag, expected, "none that can be used")
    if half_life_s > DATE_DOUBTED_ABOVE_S:
        ledger.warn("the injection has no date: within 24 h before the scan was assumed")


def _fault(moment: Moment, scan: Moment, half_life_s: float) -> str | None:
    if moment - scan > LATE_S:
        return f"{_span(moment - scan)} after the start of the scan"
    if scan - moment > HALF_LIVES * half_life_s:
        return f"{_span(scan - moment)} before the scan"
    return None


def _same_clock(header: PetHeader, moment: Moment) -> bool:
    clock = parse_time(header.injection_time.text)
    if clock is None:
        return False
    apart = abs(moment % DAY_S - clock)
    return min(apart, DAY_S - apart) <= SAME_CLOCK_S


def _span(seconds: float) -> str:
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 10 * DAY_S else f"{seconds / DAY_S:.0f} days"
