"""The figure of a repeated cross-validation: pairs within folds, and an interval that refits.

Scores of different folds come from different models and are never compared, so the figure does not
suffer the downward bias of pooled out-of-fold scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.errors import InputError
from petnet.stats._checks import labels, level_of, same_length
from petnet.stats.intervals import REFITTED, Estimate, Scale, transformed_interval

__all__ = ["FoldFigures", "Judge", "corrected_interval", "fold_figures"]

WHERE = "cross-validation"
Judge = Callable[[NDArray[np.intp]], tuple[NDArray[np.float64], NDArray[np.int64]]]
"""Values and numbers of pairs of the C components of a figure, of the rows at given positions."""


@dataclass(frozen=True, eq=False)
class FoldFigures:
    """The figure of every fold that holds a pair to compare.

    A figure is the mean of C components, each a share of pairs: one for an AUC or a C-index, one
    per label or pair of classes for averages over these (`petnet.stats.headline`).

    Attributes
    ----------
    repeat, fold : (J,) int arrays
        Codes in sorted order of the labels given.
    value : (J, C) float64 array
        NaN where a fold holds no pair of a component.
    pairs : (J, C) int array
    n_test, n_train : (J,) int arrays
        Units of the fold, and units of its repeat outside the fold.
    n_skipped : int
        Folds without any pair: they contribute nothing and are not among the J.
    """

    repeat: NDArray[np.intp]
    fold: NDArray[np.intp]
    value: NDArray[np.float64]
    pairs: NDArray[np.int64]
    n_test: NDArray[np.intp]
    n_train: NDArray[np.intp]
    n_skipped: int

    @property
    def n_partial(self) -> int:
        """Folds that hold no pair of some component which other folds have."""
        return int((self.pairs[:, self.defined] == 0).any(axis=1).sum())

    @property
    def defined(self) -> NDArray[np.bool_]:
        """(C,) whether a component has a pair in any fold; the others are left out."""
        return np.asarray(self.pairs.any(axis=0))

    @property
    def share(self) -> NDArray[np.float64]:
        """(J, C) share of each fold in each component: of the repeat's pairs, over repeats.

        Columns sum to 1, or are 0 where the component is not defined.
        """
        total = np.zeros((int(self.repeat.max()) + 1, self.pairs.shape[1]))
        np.add.at(total, self.repeat, self.pairs)
        repeats = np.maximum((total > 0).sum(axis=0), 1)
        made: NDArray[np.float64] = self.pairs / np.maximum(total, 1)[self.repeat] / repeats
        return made

    @property
    def components(self) -> NDArray[np.float64]:
        """(C,) concordant pairs over pairs within folds, averaged over repeats; NaN: no pair."""
        value = (self.share * np.where(self.pairs > 0, self.value, 0)).sum(axis=0)
        return np.where(self.defined, np.clip(value, 0, 1), np.nan)

    @property
    def mean(self) -> float:
        """The headline: the mean of the components that are defined."""
        return float(np.mean(self.components[self.defined]))

    @property
    def per_repeat(self) -> NDArray[np.float64]:
        """(R,) the same of each repeat alone."""
        made = np.empty(int(self.repeat.max()) + 1)
        for r in range(made.size):
            rows = self.repeat == r
            pairs = self.pairs[rows]
            right = (pairs * np.where(pairs > 0, self.value[rows], 0)).sum(axis=0)
            total = pairs.sum(axis=0)
            made[r] = np.mean(right[total > 0] / total[total > 0])
        return made

    def only(self, component: int) -> FoldFigures | None:
        """Return one component alone, of the folds that have it; None where none has.

        The sizes of the folds remain those with all units, known for this component or not.
        """
        rows = self.pairs[:, component] > 0
        if not rows.any():
            return None
        return FoldFigures(
            np.unique(self.repeat[rows], return_inverse=True)[1],
            self.fold[rows],
            self.value[rows][:, [component]],
            self.pairs[rows][:, [component]],
            self.n_test[rows],
            self.n_train[rows],
            self.n_skipped + int((~rows).sum()),
        )


def fold_figures(judge: Judge, fold: ArrayLike, repeat: ArrayLike) -> FoldFigures:
    """Judge every fold of a repeated cross-validation.

    Parameters
    ----------
    judge : callable
    fold, repeat : (rows,) arrays
        One row per unit and repeat; `fold` is the fold that held the unit out.

    Raises
    ------
    InputError
        A repeat in which no fold holds a pair to compare; unequal lengths; what `judge` raises.
    """
    folds, repeats = labels(WHERE, "fold", fold), labels(WHERE, "repeat", repeat)
    same_length(WHERE, fold=folds, repeat=repeats)
    size = np.bincount(repeats)
    rows, figures, skipped = [], [], 0
    for r, f in np.unique(np.stack([repeats, folds]), axis=1).T:
        held_out = np.flatnonzero((repeats == r) & (folds == f))
        value, pairs = judge(held_out)
        if not pairs.any():
            skipped += 1
            continue
        figures.append((value, pairs))
        rows.append((r, f, held_out.size, size[r] - held_out.size))
    empty = np.setdiff1d(np.arange(size.size), [row[0] for row in rows])
    if empty.size:
        name = np.unique(np.asarray(repeat))[empty[0]]
        raise InputError(
            WHERE,
            f"repeat {name}",
            "at least one fold with both classes (or an event before another unit's time)",
            "none",
        )
    r, f, test, train = (np.array(values, dtype=np.intp) for values in zip(*rows, strict=True))
    value, pairs = (np.stack(parts) for parts in zip(*figures, strict=True))
    return FoldFigures(r, f, value, pairs, test, train, skipped)


def corrected_interval(
    folds: FoldFigures, level: float = 0.95, method: Scale = "logit"
) -> Estimate:
    r"""Return the headline with an interval that includes the refitting of the model.

    Nadeau and Bengio's corrected resampled t (doi 10.1023/A:1024068626366) over the figures
    :math:`a_j` of the folds, weighted by their share :math:`w_j` of the pairs of their repeat
    (equal folds: :math:`w_j = 1/J`, the published formula):

    .. math:: \bar a = \sum w_j a_j, \quad
              S^2 = \frac{\sum w_j (a_j - \bar a)^2}{1 - \sum w_j^2}, \quad
              \mathrm{se}^2 = \Big(\sum w_j^2 + \sum w_j \frac{n^{test}_j}{n^{train}_j}\Big) S^2

    with J − 1 degrees of freedom. In simulations with a refitted linear model the 95 % logit
    interval covered the expected AUC in 95 % of cohorts of 118 and 200, and in 91–97 % of cohorts
    of 36 with 13 positives; the Wald interval fell to 84 % there, hence the default. With ridge
    regression refitted in 3 x 5 folds of 150 cohorts of 120 it covered 97 % for the C-index of
    three ordered classes, of survival with 40 % censored and for the AUC over three labels, and
    92 % for Hand and Till's M.

    Of a figure of C components with shares :math:`w_{jc}`, :math:`w_j` is their mean over c and
    :math:`a_j - \bar a` the mean of :math:`w_{jc} (a_{jc} - \bar a_c) / w_j`: a fold that lacks an
    easy label is not taken for a bad one.

    Returns
    -------
    Estimate
        Bounds are NaN with fewer than two folds, or where every fold has the same figure (no
        spread to learn from). The method says how many folds could not be judged, or not in full.
    """
    from scipy.special import stdtrit

    level_of(WHERE, level)
    defined, share = folds.defined, folds.share[:, folds.defined]
    values, name = folds.value[:, defined], f"corrected resampled t, {method}; {REFITTED}"
    name += _left_out(folds)
    value = folds.mean
    if np.nanmax(np.ptp(_filled(values), axis=0)) == 0 or (folds.n_train == 0).any():
        return Estimate(value, np.nan, np.nan, level, name)
    weight = share.mean(axis=1)
    distance = np.where(share > 0, values - folds.components[defined], 0)
    deviation = (share * distance).mean(axis=1) / weight
    concentration = float(weight @ weight)
    correction = float(weight @ (folds.n_test / folds.n_train))
    spread = float(weight @ deviation**2)
    error = np.sqrt((concentration + correction) * spread / (1 - concentration))
    quantile = float(stdtrit(weight.size - 1, 0.5 + level / 2))
    low, high = transformed_interval(value, float(error), quantile, method)
    return Estimate(value, low, high, level, name)


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace what is missing in a column by its first value that is there."""
    first = values[np.argmax(~np.isnan(values), axis=0), np.arange(values.shape[1])]
    return np.where(np.isnan(values), first, values)


def _left_out(folds: FoldFigures) -> str:
    """Say what could not be judged; empty if nothing."""
    text, count = "", folds.value.shape[0] + folds.n_skipped
    if folds.n_skipped:
        text += f"; {folds.n_skipped} of {count} folds left out: nothing to compare"
    if folds.n_partial:
        text += f"; {folds.n_partial} of {count} folds lack a class or label, left out there"
    if not folds.defined.all():
        left = int((~folds.defined).sum())
        text += f"; {left} of {folds.defined.size} parts never comparable, left out"
    return text
