"""What becomes of each series, region and mask of a patient: rows of the tables, scrubbed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from petnet.errors import InputError
from petnet.ingest.conversion.scrub import Scrubber
from petnet.ingest.conversion.selection import Exclusion
from petnet.ingest.refusal import Refused

__all__ = ["Account", "exclusion_of"]

NO_REGION = Exclusion("regions", "expected a region that can be used, but got none")
Row = dict[str, Any]


def exclusion_of(error: InputError) -> Exclusion:
    """Return what an error says, without the file that it names."""
    if isinstance(error, Refused):
        return Exclusion(error.tag, error.reason)
    reason = f"expected {error.expected}, but got {error.found}"
    return Exclusion(error.field, f"{reason}. {error.remedy}" if error.remedy else reason)


@dataclass
class Account:
    """Collects rows while a patient is converted; every text is scrubbed as it comes in.

    Attributes
    ----------
    patient : str
        As in the tables.
    scrubber : Scrubber
    studies, rois, excluded, warnings, status : list of dict
        Rows of the tables of that name.
    files : list of str
        What is written, relative to the cohort.
    """

    patient: str
    scrubber: Scrubber
    studies: list[Row] = field(default_factory=list)
    rois: list[Row] = field(default_factory=list)
    excluded: list[Row] = field(default_factory=list)
    warnings: list[Row] = field(default_factory=list)
    status: list[Row] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    _used: dict[str, str] = field(default_factory=dict)
    _studies_of: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _excluded: dict[str, Exclusion] = field(default_factory=dict)
    _failed: dict[str, list[Exclusion]] = field(default_factory=lambda: defaultdict(list))

    def use(self, series: str, use: str, study: str) -> None:
        """Say what a series is used as, and in which study; it may be in several."""
        self._used[series] = use
        if study not in self._studies_of[series]:
            self._studies_of[series].append(study)

    def exclude(self, series: str, why: Exclusion, study: str = "") -> None:
        """Say why a series or mask is not used."""
        why = Exclusion(self.scrubber.text(why.tag), self.scrubber.text(why.reason))
        self._excluded[series] = why
        self._add_excluded(series, why, study, "")

    def exclude_region(self, series: str, region: str, why: Exclusion, study: str = "") -> None:
        """Say why a region of a series or mask that may else be used is not."""
        why = Exclusion(self.scrubber.text(why.tag), self.scrubber.text(why.reason))
        self._add_excluded(series, why, study, self.scrubber.text(region))

    def fail_part(self, series: str, why: Exclusion) -> None:
        """Say why one file of regions cannot be used; others of its series perhaps can."""
        self._failed[series].append(why)

    def close(self, series: str) -> None:
        """Say what becomes of a series of regions or a mask, after all of its regions."""
        failed = self._failed[series]
        if series in self._used:
            for why in failed:
                self.exclude_region(series, "one of its files", why)
        else:
            self.exclude(series, failed[0] if failed else NO_REGION)

    def warn(self, text: str, study: str = "", series: str = "", region: str = "") -> None:
        """Say what a user should know of something that is used."""
        row = {"patient": self.patient, "study": study, "series": series}
        row |= {"region": self.scrubber.text(region), "warning": self.scrubber.text(text)}
        if row not in self.warnings:
            self.warnings.append(row)

    def refuse_study(self, study: str, reason: str) -> None:
        """Say that a scan gives no study."""
        row = {"patient": self.patient, "study": study, "status": "excluded", "reason": reason}
        self.status.append(row)

    def add_file(self, path: str) -> str:
        """Note a file that is about to be written; returns its path."""
        self.files.append(path)
        return path

    def is_excluded(self, series: str) -> bool:
        """Tell whether a series is excluded."""
        return series in self._excluded

    def is_settled(self, series: str) -> bool:
        """Tell whether it is said what becomes of a series."""
        return series in self._used or series in self._excluded

    def fate(self, series: str) -> Row:
        """Return what became of a series: the columns used_as, study, tag, reason."""
        why = self._excluded.get(series, Exclusion("", ""))
        return {
            "used_as": self._used.get(series, ""),
            "study": ";".join(self._studies_of.get(series, ())),
            "tag": why.tag,
            "reason": why.reason,
        }

    def _add_excluded(self, series: str, why: Exclusion, study: str, region: str) -> None:
        row = {"series": series, "patient": self.patient, "study": study, "region": region}
        self.excluded.append(row | {"tag": why.tag, "reason": why.reason})
