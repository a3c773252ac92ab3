"""The sections of a binary task: ROC, calibration, decision, distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from petnet.reporting import figures
from petnet.reporting.comparison import Entry
from petnet.reporting.curves import calibration_bins, contrasts_of, roc_figure
from petnet.reporting.kind_metrics import SHARES, BinaryFigures, Decision, binary_figures
from petnet.reporting.pages import Page, Section
from petnet.reporting.roc_panels import RocPanel, roc_section
from petnet.reporting.wording import Words, number

__all__ = ["binary_sections", "decision_columns"]


def binary_sections(page: Page) -> tuple[Section, ...]:
    """Return the sections that only a binary task has."""
    own = {
        entry.key: binary_figures(entry.source, entry.metrics)
        for entry in page.models
        if entry.metrics
    }
    return (
        _roc(page),
        _calibration(page, own),
        _decision(page, own),
        _distribution(page),
    )


def _roc(page: Page) -> Section:
    panels = []
    for entry in page.entries:
        (contrast,) = contrasts_of(entry.scores)
        panels.append(RocPanel(entry, "", contrast, roc_figure(contrast, entry.label)))
    return roc_section(page, panels)


def _calibration(page: Page, own: Mapping[str, BinaryFigures]) -> Section:
    t = page.t
    charts: list[tuple[Entry, float, Any]] = []
    for entry in page.models:
        (contrast,) = contrasts_of(entry.scores)
        bins = calibration_bins(contrast)
        if bins is None:
            continue
        points = "; ".join(
            t("calibration_point", predicted=number(p), observed=number(o), count=n)
            for p, o, n in zip(bins.predicted, bins.observed, bins.count, strict=True)
        )
        label = t("calibration_alt", name=entry.label, points=points)
        axes = (t("predicted"), t("observed"))
        chart = figures.calibration_chart(
            f"calibration-{entry.key}", label, bins, entry.colour, *axes
        )
        prevalence = float(contrast.truth.mean())
        charts.append((entry, prevalence * (1 - prevalence), chart))
    rows = [(entry, own.get(entry.key)) for entry in page.models]
    return Section(
        "calibration", {"charts": charts, "rows": rows, "methods": _methods(list(own.values()), t)}
    )


def _methods(own: Sequence[BinaryFigures], t: Words) -> list[str]:
    """Say how slope and intercept were made, as metrics.json names it."""
    found = [
        f"{t(key)}: {estimate.method}."
        for key, estimates in (
            ("slope", [figures.slope for figures in own]),
            ("intercept", [figures.in_the_large for figures in own]),
        )
        for estimate in estimates
        if estimate and estimate.method
    ]
    return list(dict.fromkeys(found))


def decision_columns(decisions: Sequence[Decision], t: Words) -> list[tuple[str, str, str]]:
    """Return key, heading and explanation of every share that any of the decisions has."""
    return [
        (name, t(name), t(f"{name}_hint"))
        for name in SHARES
        if any(name in decision.shares for decision in decisions)
    ]


def _decision(page: Page, own: Mapping[str, BinaryFigures]) -> Section:
    rows = [
        (entry, own[entry.key].decision)
        for entry in page.models
        if entry.key in own and own[entry.key].decision
    ]
    decisions = [decision for _, decision in rows if decision]
    rules = list(dict.fromkeys(decision.rule for decision in decisions if decision.rule))
    methods = {e.method for decision in decisions for e in decision.shares.values() if e.method}
    return Section(
        "decision",
        {
            "rows": rows,
            "columns": decision_columns(decisions, page.t),
            "rules": rules,
            "methods": sorted(methods),
        },
    )


def _distribution(page: Page) -> Section:
    t, charts = page.t, []
    words = (t("positive"), t("negative"))
    for entry in page.models:
        (contrast,) = contrasts_of(entry.scores)
        if not contrast.truth.size:
            continue
        medians = [
            number(float(np.median(part))) if part.size else "–"
            for part in (contrast.score[contrast.truth == k] for k in (1, 0))
        ]
        label = t("distribution_alt", name=entry.label, positive=medians[0], negative=medians[1])
        axes = (t("predicted"), t("count"))
        name = f"distribution-{entry.key}"
        chart = figures.distribution_chart(name, label, contrast, words, *axes)
        charts.append((entry, chart))
    return Section("distribution", {"charts": charts})
