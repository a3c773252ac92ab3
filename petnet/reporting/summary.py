"""What the figures say, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from petnet.reporting.cohort_tables import Cohort
from petnet.reporting.comparison import Entry
from petnet.reporting.run_files import Run
from petnet.reporting.wording import Words, number, percent, shown
from petnet.stats.intervals import CONDITIONAL

__all__ = ["Validation", "against", "averaged", "meanings", "summarise", "validation_of", "verdict"]

SMALL_CLASS = 50


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


def summarise(
    runs: Sequence[Run],
    entries: Sequence[Entry],
    cohort: Cohort,
    validation: Validation,
    units: str,
    t: Words,
) -> dict[str, list[Any]]:
    """Return the sentences of the summary, and the warnings below it."""
    first, models = runs[0], [e for e in entries if not e.baseline]
    names = ", ".join(e.label for e in models)
    which = t("models_one" if len(models) == 1 else "models_many", names=names, count=len(models))
    known = cohort.known
    setting = [
        t(
            "asked", target=first.task["target"], models=which, n=known, units=units,
            positive=cohort.positive, share=percent(cohort.positive / known if known else None),
        ),
        _validated(validation, units, t),
    ]  # fmt: skip
    caution = against(entries, t)
    truth = models[0].scores.known.truth
    fewer = int(min(truth.sum(), truth.size - truth.sum()))
    if fewer < SMALL_CLASS:
        key = "small_single" if validation.single else "small"
        caution.append(t(key, fewer=fewer, units=units))
    key = "generalise_single" if validation.single else "generalise"
    caution.append(t(key, group=t("patients")))
    return {
        "setting": setting,
        "verdicts": [(entry, verdict(entry, t)) for entry in models],
        "caution": caution,
        "warnings": _warnings(runs, models, t),
        "notes": list(dict.fromkeys(note for run in runs for note in run.notes)),
    }


def _validated(validation: Validation, units: str, t: Words) -> str:
    """Say how the predictions were made."""
    key = "validated" if validation.repeats > 1 else "validated_once"
    if validation.single:
        key = "validated_single"
    return t(
        key, group=t("patient"), folds=validation.folds, repeats=validation.repeats,
        n=validation.units, units=units,
    )  # fmt: skip


def meanings(entries: Sequence[Entry], validation: Validation, t: Words) -> list[str]:
    """Say what the two intervals cover, by the methods that metrics.json names."""
    found = [entry.metrics for entry in entries if entry.metrics]
    said = []
    for metrics in found:
        if metrics.refitted:
            said.append(t("means_refitted"))
        elif CONDITIONAL in metrics.auc.method:
            said.append(t("means_given", method=metrics.auc.method))
        else:
            said.append(t("means_unnamed"))
    if not validation.single:
        methods = [m.conditional.method for m in found if m.conditional]
        said += [
            t("means_conditional", method=method, averaged=averaged(validation, t))
            for method in methods
            if method
        ]
    return list(dict.fromkeys(said))


def averaged(validation: Validation, t: Words) -> str:
    """Say that a unit's scores are averaged over repeats; nothing where there is one."""
    if validation.repeats < 2:
        return ""
    return t("averaged", repeats=validation.repeats)


def verdict(entry: Entry, t: Words) -> str:
    """Say what the headline AUC and its interval allow to say; nothing without metrics."""
    if entry.metrics is None:
        return ""
    auc = entry.metrics.auc
    if not (math.isfinite(auc.low) and math.isfinite(auc.high)):
        return t("verdict_none", name=entry.label, value=number(auc.value))
    key = "verdict_includes"
    if auc.low > 0.5 or auc.high < 0.5:
        key = "verdict_above" if auc.low > 0.5 else "verdict_below"
    given = "" if entry.metrics.refitted or CONDITIONAL not in auc.method else t("verdict_given")
    bounds = {"low": number(auc.low), "high": number(auc.high), "level": percent(auc.level)}
    return t(key, name=entry.label, value=number(auc.value), **bounds) + given


def against(entries: Sequence[Entry], t: Words) -> list[str]:
    """Say how the best single parameter stands against the models."""
    single = [e for e in entries if e.baseline and math.isfinite(e.value)]
    if not single:
        return []
    best = max(single, key=lambda e: e.value)
    values = [e.value for e in entries if not e.baseline]
    key = "against_mixed"
    if best.value < min(values):
        key = "against_better"
    elif best.value >= max(values):
        key = "against_worse"
    tested = any(e.metrics and e.metrics.versus for e in entries)
    more = t("is_tested" if tested else "not_tested")
    return [t(key, name=best.label, value=number(best.value), tested=more)]


def _warnings(runs: Sequence[Run], models: Sequence[Entry], t: Words) -> list[str]:
    warnings = []
    if len({str(run.provenance.get("data_fingerprint")) for run in runs}) > 1:
        warnings.append(t("fingerprints"))
    for run, entry in zip(runs, models, strict=True):
        permuted = run.provenance.get("permute")
        if permuted not in (None, False):
            warnings.append(t("permuted", name=entry.label, value=shown(permuted)))
        absent = run.splits.rows - run.predictions.unit.size
        if absent > 0:
            warnings.append(t("incomplete", name=entry.label, absent=absent, total=run.splits.rows))
    return warnings
