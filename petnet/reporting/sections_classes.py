"""The sections of multiclass and ordinal tasks: confusion, ROC curves, distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from petnet.reporting import figures
from petnet.reporting.comparison import Entry, forest_of
from petnet.reporting.curves import contrasts_of, roc_figure
from petnet.reporting.kind_metrics import ClassFigures, class_figures
from petnet.reporting.pages import Page, Section
from petnet.reporting.picks import standing_of
from petnet.reporting.roc_panels import RocPanel, roc_section
from petnet.reporting.wording import number

__all__ = ["multiclass_sections", "ordinal_sections"]

FIGURES = ("accuracy", "balanced_accuracy", "kappa", "brier", "log_loss")


def multiclass_sections(page: Page) -> tuple[Section, ...]:
    """Return the sections that only a multiclass task has."""
    own = _own(page)
    return (_confusion(page, own), _per_class(page, own), _roc(page))


def ordinal_sections(page: Page) -> tuple[Section, ...]:
    """Return the sections that only an ordinal task has."""
    own = _own(page)
    return (_confusion(page, own), _per_class(page, own), _roc(page), _expected(page))


def _own(page: Page) -> Mapping[str, ClassFigures]:
    return {
        entry.key: class_figures(entry.source, entry.metrics)
        for entry in page.models
        if entry.metrics
    }


def _confusion(page: Page, own: Mapping[str, ClassFigures]) -> Section:
    """Return each model's confusion matrix with shares of the true class, and its figures."""
    tables = [
        (entry, own[entry.key].labels, _shares(own[entry.key].confusion))
        for entry in page.models
        if entry.key in own and own[entry.key].confusion
    ]
    found = [name for name in FIGURES if any(getattr(f, name) for f in own.values())]
    rows = [
        (entry, [getattr(own[entry.key], name) for name in found])
        for entry in page.models
        if entry.key in own
    ]
    estimates = [figure for _, row in rows for figure in row if figure]
    return Section(
        "confusion",
        {
            "ordinal": page.outcome.kind == "ordinal",
            "tables": tables,
            "columns": [(page.t(name), page.t(f"{name}_hint")) for name in found],
            "rows": rows,
            "methods": list(dict.fromkeys(e.method for e in estimates if e.method)),
        },
    )


def _shares(
    confusion: Sequence[Sequence[float]],
) -> list[tuple[list[tuple[float, float]], float]]:
    """Return, by true class, count and share of every decision, and the class's total."""
    made = []
    for row in confusion:
        total = sum(row)
        made.append(([(n, n / total if total else float("nan")) for n in row], total))
    return made


def _per_class(page: Page, own: Mapping[str, ClassFigures]) -> Section:
    """Return a table of every class (or every cut of an ordinal task) by model, with a forest."""
    rows: list[tuple[Entry, Any]] = [
        (entry, row)
        for entry in page.models
        if entry.key in own
        for row in own[entry.key].per_class
    ]
    forest = forest_of([row.auc for _, row in rows])
    return Section("classes", {"rows": rows, "forest": forest})


def _roc(page: Page) -> Section:
    """Return one-vs-rest curves of every class, or cumulative ones of every cut."""
    ordinal = page.outcome.kind == "ordinal"
    panels = []
    for entry in page.entries:
        for contrast in contrasts_of(entry.scores):
            question = page.t("above" if ordinal else "against_rest", label=contrast.name)
            figure = roc_figure(contrast, entry.label)
            panels.append(RocPanel(entry, question, contrast, figure))
    questions = [panel.question for panel in panels]
    panels = sorted(panels, key=lambda panel: questions.index(panel.question))
    return roc_section(page, panels, page.t("roc_ordinal" if ordinal else "roc_multiclass"))


def _expected(page: Page) -> Section:
    """Draw the expected class of the units of each true class."""
    t, labels, charts = page.t, page.outcome.labels, []
    for entry in page.models:
        scores = entry.scores
        rank = standing_of(page.outcome, scores.prediction, scores.truth).rank
        parts = [rank[scores.truth == k] for k in range(len(labels))]
        medians = "; ".join(
            t("expected_median", label=label, value=number(float(np.median(part))), n=part.size)
            for label, part in zip(labels, parts, strict=True)
            if part.size
        )
        alt = t("expected_alt", name=entry.label, medians=medians)
        name = f"expected-{entry.key}"
        chart = figures.classes_chart(name, alt, parts, labels, entry.colour, t("expected_axis"))
        charts.append((entry, chart))
    return Section("expected", {"charts": charts})
