"""Outcome: the numbers that are predicted, for each kind of task; one shape for every model.

====================  =============================  =========================================
kind                  target                         prediction (n, K)
====================  =============================  =========================================
binary                (n,) 1, 0                      K = 1: probability of the positive class
multiclass, ordinal   (n,) index of the class        K classes: their probabilities, sum 1
multilabel            (n, L) 1, 0 per label          K = L: probability of each label
survival              (n, 2) time, event (1, 0)      K = 1: log relative hazard (higher: earlier)
====================  =============================  =========================================

Missing is NaN everywhere. A unit of a multilabel task is usable when any of its labels is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from petnet.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BINARY", "Kind", "Outcome"]

Kind = Literal["binary", "multiclass", "ordinal", "multilabel", "survival"]


@dataclass(frozen=True)
class Outcome:
    """What a task predicts, as numbers.

    Attributes
    ----------
    kind : {"binary", "multiclass", "ordinal", "multilabel", "survival"}
    labels : tuple of str
        Names of the K columns of a prediction: the target of a binary task; the classes, for
        ordinal tasks in rising order; the labels of a multilabel task; "risk" for survival.
    """

    kind: Kind = "binary"
    labels: tuple[str, ...] = ("positive",)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError("outcome", "kind", f"one of {', '.join(get_args(Kind))}", self.kind)
        least = {"multiclass": 3, "ordinal": 3, "multilabel": 2}.get(self.kind, 1)
        doubled = len(set(self.labels)) < len(self.labels)
        if len(self.labels) < least or doubled:
            expected = f"{least} or more different names" if least > 1 else "one name"
            raise InputError("outcome", f"labels of a {self.kind} task", expected, f"{self.labels}")

    @property
    def by_class(self) -> bool:
        """Whether the target is one of several named classes."""
        return self.kind in ("multiclass", "ordinal")

    @property
    def outputs(self) -> int:
        """Columns K of a prediction."""
        return len(self.labels)

    @property
    def columns(self) -> int:
        """Columns of the target; 1 stands for a one-dimensional array."""
        return {"multilabel": len(self.labels), "survival": 2}.get(self.kind, 1)

    @property
    def score_columns(self) -> tuple[str, ...]:
        """Columns of a table of predictions that hold the prediction."""
        if self.kind == "binary":
            return ("probability",)
        if self.kind == "survival":
            return ("risk",)
        return tuple(f"probability_{label}" for label in self.labels)

    @property
    def truth_columns(self) -> tuple[str, ...]:
        """Columns of a table of predictions that hold the target.

        `truth` is 1 or 0 for binary tasks, the name of the class for multiclass and ordinal ones.
        """
        if self.kind == "survival":
            return ("time", "event")
        if self.kind == "multilabel":
            return tuple(f"truth_{label}" for label in self.labels)
        return ("truth",)

    @property
    def decision_columns(self) -> tuple[str, ...]:
        """Columns of a table of predictions that hold the decision; see `decide`."""
        if self.kind == "multilabel":
            return tuple(f"decision_{label}" for label in self.labels)
        return ("decision",)

    def empty(self, n: int) -> NDArray[np.float64]:
        """Return a target of n units of which nothing is known."""
        import numpy as np

        return np.full(n if self.columns == 1 else (n, self.columns), np.nan)

    def known(self, target: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (n,) bool: which units can be learned from or judged."""
        import numpy as np

        filled: NDArray[np.bool_] = ~np.isnan(target)
        if self.kind == "multilabel":
            return np.asarray(filled.any(axis=1))
        return np.asarray(filled.all(axis=1)) if self.columns > 1 else filled

    def strata(self, target: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return (n,) int: what a split keeps in the same shares on both sides.

        The class; for multilabel tasks whether a unit has many positive labels, more than that
        number which divides the units most nearly in half (all labels at once would leave every
        unit alone); for survival the event.
        """
        import numpy as np

        if self.kind == "survival":
            return np.asarray(target[:, 1]).astype(np.int64)
        if self.kind != "multilabel":
            return target.astype(np.int64)
        count = np.nansum(target, axis=1)
        # Not the median: where many units share it, a handful of units are above.
        above = [count > few for few in np.unique(count)[:-1]] or [np.zeros(len(count))]
        nearest = min(above, key=lambda many: abs(2 * many.sum() - len(count)))
        return np.asarray(nearest, dtype=np.int64)

    @property
    def stratum_names(self) -> tuple[str, ...]:
        """What the numbers of `strata` stand for."""
        if self.kind == "survival":
            return ("censored", "event")
        if self.kind == "multilabel":
            return ("few positive labels", "many positive labels")
        return self.labels if self.by_class else ("negative", "positive")

    def lacking(self, target: NDArray[np.float64], every_label: bool = True) -> str:
        """Say what a part lacks to be learned from or judged; empty if nothing.

        Binary and ordinal tasks need two classes (of the ordinal ones any two), multiclass tasks
        all, each label of a multilabel task both values, survival tasks an event.

        Parameters
        ----------
        every_label : bool
            False asks for both values of any label of a multilabel task: of a rare label, a fold's
            training part may hold one value, and the others can be learned all the same.
        """
        import numpy as np

        if self.kind == "survival":
            return "" if np.nansum(target[:, 1]) else "no event"
        if self.kind == "multilabel":
            return self._lacking_labels(target, every_label)
        found = np.unique(target[~np.isnan(target)]).astype(int)
        if len(found) >= (len(self.labels) if self.kind == "multiclass" else 2):
            return ""
        names = found.tolist() if self.kind == "binary" else [self.labels[i] for i in found]
        return f"only {names}"

    def unknown(self, target: NDArray[np.float64]) -> str:
        """Say of which label a training part knows nothing at all; empty if of none."""
        import numpy as np

        if self.kind != "multilabel":
            return ""
        empty = np.flatnonzero(np.isnan(target).all(axis=0))
        return f"label {self.labels[empty[0]]}: no unit for which it is known" if len(empty) else ""

    def _lacking_labels(self, target: NDArray[np.float64], every_label: bool) -> str:
        import numpy as np

        found = []
        for column, label in enumerate(self.labels):
            values = np.unique(target[~np.isnan(target[:, column]), column])
            if len(values) < 2:
                found.append(f"label {label}: only {values.astype(int).tolist()}")
        return found[0] if found and (every_label or len(found) == len(self.labels)) else ""

    def base(self, target: NDArray[np.float64]) -> list[float]:
        """Return the shares of a training part that `decide` compares with, one per label.

        Share of the positives (binary, multilabel) or of each class; 0 for survival, whose log
        relative hazards are centred on the training part.
        """
        import numpy as np

        if self.kind == "survival":
            return [0.0]
        if self.by_class:
            counts = np.bincount(target[~np.isnan(target)].astype(int), minlength=self.outputs)
            return [float(c) for c in counts / counts.sum()]
        if self.kind == "multilabel":
            return [float(share) for share in np.nanmean(target, axis=0)]
        return [float(np.nanmean(target))]

    def decide(self, prediction: NDArray[np.float64], base: list[float]) -> NDArray[np.int64]:
        """Turn predictions into decisions, with nothing but the base rates of the training part.

        A probability above the training share is positive: for a calibrated model that is the
        cut-off of the largest Youden index. The class with the largest ratio of probability to
        share wins (multiclass); the median of those ratios, taken as weights, decides for ordinal
        tasks. A hazard above that of the average training unit is high risk. A label that was
        positive throughout stays so.

        Returns
        -------
        (n,) int64 array, (n, L) for multilabel tasks
            1 or 0, or the index of the class.
        """
        import numpy as np

        prediction = np.asarray(prediction, dtype=np.float64)
        if self.kind == "multilabel":
            share = np.asarray(base)
            return np.asarray((prediction > share) | (share == 1), dtype=np.int64)
        if not self.by_class:
            return (prediction[:, 0] > base[0]).astype(np.int64)
        weight = prediction / np.maximum(np.asarray(base), 1e-12)
        if self.kind == "multiclass":
            return np.asarray(weight.argmax(axis=1), dtype=np.int64)
        below = np.cumsum(weight, axis=1)
        return np.asarray((below < below[:, -1:] / 2).sum(axis=1), dtype=np.int64)

    def name_of(self, index: NDArray[Any]) -> list[Any]:
        """Return class indices as they stand in tables: names of classes, else numbers or None."""
        if self.by_class:
            return [None if i != i else self.labels[int(i)] for i in index]
        return [None if i != i else int(i) for i in index]


BINARY = Outcome()
