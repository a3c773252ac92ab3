"""Decay correction: which share of the injected activity the stored values refer to.

SUV = c B / (D f): concentration c, body size B, injected dose D and f, the share of D that is left
at the moment to which c is corrected (DecayCorrection (0054,1102)): at injection for ADMIN (f = 1),
at one moment of the whole series for START, at the middle of its own acquisition for NONE.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from petnet.ingest.refusal import Refused, tag_name
from petnet.ingest.suv.half_life import half_life_s
from petnet.ingest.suv.injection import HALF_LIVES, LATE_S, injected_at
from petnet.ingest.suv.moments import DAY_S, ROUNDING_S, Moment, Timeline, timeline
from petnet.ingest.suv.pet_header import Attribute, PetFrame, PetHeader
from petnet.ingest.suv.values import Ledger, number, quoted

__all__ = ["DISAGREEMENT", "Decay", "check_unneeded", "decay_of", "deviation", "mean_activity_s"]

DISAGREEMENT = 0.01  # of SUV
SPAN = "milliseconds for each slice"
LIKELY_HALF_LIFE_S = 10800.0  # where none is known: an injection was within 24 h before the scan


#: Name of a way to the moment of correction -> the attribute it rests on, and the moment per slice.
Found = dict[str, tuple[Attribute, tuple[Moment, ...]]]


@dataclass(frozen=True, slots=True)
class Decay:
    """Share of the injected activity to which the values of each slice refer.

    Attributes
    ----------
    rule : str
        "START, from the series time".
    left : tuple of float
        Per slice.
    candidates : tuple of (str, tuple of float)
        Every valid way to the moment of START, with its `left`; the first is the one used.
    """

    rule: str
    left: tuple[float, ...]
    candidates: tuple[tuple[str, tuple[float, ...]], ...] = ()


def mean_activity_s(duration_s: float, half_life_s: float) -> float:
    """Return after which time of a frame the activity is its mean: ln(xT / (1 - e^-xT)) / x.

    T is the duration and x the decay constant, ln 2 / half-life.
    """
    constant = math.log(2) / half_life_s
    decays = constant * duration_s
    if decays < 1e-7:  # where the quotient is 1 to the last digit: the first term of the series
        return duration_s / 2
    return math.log(decays / -math.expm1(-decays)) / constant


def decay_of(header: PetHeader, ledger: Ledger) -> Decay:
    """Return the share of the injected activity per slice, by DecayCorrection (0054,1102).

    Raises
    ------
    Refused
        DecayCorrection is missing, unknown or contradicted by CorrectedImage (0028,0051); what its
        rule needs is missing, malformed or contradictory.
    """
    rule = _rule(header, ledger)
    if rule == "ADMIN":
        check_unneeded(header, ledger)
        return Decay("ADMIN: corrected to the injection", (1.0,) * len(header.frames))
    half_life = half_life_s(header, ledger)
    times = timeline(header)
    injected = injected_at(header, times, half_life, ledger)
    if rule == "NONE":
        moments = _middles(header, times, half_life, ledger)
        _check_uptake(tag_name("AcquisitionTime"), moments, injected, half_life, ledger)
        name = "NONE: each slice at the mean activity of its acquisition"
        return Decay(name, _left(moments, injected, half_life))
    return _start(header, times, half_life, injected, ledger)


def _rule(header: PetHeader, ledger: Ledger) -> str:
    """Return ADMIN, START or NONE."""
    rule = (header.decay_correction.text or "").upper()
    explicit = header.decay_correction_datetime.text
    if not rule and explicit:
        rule = "START"  # Enhanced PET says the moment instead
    if rule not in ("ADMIN", "START", "NONE"):
        found = "another term" if rule else "none"
        raise Refused(header.decay_correction.tag, "ADMIN, START or NONE", found)
    corrections = (header.corrected_image.text or "").upper().split("\\")
    if header.corrected_image.text and ("DECY" in corrections) == (rule == "NONE"):
        have = "has" if rule == "NONE" else "lacks"
        found = f"{rule}, while {header.corrected_image.tag} {have} DECY"
        raise Refused(header.decay_correction.tag, "what CorrectedImage says too", found)
    if rule == "NONE" and explicit:
        found = "a moment of correction, while DecayCorrection is NONE"
        raise Refused(header.decay_correction_datetime.tag, "none", found)
    ledger.use(header.decay_correction, header.corrected_image)
    return rule


def _start(
    header: PetHeader, times: Timeline, half_life: float, injected: Moment, ledger: Ledger
) -> Decay:
    """Return the decay until the moment to which a whole series is corrected.

    In this order: the moment that the header says (0018,9701); series time, if not later than the
    earliest acquisition; GE's (0009,100D), likewise; per slice, start of acquisition + time of mean
    activity - FrameReferenceTime.
    """
    found = _stated(header, times, ledger)
    by_frames = _by_frames(header, times, half_life, ledger)
    if by_frames:
        found["acquisition and frame reference times"] = (
            header.frames[0].frame_reference_ms, by_frames
        )  # fmt: skip
    if not found:
        raise _no_reference(header, times)
    used = next(iter(found))
    _note(header, used, ledger)
    left = {}
    for name, (attribute, moments) in found.items():
        try:
            _check_uptake(attribute.tag, moments, injected, half_life, ledger)
        except Refused:
            if name == used:
                raise
            _warn_unused(name, ledger)
            continue
        left[name] = _left(moments, injected, half_life)
    _compare(left, ledger)
    return Decay(f"START: from the {used}", left[used], tuple(left.items()))


def _stated(header: PetHeader, times: Timeline, ledger: Ledger) -> Found:
    """Return the moments of correction that the header states, if a scan can have begun then."""
    n = len(header.frames)
    found: Found = {}
    if times.explicit is not None:
        if _has_other_date(times):
            _warn_unused("DecayCorrectionDateTime", ledger)
        else:
            found["DecayCorrectionDateTime"] = (
                header.decay_correction_datetime, (times.explicit,) * n
            )  # fmt: skip
    if times.series is not None and times.first is not None and times.can_start(times.series):
        found["series time"] = header.series_time, (times.series,) * n
    if times.ge is not None and times.can_start(times.ge):
        found["GE scan time"] = header.ge_scan, (times.ge,) * n
    elif times.ge is not None and times.first is not None and times.ge < times.first:
        _warn_unused("GE scan time", ledger)
    return found


def _has_other_date(times: Timeline) -> bool:
    """Tell whether the stated moment is the series time, days away: of a date left as it was."""
    if times.explicit is None or times.series is None or not times.can_start(times.series):
        return False
    apart = abs(times.explicit - times.series)
    return apart > DAY_S / 2 and abs(apart - DAY_S * round(apart / DAY_S)) <= ROUNDING_S


def _warn_unused(name: str, ledger: Ledger) -> None:
    ledger.warn(f"the {name} cannot be what decay was corrected to, and was not used")


def _note(header: PetHeader, used: str, ledger: Ledger) -> None:
    """Put what the rule used, and what it was checked against, into the account."""
    ledger.use(header.timezone, header.series_date, header.series_time, header.ge_scan)
    ledger.use(header.decay_correction_datetime)
    if used == "GE scan time" or used.startswith("acquisition"):
        ledger.warn(
            f"{header.series_time.tag} is missing, later than the acquisition or of another date:"
            f" decay was counted from the {used}"
        )


def _no_reference(header: PetHeader, times: Timeline) -> Refused:
    if times.first is None:
        frame = header.frames[0]
        text = frame.acquisition_time.text
        return Refused(frame.acquisition_time.tag, "a time", quoted(text) if text else "none")
    expected = "a moment to which decay is corrected, not later than the acquisition"
    return Refused(
        header.series_time.tag,
        expected,
        "a later one" if times.series is not None else "none",
        "Nor do (0009,100D), AcquisitionTime, FrameReferenceTime and ActualFrameDuration give one",
    )


def _check_uptake(
    tag: str, moments: Sequence[Moment], injected: Moment, half_life: float, ledger: Ledger
) -> None:
    """Refuse moments of correction that the injection cannot precede."""
    first, last = min(moments) - injected, max(moments) - injected
    if first < -LATE_S:
        expected = "a moment after the injection"
        raise Refused(tag, expected, f"one {-first / 60:.1f} min before it")
    if last > HALF_LIVES * half_life:
        expected = f"a moment within {HALF_LIVES:g} half-lives of the injection"
        raise Refused(tag, expected, f"one {last / half_life:.1f} half-lives later")
    if first < 0:
        ledger.warn(f"decay is corrected to {-first / 60:.1f} min before the injection")


def _left(moments: Sequence[Moment], injected: Moment, half_life: float) -> tuple[float, ...]:
    return tuple(math.exp2(-(moment - injected) / half_life) for moment in moments)


def _compare(left: dict[str, tuple[float, ...]], ledger: Ledger) -> None:
    """Warn where two ways give SUV that differ by more than 1 %."""
    (used, reference), *others = left.items()
    for name, values in others:
        ratio = max((r / v for r, v in zip(reference, values, strict=True)), key=deviation)
        if deviation(ratio) > DISAGREEMENT:
            ledger.warn(
                f"SUV from the {name} would differ by {100 * (ratio - 1):+.1f} % from that from the"
                f" {used}, which was taken"
            )


def deviation(ratio: float) -> float:
    """Return by how much one value exceeds the other, of which that is the ratio."""
    return max(ratio, 1 / ratio) - 1 if ratio else math.inf


def _middles(
    header: PetHeader, times: Timeline, half_life: float, ledger: Ledger
) -> tuple[Moment, ...]:
    """Return the moment of the mean activity of each slice's acquisition."""
    starts = _starts(header, times)
    durations = _durations(header)
    offsets = _offsets_if_any(header)
    if offsets:
        starts = _own_starts(starts, offsets)
    _use_frames(header, ledger)
    pairs = zip(starts, durations, strict=True)
    return tuple(start + mean_activity_s(duration, half_life) for start, duration in pairs)


