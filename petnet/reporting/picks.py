"""Which units tell most about a model: the most wrong, and both ends of its ranking."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.outcome import Outcome

__all__ = ["Pick", "Standing", "chosen_units", "picks_of", "standing_of"]

PICKS = 4
# From which error a unit counts as wrong: the other class is nearer, or likelier than the own one.
# Labels of a multilabel unit are rarely wrong on the whole; the most wrong are shown all the same.
WRONG = {"binary": 0.5, "multiclass": 0.5, "ordinal": 0.5, "multilabel": 0.0, "survival": np.inf}


@dataclass(frozen=True, eq=False)
class Standing:
    """Where units stand in a model's eyes.

    Attributes
    ----------
    rank : (U,) float64 array
        Probability (binary), expected class index (ordinal), probability of the likeliest class
        (multiclass), expected share of positive labels (multilabel), log hazard (survival).
    error : (U,) float64 array
        Distance of `rank` from the truth; one minus the probability of the true class
        (multiclass); mean distance over the known labels (multilabel). NaN where the truth is
        unknown, and for survival, where a risk has no truth to be held against.
    """

    rank: NDArray[np.float64]
    error: NDArray[np.float64]


@dataclass(frozen=True)
class Pick:
    """A unit whose pictures are shown, by its row, and why: wrong, highest or lowest."""

    row: int
    why: str


def standing_of(
    outcome: Outcome, prediction: NDArray[np.float64], truth: NDArray[np.float64]
) -> Standing:
    """Rank units by their predictions, (U, K), and hold these against the truth."""
    if outcome.kind == "ordinal":
        rank = prediction @ np.arange(outcome.outputs)
        return Standing(rank, np.abs(rank - truth))
    if outcome.kind == "multiclass":
        known = np.isfinite(truth)
        row, column = np.flatnonzero(known), truth[known].astype(np.intp)
        error = np.full(len(prediction), np.nan)
        error[row] = 1 - prediction[row, column]
        return Standing(prediction.max(axis=1), error)
    if outcome.kind == "multilabel":
        distance = np.abs(prediction - truth)
        n = np.isfinite(distance).sum(axis=1)
        error = np.where(n > 0, np.nansum(distance, axis=1) / np.maximum(n, 1), np.nan)
        return Standing(prediction.mean(axis=1), error)
    rank = prediction[:, 0]
    if outcome.kind == "survival":
        return Standing(rank, np.full(rank.size, np.nan))
    return Standing(rank, np.abs(rank - truth))


def picks_of(outcome: Outcome, standing: Standing, rows: Collection[int]) -> tuple[Pick, ...]:
    """Return up to four units each: furthest from the truth, highest and lowest in rank.

    Only `rows` are looked at, and no unit is taken twice; ties are broken by the order of rows.
    """
    rank, error = standing.rank, standing.error
    wrong = [k for k in rows if error[k] > WRONG[outcome.kind]]
    wrong = sorted(wrong, key=lambda k: -error[k])[:PICKS]
    rest = sorted((k for k in rows if k not in wrong), key=lambda k: -rank[k])
    n_high = min(PICKS, (len(rest) + 1) // 2)
    n_low = min(PICKS, len(rest) - n_high)
    chosen = [Pick(k, "wrong") for k in wrong] + [Pick(k, "highest") for k in rest[:n_high]]
    return (*chosen, *(Pick(k, "lowest") for k in reversed(rest[len(rest) - n_low :])))


def chosen_units(standing: Standing, count: int) -> list[int]:
    """Return the rows of which a run keeps pictures: both ends in thirds, then the most wrong.

    Whoever of the ends is also among the most wrong leaves its place to the next most wrong; where
    no error is defined the rest of the ranking follows from its upper end.
    """
    order = np.argsort(standing.rank, kind="stable")
    third = count // 3
    worst = np.argsort(np.where(np.isnan(standing.error), np.inf, -standing.error), kind="stable")
    if np.isnan(standing.error).all():
        worst = order[::-1]
    ends = [*order[::-1][:third], *order[:third]]
    return [int(k) for k in dict.fromkeys([*ends, *worst])][:count]
