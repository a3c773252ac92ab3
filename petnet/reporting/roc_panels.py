"""The section of ROC curves, for every kind of task that has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from petnet.reporting.comparison import Entry
from petnet.reporting.curves import Contrast, RocFigure
from petnet.reporting.figures import roc_chart
from petnet.reporting.pages import Page, Section
from petnet.reporting.wording import number

__all__ = ["RocPanel", "roc_section"]


@dataclass(frozen=True, eq=False)
class RocPanel:
    """One curve: an entry put to one question.

    Attributes
    ----------
    entry : Entry
    question : str
        What counts as positive, in words; empty where there is one question only.
    contrast : Contrast
    figure : RocFigure or None
        None where only one answer is known.
    """

    entry: Entry
    question: str
    contrast: Contrast
    figure: RocFigure | None


def roc_section(page: Page, panels: Sequence[RocPanel], lead: str = "") -> Section:
    """Return the section of all panels; behind each curve stand those of the same question.

    Single parameters of a page of several questions stand behind only: they have no panel.
    """
    t = page.t
    questions = list(dict.fromkeys(panel.question for panel in panels))
    several = len(questions) > 1
    charts, absent = [], []
    for panel in panels:
        entry, figure = panel.entry, panel.figure
        if several and entry.baseline:
            continue
        title = f"{entry.label}, {panel.question}" if panel.question else entry.label
        if figure is None:
            absent.append(t("roc_none", name=title))
            continue
        others = [
            p.figure
            for p in panels
            if p.figure is not None and p.question == panel.question and p.entry is not entry
        ]
        name = f"roc-{entry.key}" + (
            f"-{questions.index(panel.question)}" if panel.question else ""
        )
        values = {"area": number(figure.area), "n": figure.n, "positive": figure.positive}
        label = t("roc_alt", name=title, units=page.units, **values)
        chart = roc_chart(name, label, figure, others, entry.colour, t("fpr"), t("tpr"))
        charts.append((panel, figure, chart))
    grey = "roc_grey"
    if several:
        grey = "roc_others_single" if any(p.entry.baseline for p in panels) else "roc_others"
    content = {
        # of one model the questions stand side by side, of several the models
        "groups": [("", charts)]
        if len(page.models) == 1
        else [(q, [chart for chart in charts if chart[0].question == q]) for q in questions],
        "level": charts[0][1].band.level if charts else None,
        "method": "; ".join(sorted({figure.band.method for _, figure, _ in charts})),
        "lead": lead,
        "grey": t(grey),
        "absent": absent,
    }
    return Section("roc", content)