def _offsets_if_any(header: PetHeader) -> tuple[float, ...] | None:
    try:
        return _offsets(header)
    except Refused:  # not needed where each slice has a time of its own
        return None


def _by_frames(
    header: PetHeader, times: Timeline, half_life: float, ledger: Ledger
) -> tuple[Moment, ...] | None:
    """Return the moment of correction per slice, back-computed; None where it cannot be.

    FrameReferenceTime leads from the moment of correction to the mean activity of the frame. Some
    scanners write the start of the frame instead: DecayFactor (0054,1321), which is 2^(time to the
    mean activity / half-life), tells which. Where it does not, it is so where the moment of
    correction would else be later than the first acquisition, which START excludes.
    """
    try:
        acquired, durations, offsets = _starts(header, times), _durations(header), _offsets(header)
    except Refused:  # no candidate; `_no_reference` names what is missing where there is no other
        return None
    _use_frames(header, ledger)
    starts = _own_starts(acquired, offsets)
    means = [mean_activity_s(duration, half_life) for duration in durations]
    of_start = tuple(s - o for s, o in zip(starts, offsets, strict=True))
    of_mean = tuple(m + mean for m, mean in zip(of_start, means, strict=True))
    latest = min(starts) + ROUNDING_S
    is_start = _counts_to_start(header, offsets, means, half_life)
    if is_start is None:
        is_start = max(of_start) <= latest < max(of_mean)
    moments = of_start if is_start else of_mean
    if max(moments) - min(moments) > half_life * math.log2(1 + DISAGREEMENT):
        ledger.warn(
            "AcquisitionTime and FrameReferenceTime of the slices lead to different moments of"
            " decay correction, and were not used"
        )
        return None
    return moments


