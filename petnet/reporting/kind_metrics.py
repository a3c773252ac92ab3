"""The figures of `metrics.json` that only one kind of task has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from petnet.errors import InputError
from petnet.reporting.metrics_file import ModelMetrics, estimate_of, number_of
from petnet.stats.intervals import Estimate

__all__ = [
    "SHARES",
    "BinaryFigures",
    "ClassFigures",
    "ClassRow",
    "Decision",
    "LabelRow",
    "RiskGroup",
    "SurvivalFigures",
    "binary_figures",
    "class_figures",
    "label_rows",
    "survival_figures",
]

SHARES = ("sensitivity", "specificity", "ppv", "npv", "accuracy")


@dataclass(frozen=True)
class Decision:
    """What a decision gets right: its rule in words, and shares by name."""

    rule: str
    shares: Mapping[str, Estimate]


@dataclass(frozen=True)
class BinaryFigures:
    """Calibration and decision of a model of a binary task."""

    brier: Estimate | None
    slope: Estimate | None
    in_the_large: Estimate | None
    decision: Decision | None


@dataclass(frozen=True)
class ClassRow:
    """One class against all others."""

    label: str
    n: int | None
    auc: Estimate | None


@dataclass(frozen=True)
class ClassFigures:
    """Decisions and probabilities of a model of a multiclass or ordinal task.

    Attributes
    ----------
    confusion : tuple of tuple of float
        Units by true class (rows) and decision (columns).
    kappa : Estimate or None
        Quadratic-weighted; ordinal tasks only.
    """

    labels: tuple[str, ...]
    confusion: tuple[tuple[float, ...], ...]
    accuracy: Estimate | None
    balanced_accuracy: Estimate | None
    kappa: Estimate | None
    brier: Estimate | None
    log_loss: Estimate | None
    per_class: tuple[ClassRow, ...]


@dataclass(frozen=True)
class LabelRow:
    """One label of a multilabel task: a binary task of its own."""

    label: str
    n: int | None
    positive: int | None
    headline: Estimate | None
    conditional: Estimate | None
    brier: Estimate | None
    decision: Decision | None


@dataclass(frozen=True)
class RiskGroup:
    """One of the groups that the decision makes."""

    name: str
    n: int | None
    events: int | None
    median: Estimate | None


@dataclass(frozen=True)
class SurvivalFigures:
    """Follow-up and risk groups of a survival task."""

    events: int | None
    median_follow_up: float
    rule: str
    groups: tuple[RiskGroup, ...]
    logrank_p: float
    hazard_ratio: Estimate | None


@dataclass(frozen=True)
class _Reader:
    """An object of the file, with the place of which an error speaks."""

    where: str
    field: str
    value: Mapping[str, Any]

    def estimate(self, key: str) -> Estimate | None:
        return estimate_of(self.where, f"{self.field}.{key}", self.value.get(key))

    def text(self, key: str) -> str:
        return str(self.value.get(key) or "")

    def part(self, key: str) -> _Reader | None:
        value = self.value.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise InputError(self.where, f"{self.field}.{key}", "an object", repr(value))
        return _Reader(self.where, f"{self.field}.{key}", value)

    def parts(self, key: str) -> Iterator[_Reader]:
        for k, row in enumerate(self.value.get(key) or ()):
            if not isinstance(row, dict):
                raise InputError(self.where, f"{self.field}.{key}[{k}]", "an object", repr(row))
            yield _Reader(self.where, f"{self.field}.{key}[{k}]", row)


def _reader(where: str, metrics: ModelMetrics) -> _Reader:
    return _Reader(where, f"entry {metrics.name}", metrics.own)


def _decision(part: _Reader | None) -> Decision | None:
    if part is None:
        return None
    shares = {name: part.estimate(name) for name in SHARES}
    return Decision(part.text("rule"), {k: v for k, v in shares.items() if v is not None})


def binary_figures(where: str, metrics: ModelMetrics) -> BinaryFigures:
    """Read what an entry of a binary task has beside its headline."""
    entry = _reader(where, metrics)
    return BinaryFigures(
        entry.estimate("brier"),
        entry.estimate("calibration_slope"),
        entry.estimate("calibration_in_the_large"),
        _decision(entry.part("decision")),
    )


def class_figures(where: str, metrics: ModelMetrics) -> ClassFigures:
    """Read what an entry of a multiclass or ordinal task has beside its headline.

    Raises
    ------
    InputError
        The confusion matrix is not square, with one row per label.
    """
    entry = _reader(where, metrics)
    labels = tuple(str(label) for label in entry.value.get("labels") or ())
    confusion = tuple(
        tuple(number_of(cell) for cell in row) for row in entry.value.get("confusion") or ()
    )
    if confusion and {len(labels)} != {len(confusion), *map(len, confusion)}:
        found = f"{len(confusion)} rows of {sorted({len(row) for row in confusion})}"
        raise InputError(
            where, f"{entry.field}.confusion", f"{len(labels)} rows and columns", found
        )
    return ClassFigures(
        labels=labels,
        confusion=confusion,
        accuracy=entry.estimate("accuracy"),
        balanced_accuracy=entry.estimate("balanced_accuracy"),
        kappa=entry.estimate("kappa_quadratic"),
        brier=entry.estimate("brier"),
        log_loss=entry.estimate("log_loss"),
        per_class=tuple(
            ClassRow(row.text("label"), row.value.get("n"), row.estimate("auc"))
            for row in entry.parts("per_class")
        ),
    )


def label_rows(where: str, metrics: ModelMetrics) -> tuple[LabelRow, ...]:
    """Read the labels of an entry of a multilabel task."""
    return tuple(
        LabelRow(
            row.text("label"),
            row.value.get("n"),
            row.value.get("positive"),
            row.estimate("headline"),
            row.estimate("conditional"),
            row.estimate("brier"),
            _decision(row.part("decision")),
        )
        for row in _reader(where, metrics).parts("per_label")
    )


def survival_figures(where: str, metrics: ModelMetrics) -> SurvivalFigures:
    """Read what an entry of a survival task has beside its headline."""
    entry = _reader(where, metrics)
    groups = entry.part("risk_groups") or _Reader(where, f"{entry.field}.risk_groups", {})
    return SurvivalFigures(
        events=entry.value.get("events"),
        median_follow_up=number_of(entry.value.get("median_follow_up")),
        rule=groups.text("rule"),
        groups=tuple(
            RiskGroup(
                row.text("name"),
                row.value.get("n"),
                row.value.get("events"),
                row.estimate("median"),
            )
            for row in groups.parts("groups")
        ),
        logrank_p=number_of(groups.value.get("logrank_p")),
        hazard_ratio=groups.estimate("hazard_ratio"),
    )
