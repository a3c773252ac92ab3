"""Naming a patient's scans by time point: baseline, followup1, followup2, ...

Scans are taken by date. The first opens `baseline`. A scan joins the open time point when it lies
within so many days of the scan that opened it and when its arm is not there yet: two tracers side
by side. Otherwise it opens the next. Scans without a date come last, with a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

__all__ = ["Scan", "name_timepoints"]

UNDATED = "uncertain time point: the scan has no date"


@dataclass(frozen=True, slots=True)
class Scan:
    """One injection and its images.

    Attributes
    ----------
    name : str
        Any name that is unique in the patient; orders scans of one day.
    day : date or None
    arm : str
        "fdg", "fapi", ...
    """

    name: str
    day: date | None
    arm: str


def name_timepoints(
    scans: Sequence[Scan], same_days: int
) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Return the time point of each scan, and notes on those that are uncertain.

    Parameters
    ----------
    same_days : int
        Scans of other tracers within so many days of the first are one time point.
    """
    points: dict[str, str] = {}
    opened: date | None = None
    arms: set[str] = set()
    number = -1
    for scan in sorted(scans, key=lambda s: (s.day is None, s.day or date.min, s.name)):
        near = opened is not None and scan.day is not None and (scan.day - opened).days <= same_days
        if not near or scan.arm in arms:
            number, opened, arms = number + 1, scan.day, set()
        arms.add(scan.arm)
        points[scan.name] = f"followup{number}" if number else "baseline"
    undated = [s.name for s in scans if s.day is None and len(scans) > 1]
    return points, dict.fromkeys(undated, (UNDATED,))