def _counts_to_start(
    header: PetHeader, offsets: Sequence[float], means: Sequence[float], half_life: float
) -> bool | None:
    """Tell by DecayFactor whether FrameReferenceTime leads to the start of each frame.

    Source: PS3.3 C.8.9.1.1.5, by which these two and the half-life give the moment of correction.
    None where it does not fit the start or the mean activity of all frames, to within a quarter of
    the time between them.
    """
    starting = set()
    for frame, offset, mean in zip(header.frames, offsets, means, strict=True):
        try:
            factor = number(frame.decay_factor, "a factor above zero")
        except Refused:
            return None
        if not factor or factor < 0:
            return None
        beyond = (half_life * math.log2(factor) - offset) / mean
        if abs(beyond - round(beyond)) > 0.25 or round(beyond) not in (0, 1):
            return None
        starting.add(round(beyond) == 1)
    return starting.pop() if len(starting) == 1 else None


def _own_starts(starts: tuple[Moment, ...], offsets: tuple[float, ...]) -> tuple[Moment, ...]:
    """Return when each slice's own acquisition began.

    Where all slices have one AcquisitionTime, but several FrameReferenceTimes (whole-body scans of
    some GE scanners), it is that of the first bed position, and the others began as much later.
    """
    if max(starts) - min(starts) > ROUNDING_S or max(offsets) - min(offsets) <= ROUNDING_S:
        return starts
    first = min(offsets)
    return tuple(start + offset - first for start, offset in zip(starts, offsets, strict=True))


