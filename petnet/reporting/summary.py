"""What the figures say, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from petnet.outcome import Kind
from petnet.reporting.cohort_tables import Cohort
from petnet.reporting.comparison import Entry
from petnet.reporting.kind_metrics import survival_figures
from petnet.reporting.pages import Page
from petnet.reporting.validation import averaged
from petnet.reporting.wording import Words, number, percent, shown
from petnet.stats.intervals import CONDITIONAL

__all__ = ["Fact", "against", "answer_of", "meanings", "summarise", "verdict"]

SMALL_CLASS = 50
Fact = tuple[str, str]


def summarise(page: Page, cohort: Cohort) -> dict[str, list[Any]]:
    """Return the sentences of the summary, the counts above and the warnings below them."""
    t, models = page.t, page.models
    names = ", ".join(e.label for e in models)
    which = t("models_one" if len(models) == 1 else "models_many", names=names, count=len(models))
    caution = against(page.entries, t)
    caution += _small(page)
    key = "generalise_single" if page.validation.single else "generalise"
    caution.append(t(key, group=t("patients")))
    return {
        "facts": _facts(page, cohort),
        "setting": [ASKED[page.outcome.kind](page, cohort, which), _validated(page)],
        "verdicts": [(entry, verdict(entry, t)) for entry in models],
        "caution": caution,
        "warnings": _warnings(page),
        "notes": list(dict.fromkeys(note for run in page.runs for note in run.notes)),
    }


def answer_of(task: Mapping[str, Any]) -> str:
    """Return the condition that makes a unit of a binary task positive: `column = value`."""
    values = " / ".join(str(value) for value in task.get("positive") or ("1",))
    return f"{task['target']} = {values}"


def _asked_binary(page: Page, cohort: Cohort, models: str) -> str:
    positive, known = cohort.groups[0].count, cohort.known
    return page.t(
        "asked_binary", target=page.runs[0].task["target"], models=models, n=known,
        units=page.units, positive=positive, share=percent(positive / known if known else None),
    )  # fmt: skip


def _asked_classes(page: Page, cohort: Cohort, models: str) -> str:
    classes = ", ".join(f"{group.name} {group.count}" for group in cohort.groups)
    return page.t(
        f"asked_{page.outcome.kind}", target=page.runs[0].task["target"], models=models,
        n=cohort.known, units=page.units, classes=classes,
    )  # fmt: skip


def _asked_multilabel(page: Page, cohort: Cohort, models: str) -> str:
    labels = page.outcome.labels
    return page.t(
        "asked_multilabel", count=len(labels), labels=", ".join(labels), models=models,
        n=cohort.known, units=page.units,
    )  # fmt: skip


def _asked_survival(page: Page, cohort: Cohort, models: str) -> str:
    task, events = page.runs[0].task, cohort.groups[0].count
    share = percent(events / cohort.known if cohort.known else None)
    return page.t(
        "asked_survival", event=task["event"], time=task["target"], models=models,
        n=cohort.known, units=page.units, events=events, share=share,
    )  # fmt: skip


ASKED: Mapping[Kind, Callable[[Page, Cohort, str], str]] = {
    "binary": _asked_binary,
    "multiclass": _asked_classes,
    "ordinal": _asked_classes,
    "multilabel": _asked_multilabel,
    "survival": _asked_survival,
}


def _facts(page: Page, cohort: Cohort) -> list[Fact]:
    """Return the counts that stand above the sentences."""
    t, kind = page.t, page.outcome.kind
    facts = [(str(cohort.known), t("figure_units", units=page.units))]
    if kind == "binary":
        answer = t("figure_positive", answer=answer_of(page.runs[0].task))
        facts.append((str(cohort.groups[0].count), answer))
    elif kind == "survival":
        facts.append((str(cohort.groups[0].count), t("with_event")))
        model = page.models[0]
        if model.metrics:
            months = survival_figures(model.source, model.metrics).median_follow_up
            facts.append(
                (number(months, 1), t("figure_follow_up", time=page.runs[0].task["target"]))
            )
    elif kind == "multilabel":
        facts.append((str(page.outcome.outputs), t("figure_labels")))
    else:
        order = " < " if kind == "ordinal" else ", "
        facts.append(
            (str(page.outcome.outputs), t("figure_classes", names=order.join(page.outcome.labels)))
        )
    return facts


def _small(page: Page) -> list[str]:
    """Warn of small numbers in what was judged: the rarest answer, or the events."""
    truth, kind = page.models[0].scores.truth, page.outcome.kind
    if kind == "survival":
        fewer = int(np.nansum(truth[:, 1]))
    elif kind == "multilabel":
        positive = np.nansum(truth, axis=0)
        fewer = int(min(positive.min(), (np.isfinite(truth).sum(axis=0) - positive).min()))
    else:
        classes = max(2, page.outcome.outputs)
        counts = np.bincount(truth[np.isfinite(truth)].astype(np.intp), minlength=classes)
        fewer = int(counts.min())
    if fewer >= SMALL_CLASS:
        return []
    key = f"small_{kind}" + ("_single" if page.validation.single else "")
    return [page.t(key, fewer=fewer, units=page.units)]


def _validated(page: Page) -> str:
    """Say how the predictions were made."""
    validation = page.validation
    key = "validated" if validation.repeats > 1 else "validated_once"
    if validation.single:
        key = "validated_single"
    return page.t(
        key, group=page.t("patient"), folds=validation.folds, repeats=validation.repeats,
        n=validation.units, units=page.units,
    )  # fmt: skip


def meanings(page: Page) -> list[str]:
    """Say what the two intervals cover, by the methods that metrics.json names."""
    t, said = page.t, []
    found = [entry.metrics for entry in page.entries if entry.metrics]
    for metrics in found:
        if metrics.refitted:
            said.append(t("means_refitted"))
        elif CONDITIONAL in metrics.headline.method:
            said.append(t("means_given", method=metrics.headline.method))
        else:
            said.append(t("means_unnamed"))
    if not page.validation.single:
        methods = [m.conditional.method for m in found if m.conditional]
        said += [
            t(
                "means_conditional", method=method, averaged=averaged(page.validation, t),
                measure=page.measure,
            )
            for method in methods
            if method
        ]  # fmt: skip
    return list(dict.fromkeys(said))


def verdict(entry: Entry, t: Words) -> str:
    """Say what the headline figure and its interval allow to say; nothing without metrics."""
    if entry.metrics is None:
        return ""
    headline = entry.metrics.headline
    said = {
        "name": entry.label,
        "measure": t(f"a_{entry.scores.outcome.kind}"),
        "value": number(headline.value),
    }
    if not math.isfinite(headline.value):
        return t("verdict_undefined", **said)
    if not (math.isfinite(headline.low) and math.isfinite(headline.high)):
        return t("verdict_none", **said)
    key = "verdict_includes"
    if headline.low > 0.5 or headline.high < 0.5:
        key = "verdict_above" if headline.low > 0.5 else "verdict_below"
    given = ""
    if not entry.metrics.refitted and CONDITIONAL in headline.method:
        given = t("verdict_given")
    bounds = {"low": number(headline.low), "high": number(headline.high)}
    return t(key, **said, **bounds, level=percent(headline.level)) + given


def against(entries: Sequence[Entry], t: Words) -> list[str]:
    """Say how the best single parameter stands against the models."""
    single = [e for e in entries if e.baseline and math.isfinite(e.value)]
    values = [e.value for e in entries if not e.baseline and math.isfinite(e.value)]
    if not single or not values:
        return []
    best = max(single, key=lambda e: e.value)
    key = "against_mixed"
    if best.value < min(values):
        key = "against_better"
    elif best.value >= max(values):
        key = "against_worse"
    tested = any(e.metrics and e.metrics.versus for e in entries)
    more = t("is_tested" if tested else "not_tested")
    return [t(key, name=best.label, value=number(best.value), tested=more)]


def _warnings(page: Page) -> list[str]:
    t, warnings = page.t, []
    if len({str(run.provenance.get("data_fingerprint")) for run in page.runs}) > 1:
        warnings.append(t("fingerprints"))
    for run, entry in zip(page.runs, page.models, strict=True):
        permuted = run.provenance.get("permute")
        if permuted not in (None, False):
            warnings.append(t("permuted", name=entry.label, value=shown(permuted)))
        absent = run.splits.rows - run.predictions.unit.size
        if absent > 0:
            warnings.append(t("incomplete", name=entry.label, absent=absent, total=run.splits.rows))
    return warnings
