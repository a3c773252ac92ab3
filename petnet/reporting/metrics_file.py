"""`metrics.json`: the figures of a run, as the run computed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from petnet.errors import InputError
from petnet.stats.intervals import REFITTED, Estimate

__all__ = ["ModelMetrics", "Versus", "metrics_of", "training_auc"]

NOTHING = float("nan")


@dataclass(frozen=True)
class Versus:
    """A model against a single parameter: AUC of the model minus that of the parameter."""

    name: str
    difference: Estimate
    p: float
    n: int | None


@dataclass(frozen=True)
class ModelMetrics:
    """One entry of `metrics.json`; absent figures are NaN, absent intervals None."""

    name: str
    auc: Estimate
    conditional: Estimate | None
    conditional_label: str
    per_repeat: tuple[float, ...]
    brier: Estimate | None
    slope: Estimate | None
    in_the_large: Estimate | None
    versus: tuple[Versus, ...]
    n: int | None
    positive: int | None

    @property
    def refitted(self) -> bool:
        """Whether the interval of the headline AUC says that it includes the refitting."""
        return REFITTED in self.auc.method


def _estimate(where: str, field: str, value: Any) -> Estimate | None:
    """Read a number, or an object of value, low, high, level and method; None for null."""
    if value is None:
        return None
    if isinstance(value, (int, float)):
        return Estimate(float(value), NOTHING, NOTHING, NOTHING, "")
    if not isinstance(value, dict) or "value" not in value:
        raise InputError(where, field, "a number or an object with value", repr(value))

    def number(key: str) -> float:
        return NOTHING if value.get(key) is None else float(value[key])

    method = str(value.get("method") or "")
    return Estimate(number("value"), number("low"), number("high"), number("level"), method)


def metrics_of(where: str, metrics: Mapping[str, Any]) -> dict[str, ModelMetrics]:
    """Read the models and single parameters of `metrics.json` by name."""
    found = {}
    for k, entry in enumerate(metrics.get("models") or ()):
        name = str(entry.get("name"))
        auc = _estimate(where, f"models[{k}].auc", entry.get("auc"))
        if auc is None:
            raise InputError(where, f"models[{k}].auc", "an estimate", "none")
        parts = {
            key: _estimate(where, f"models[{k}].{key}", entry.get(key))
            for key in (
                "auc_conditional",
                "brier",
                "calibration_slope",
                "calibration_in_the_large",
            )
        }
        found[name] = ModelMetrics(
            name,
            auc,
            parts["auc_conditional"],
            _label(entry.get("auc_conditional")),
            tuple(NOTHING if v is None else float(v) for v in entry.get("auc_per_repeat") or ()),
            parts["brier"],
            parts["calibration_slope"],
            parts["calibration_in_the_large"],
            _versus(where, f"models[{k}].versus", entry.get("versus")),
            entry.get("n"),
            entry.get("positive"),
        )
    return found


def _label(value: Any) -> str:
    return str(value.get("label") or "") if isinstance(value, dict) else ""


def _versus(where: str, field: str, value: Any) -> tuple[Versus, ...]:
    """Read the paired comparisons of a model; none where the file has none."""
    found = []
    for k, row in enumerate(value or ()):
        if not isinstance(row, dict) or not {"name", "difference"} <= row.keys():
            raise InputError(
                where, f"{field}[{k}]", "an object with name and difference", repr(row)
            )
        difference = _estimate(where, f"{field}[{k}]", {**row, "value": row["difference"]})
        if difference is not None:
            p = NOTHING if row.get("p") is None else float(row["p"])
            found.append(Versus(str(row["name"]), difference, p, row.get("n")))
    return tuple(found)


def training_auc(where: str, metrics: Mapping[str, Any], model: str) -> Estimate | None:
    """Read the AUC on the training parts: of the file, or of the model's own entry."""
    entries = [e for e in metrics.get("models") or () if e.get("name") == model]
    found = [metrics.get("train_auc"), *(e.get("auc_training") for e in entries)]
    return next((_estimate(where, "training AUC", v) for v in found if v is not None), None)
