"""The section of a multilabel task: every label as a binary task of its own."""

from __future__ import annotations

from petnet.reporting.comparison import Entry, forest_of
from petnet.reporting.kind_metrics import LabelRow, label_rows
from petnet.reporting.pages import Page, Section
from petnet.reporting.sections_binary import decision_columns

__all__ = ["multilabel_sections"]


def multilabel_sections(page: Page) -> tuple[Section, ...]:
    """Return the table and forest of the labels, by label then by entry."""
    own = {
        entry.key: {row.label: row for row in label_rows(entry.source, entry.metrics)}
        for entry in page.entries
        if entry.metrics
    }
    labels: list[tuple[str, list[tuple[Entry, LabelRow]]]] = []
    for label in page.outcome.labels:
        found = [(e, own[e.key][label]) for e in page.entries if label in own.get(e.key, {})]
        if found:
            labels.append((label, found))
    rows = [row for _, found in labels for row in found]
    decisions = [row.decision for entry, row in rows if row.decision and not entry.baseline]
    rules = list(dict.fromkeys(d.rule for d in decisions if d.rule))
    return (
        Section(
            "labels",
            {
                "labels": labels,
                "forest": forest_of([row.headline for _, row in rows]),
                "briers": any(row.brier for _, row in rows),
                "decisions": [(e, row) for e, row in rows if row.decision and not e.baseline],
                "columns": decision_columns(decisions, page.t),
                "rules": rules,
            },
        ),
    )
