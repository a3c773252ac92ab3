"""How many units are too small or too flat for some of their features."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from petnet.reporting.run_files import Run

__all__ = ["Gate", "gate_of"]

SEPARATOR = "; "  # of the notes in a cell, as petnet.radiomics.gate writes them


@dataclass(frozen=True)
class Gate:
    """Units below the feature gate.

    Attributes
    ----------
    units : int
        Those whose features were computed.
    below : int
        Those with at least one note.
    notes : tuple of (features, reason, count)
        "pt_64 glcm", "fewer than 64 voxels ...", and of how many units it is said; most first.
    """

    units: int
    below: int
    notes: tuple[tuple[str, str, int], ...]


def gate_of(run: Run) -> Gate | None:
    """Count the notes in the column `flagged` of status.csv; None for runs that have none."""
    if "flagged" not in run.status.columns:
        return None
    states = run.status.text("status")
    cells = [
        cell
        for cell, state in zip(run.status.text("flagged"), states, strict=True)
        if state == "ok"
    ]
    notes = Counter(note for cell in cells if cell for note in cell.split(SEPARATOR))
    split = [(*note.partition(": ")[::2], count) for note, count in notes.most_common()]
    return Gate(len(cells), sum(bool(cell) for cell in cells), tuple(split))