def _starts(header: PetHeader, times: Timeline) -> tuple[Moment, ...]:
    known = tuple(moment for moment in times.acquisitions if moment is not None)
    if len(known) < len(times.acquisitions):
        missing = header.frames[times.acquisitions.index(None)].acquisition_time
        found = quoted(missing.text) if missing.text else "none"
        raise Refused(missing.tag, "date and time of each slice", found)
    return known


def _durations(header: PetHeader) -> tuple[float, ...]:
    """Return ActualFrameDuration of each slice in seconds."""
    spans = tuple(_seconds(frame.frame_duration_ms) for frame in header.frames)
    if min(spans) <= 0 or max(spans) > DAY_S:
        expected = f"{SPAN}, above zero and below a day"
        raise Refused(header.frames[0].frame_duration_ms.tag, expected, "others")
    return spans


def _offsets(header: PetHeader) -> tuple[float, ...]:
    """Return FrameReferenceTime of each slice in seconds."""
    return tuple(_seconds(frame.frame_reference_ms) for frame in header.frames)


def _seconds(attribute: Attribute) -> float:
    span = number(attribute, SPAN)
    if span is None or span < 0:
        raise Refused(attribute.tag, SPAN, "none" if span is None else f"{span:.6g}")
    return span / 1000.0


def _use_frames(header: PetHeader, ledger: Ledger) -> None:
    """Put what differs between slices into the account: all values of each attribute."""
    for attributes in zip(*(_of_frame(frame) for frame in header.frames), strict=True):
        texts = sorted({one.text for one in attributes if one.text is not None})
        ledger.use(Attribute(attributes[0].tag, "\\".join(texts) or None))


def _of_frame(frame: PetFrame) -> tuple[Attribute, ...]:
    acquired = (frame.acquisition_date, frame.acquisition_time, frame.acquisition_datetime)
    return (*acquired, frame.frame_reference_ms, frame.frame_duration_ms, frame.decay_factor)


def check_unneeded(header: PetHeader, ledger: Ledger) -> None:
    """Look at half-life and injection though SUV does not depend on them; tell contradictions."""
    half_life = LIKELY_HALF_LIFE_S
    checked = Ledger()
    try:
        half_life = half_life_s(header, Ledger(checked.used))  # not warned of: a missing half-life
    except Refused as refused:
        _doubt(refused, checked)
    try:
        injected_at(header, timeline(header), half_life, checked)
    except Refused as refused:
        _doubt(refused, checked)
    ledger.used.update(checked.used)
    for text in checked.warnings:
        ledger.warn(f"{text} (SUV does not depend on it)")


def _doubt(refused: Refused, ledger: Ledger) -> None:
    if not refused.found.startswith("none"):
        ledger.warn(f"{refused.tag}: {refused.reason}")
