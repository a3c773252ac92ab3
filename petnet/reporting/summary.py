"""What the figures say, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from petnet.reporting.cohort_tables import Cohort
from petnet.reporting.comparison import Entry
from petnet.reporting.run_files import Run
from petnet.reporting.wording import Words, number, percent, shown

__all__ = ["against", "summarise", "verdict"]

SMALL_CLASS = 50


def summarise(
    runs: Sequence[Run], entries: Sequence[Entry], cohort: Cohort, units: str, t: Words
) -> dict[str, list[Any]]:
    """Return the sentences of the summary, and the warnings below it."""
    first, models = runs[0], [e for e in entries if not e.baseline]
    names = ", ".join(e.label for e in models)
    which = t("models_one" if len(models) == 1 else "models_many", names=names, count=len(models))
    repeats = len(set(first.splits.text("repeat")))
    columns = [first.splits.text(name) for name in ("repeat", "fold")]
    folds = round(len(set(zip(*columns, strict=True))) / max(repeats, 1))
    known = cohort.known
    setting = [
        t(
            "asked", target=first.task["target"], models=which, n=known, units=units,
            positive=cohort.positive, share=percent(cohort.positive / known if known else None),
        ),
        t("validated" if repeats > 1 else "validated_once", group=t("patient"), folds=folds,
          repeats=repeats),
    ]  # fmt: skip
    caution = against(entries, t)
    fewer = min(cohort.positive, cohort.negative)
    if fewer < SMALL_CLASS:
        caution.append(t("small", fewer=fewer, units=units))
    caution.append(t("generalise", group=t("patients")))
    return {
        "setting": setting,
        "verdicts": [(entry, verdict(entry, t)) for entry in models],
        "caution": caution,
        "warnings": _warnings(runs, models, t),
        "notes": list(dict.fromkeys(note for run in runs for note in run.notes)),
    }


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
    bounds = {"low": number(auc.low), "high": number(auc.high), "level": percent(auc.level)}
    return t(key, name=entry.label, value=number(auc.value), **bounds)


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
    return [t(key, name=best.label, value=number(best.value))]


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
