"""How the predictions of a run were made: folds, repeats, or one fixed division."""

from __future__ import annotations

from dataclasses import dataclass

from petnet.reporting.run_files import Run
from petnet.reporting.wording import Words

__all__ = ["Validation", "averaged", "validation_of"]


@dataclass(frozen=True)
class Validation:
    """How the predictions of a run were made.

    Attributes
    ----------
    folds, repeats : int
        Folds of a repeat; one fold in one repeat is a fixed division.
    units : int
        Units held out at least once.
    clustered : bool
        Units outnumber patients.
    """

    folds: int
    repeats: int
    units: int
    clustered: bool

    @property
    def single(self) -> bool:
        """One fixed division in training and test units."""
        return self.folds * self.repeats == 1


def validation_of(run: Run) -> Validation:
    """Count folds, repeats and units of a run's splits."""
    columns = [run.splits.text(name) for name in ("repeat", "fold", "unit")]
    repeats = len(set(columns[0]))
    folds = len(set(zip(columns[0], columns[1], strict=True)))
    units, patients = set(run.predictions.unit), set(run.predictions.patient)
    return Validation(
        round(folds / max(repeats, 1)), repeats, len(set(columns[2])), len(units) > len(patients)
    )


def averaged(validation: Validation, t: Words) -> str:
    """Say that a unit's scores are averaged over repeats; nothing where there is one."""
    if validation.repeats < 2:
        return ""
    return t("averaged", repeats=validation.repeats)
