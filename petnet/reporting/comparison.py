"""Models and single parameters side by side: their names, colours, figures and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from petnet.reporting.curves import UnitScores, per_unit
from petnet.reporting.metrics_file import ModelMetrics
from petnet.reporting.run_files import Run
from petnet.reporting.score_files import Scores
from petnet.reporting.svg import BASELINE_COLOUR, COLOURS
from petnet.stats.intervals import Estimate

__all__ = ["Entry", "Forest", "entries_of", "forest_of"]


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
        Lower values speak for the positive class, the higher class, the earlier event.
    source : str
        The metrics.json that its figures are of.
    metrics : ModelMetrics or None
    scores : UnitScores
    """

    key: str
    label: str
    colour: str
    baseline: bool
    lower: bool
    source: str
    metrics: ModelMetrics | None
    scores: UnitScores

    @property
    def value(self) -> float:
        """The headline figure; NaN where metrics.json has none."""
        return self.metrics.headline.value if self.metrics else float("nan")


@dataclass(frozen=True)
class Forest:
    """The scale of a plot of figures: from `low` to 1 over `width` units of the drawing."""

    low: float
    width: float = 220.0

    def x(self, value: float) -> float:
        """Return the place of a figure, kept within the drawing."""
        share = (value - self.low) / (1 - self.low)
        return round(self.width * min(1.0, max(0.0, share)), 2)

    @property
    def ticks(self) -> tuple[float, ...]:
        """Marks of the scale."""
        first = math.ceil(self.low * 4 - 1e-9)
        return tuple(k / 4 for k in range(first, 5))


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
            if scores.name not in seen and np.isfinite(scores.prediction).any():
                key = f"b{len(seen)}"
                seen.add(scores.name)
                entries.append(_entry(key, scores.name, BASELINE_COLOUR, run, scores, True))
    return tuple(entries)


def _entry(
    key: str, label: str, colour: str, run: Run, scores: Scores, baseline: bool = False
) -> Entry:
    metrics = run.metrics.get(scores.name if baseline else run.model)
    source = str(run.folder / "metrics.json")
    lower = scores.sign < 0
    return Entry(key, label, colour, baseline, lower, source, metrics, per_unit(scores))


def forest_of(estimates: Sequence[Estimate | None]) -> Forest:
    """Return a scale that holds every interval and shows some room below 0.5."""
    found = [v for e in estimates if e for v in (e.value, e.low)]
    lowest = min([0.4, *(v for v in found if math.isfinite(v))])
    return Forest(max(0.0, math.floor(lowest * 10 + 1e-9) / 10))
