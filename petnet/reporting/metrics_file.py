"""`metrics.json`: the figures of a run, as the run computed them; what all kinds have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from petnet.errors import InputError
from petnet.stats.intervals import REFITTED, Estimate

__all__ = ["NOTHING", "ModelMetrics", "Versus", "estimate_of", "metrics_of", "number_of"]

NOTHING = float("nan")


@dataclass(frozen=True)
class Versus:
    """A model against a single parameter: figure of the model minus that of the parameter."""

    name: str
    difference: Estimate
    p: float
    n: int | None


@dataclass(frozen=True)
class ModelMetrics:
    """One entry of `metrics.json`; absent figures are NaN, absent intervals None.

    Attributes
    ----------
    name : str
    measure : str
        Name of the headline figure, such as AUC.
    headline : Estimate
    conditional : Estimate or None
    conditional_label : str
    per_repeat : tuple of float
    n : int or None
        Units.
    counts : mapping of str to int
        Units by class.
    training : float
        The headline figure on the models' own training data.
    versus : tuple of Versus
    own : mapping
        The whole entry: what its kind has beside these; see `petnet.reporting.kind_metrics`.
    """

    name: str
    measure: str
    headline: Estimate
    conditional: Estimate | None
    conditional_label: str
    per_repeat: tuple[float, ...]
    n: int | None
    counts: Mapping[str, int]
    training: float
    versus: tuple[Versus, ...]
    own: Mapping[str, Any]

    @property
    def refitted(self) -> bool:
        """Whether the interval of the headline figure says that it includes the refitting."""
        return REFITTED in self.headline.method


def number_of(value: Any) -> float:
    """Return a number of the file; NaN for null and for what is absent."""
    return NOTHING if value is None else float(value)


def estimate_of(where: str, field: str, value: Any) -> Estimate | None:
    """Read a number, or an object of value, low, high, level and method; None for null."""
    if value is None:
        return None
    if isinstance(value, (int, float)):
        return Estimate(float(value), NOTHING, NOTHING, NOTHING, "")
    if not isinstance(value, dict) or "value" not in value:
        raise InputError(where, field, "a number or an object with value", repr(value))
    figure, low, high, level = (number_of(value.get(k)) for k in ("value", "low", "high", "level"))
    return Estimate(figure, low, high, level, str(value.get("method") or ""))


def metrics_of(where: str, metrics: Mapping[str, Any]) -> dict[str, ModelMetrics]:
    """Read the models and single parameters of `metrics.json` by name."""
    entries = metrics.get("models")
    if not isinstance(entries, list):
        raise InputError(where, "models", "a list of entries", repr(entries))
    return {str(entry.get("name")): _entry(where, k, entry) for k, entry in enumerate(entries)}


def _entry(where: str, position: int, entry: Mapping[str, Any]) -> ModelMetrics:
    field = f"models[{position}]"
    if "headline" not in entry:
        raise InputError(where, f"{field}.headline", "an estimate or null", "none")
    headline = estimate_of(where, f"{field}.headline", entry["headline"])
    conditional = entry.get("conditional")
    label = str(conditional.get("label") or "") if isinstance(conditional, dict) else ""
    return ModelMetrics(
        name=str(entry.get("name")),
        measure=str(entry.get("measure") or ""),
        headline=headline or Estimate(NOTHING, NOTHING, NOTHING, NOTHING, ""),
        conditional=estimate_of(where, f"{field}.conditional", conditional),
        conditional_label=label,
        per_repeat=tuple(number_of(v) for v in entry.get("per_repeat") or ()),
        n=entry.get("n"),
        counts=dict(entry.get("counts") or {}),
        training=number_of(entry.get("training")),
        versus=_versus(where, f"{field}.versus", entry.get("versus")),
        own=entry,
    )


def _versus(where: str, field: str, value: Any) -> tuple[Versus, ...]:
    """Read the paired comparisons of a model; none where the file has none."""
    found = []
    for k, row in enumerate(value or ()):
        if not isinstance(row, dict) or not {"name", "difference"} <= row.keys():
            raise InputError(
                where, f"{field}[{k}]", "an object with name and difference", repr(row)
            )
        difference = estimate_of(where, f"{field}[{k}]", {**row, "value": row["difference"]})
        if difference is not None:
            found.append(
                Versus(str(row["name"]), difference, number_of(row.get("p")), row.get("n"))
            )
    return tuple(found)
