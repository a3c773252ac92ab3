"""What the sections of a page share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from petnet.outcome import Outcome
from petnet.reporting.comparison import Entry
from petnet.reporting.run_files import Run
from petnet.reporting.validation import Validation
from petnet.reporting.wording import Words
from petnet.stats.headline import MEASURES

__all__ = ["Page", "Section"]


@dataclass(frozen=True, eq=False)
class Page:
    """The runs of a report, and the words for them.

    Attributes
    ----------
    runs : sequence of Run
        Of one task on the same splits; the first is the one whose patients are shown.
    outcome : Outcome
    entries : tuple of Entry
        Models, then single parameters.
    validation : Validation
    unit, units : str
        Words for what is predicted, one and many: patient, patients.
    t : Words
    """

    runs: Sequence[Run]
    outcome: Outcome
    entries: tuple[Entry, ...]
    validation: Validation
    unit: str
    units: str
    t: Words

    @property
    def models(self) -> tuple[Entry, ...]:
        """The entries of the runs' models, in the order of runs."""
        return tuple(entry for entry in self.entries if not entry.baseline)

    @property
    def measure(self) -> str:
        """Name of the headline figure."""
        named = [entry.metrics.measure for entry in self.models if entry.metrics]
        return next(filter(None, named), MEASURES[self.outcome.kind])


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the page with a heading of its own.

    Attributes
    ----------
    name : str
        Its id; `nav_{name}` is its word in the navigation, and its template is called so.
    content : mapping
        What its template sees as `c`.
    """

    name: str
    content: Mapping[str, Any] = field(default_factory=dict)
