"""The section of a survival task: Kaplan-Meier curves of the groups that the decision makes."""

from __future__ import annotations

from petnet.reporting import figures
from petnet.reporting.kind_metrics import SurvivalFigures, survival_figures
from petnet.reporting.pages import Page, Section
from petnet.reporting.survival_curves import GroupCurve, group_curves
from petnet.reporting.svg import BASELINE_COLOUR
from petnet.reporting.wording import Words, number

__all__ = ["survival_sections"]


def survival_sections(page: Page) -> tuple[Section, ...]:
    """Return the sections that only a survival task has."""
    t, time = page.t, str(page.runs[0].task["target"])
    charts, absent, rows = [], [], []
    for entry in page.models:
        curves = group_curves(entry.scores)
        words = [t("high_risk" if curve.high_risk else "low_risk") for curve in curves]
        if curves:
            chart = figures.survival_chart(
                f"survival-{entry.key}",
                _alt(entry.label, curves, words, t),
                curves,
                words,
                [entry.colour if curve.high_risk else BASELINE_COLOUR for curve in curves],
                (time, t("event_free"), t("at_risk")),
            )
            charts.append((entry, chart))
        else:
            absent.append(t("survival_none", name=entry.label))
        if entry.metrics:
            rows.append((entry, survival_figures(entry.source, entry.metrics)))
    content = {"charts": charts, "absent": absent, "rows": rows, "time": time}
    return (Section("survival", {**content, "rules": _rules([f for _, f in rows])}),)


def _rules(found: list[SurvivalFigures]) -> list[str]:
    return list(dict.fromkeys(f.rule for f in found if f.rule))


def _alt(name: str, curves: tuple[GroupCurve, ...], words: list[str], t: Words) -> str:
    """Say of each group how many it has and where it ends."""
    groups = "; ".join(
        t(
            "survival_group", name=word, n=curve.follow_up.size, events=curve.events,
            share=number(float(curve.survival[-1])), time=number(curve.last, 1),
        )
        for word, curve in zip(words, curves, strict=True)
    )  # fmt: skip
    return t("survival_alt", name=name, groups=groups)
