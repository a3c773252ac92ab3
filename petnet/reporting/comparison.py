"""Models and single parameters side by side: names, colours, figures, picks of the gallery."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from petnet.reporting.curves import UnitScores, per_unit
from petnet.reporting.figures import BASELINE_COLOUR, COLOURS
from petnet.reporting.metrics_file import ModelMetrics
from petnet.reporting.run_files import Run, Scores

__all__ = ["Entry", "Forest", "Pick", "entries_of", "forest_of", "picks_of"]

PICKS = 4


@dataclass(frozen=True, eq=False)
class Entry:
    """A model or a single parameter of the report.

    Attributes
    ----------
    key : str
        Unique in the page and fit for an id: m0, m1, ..., b0, b1, ...
    label, colour : str
    baseline : bool
    lower : bool
        Lower scores speak for the positive class.
    metrics : ModelMetrics or None
    scores : UnitScores
    """

    key: str
    label: str
    colour: str
    baseline: bool
    lower: bool
    metrics: ModelMetrics | None
    scores: UnitScores

    @property
    def value(self) -> float:
        """The headline AUC; NaN where metrics.json has none."""
        return self.metrics.auc.value if self.metrics else float("nan")


@dataclass(frozen=True)
class Forest:
    """The scale of the AUC plot: from `low` to 1 over `width` units of the drawing."""

    low: float
    width: float = 220.0

    def x(self, value: float) -> float:
        """Return the place of an AUC, kept within the drawing."""
        share = (value - self.low) / (1 - self.low)
        return round(self.width * min(1.0, max(0.0, share)), 2)

    @property
    def ticks(self) -> tuple[float, ...]:
        """Marks of the scale."""
        first = math.ceil(self.low * 4 - 1e-9)
        return tuple(k / 4 for k in range(first, 5))


@dataclass(frozen=True)
class Pick:
    """A unit whose pictures are shown, and why: wrong, highest or lowest."""

    unit: str
    why: str
    truth: float
    probability: float


def entries_of(runs: Sequence[Run]) -> tuple[Entry, ...]:
    """Return the models of all runs, then the single parameters, each once."""
    models = [run.model for run in runs]
    entries = []
    for k, run in enumerate(runs):
        label = run.model
        if models.count(run.model) > 1:
            label = f"{run.model} ({run.folder.name.rsplit('-', 1)[-1]})"
        entries.append(_entry(f"m{k}", label, COLOURS[k % len(COLOURS)], run, run.predictions))
    seen: set[str] = set()
    for run in runs:
        for scores in run.baselines:
            if scores.name not in seen and np.isfinite(scores.score).any():
                key = f"b{len(seen)}"
                seen.add(scores.name)
                entries.append(_entry(key, scores.name, BASELINE_COLOUR, run, scores, True))
    return tuple(entries)


def _entry(
    key: str, label: str, colour: str, run: Run, scores: Scores, baseline: bool = False
) -> Entry:
    metrics = run.metrics.get(scores.name if baseline else run.model)
    return Entry(key, label, colour, baseline, scores.sign < 0, metrics, per_unit(scores))


def forest_of(entries: Sequence[Entry]) -> Forest:
    """Return a scale that holds every interval and shows some room below 0.5."""
    lows = [0.4]
    for entry in entries:
        if entry.metrics:
            both = (entry.metrics.auc, entry.metrics.conditional)
            found = [v for e in both if e for v in (e.value, e.low)]
            lows += [v for v in found if math.isfinite(v)]
    return Forest(math.floor(min(lows) * 10 + 1e-9) / 10)


def picks_of(scores: UnitScores, pictured: set[str]) -> tuple[Pick, ...]:
    """Return up to four units each: furthest from the truth, highest and lowest probability.

    No unit is taken twice; ties are broken by the unit's name.
    """
    rows = [k for k, unit in enumerate(scores.unit.tolist()) if unit in pictured]
    p, truth = scores.score, scores.truth
    wrong = [k for k in rows if abs(p[k] - truth[k]) > 0.5]
    wrong = sorted(wrong, key=lambda k: -abs(p[k] - truth[k]))[:PICKS]
    rest = sorted((k for k in rows if k not in wrong), key=lambda k: -p[k])
    n_high = min(PICKS, (len(rest) + 1) // 2)
    n_low = min(PICKS, len(rest) - n_high)
    chosen = [(k, "wrong") for k in wrong] + [(k, "highest") for k in rest[:n_high]]
    chosen += [(k, "lowest") for k in reversed(rest[len(rest) - n_low :])]
    return tuple(Pick(str(scores.unit[k]), why, float(truth[k]), float(p[k])) for k, why in chosen)
