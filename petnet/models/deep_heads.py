"""What the outputs of a network mean, for each kind of outcome: targets, loss, prediction.

A head is learned from the target of the training part and knows its base rates. The network's
logits are those of *balanced* classes: 0 is what is said of a unit about which nothing is known,
however rare a class is. `Head.prediction` puts the base rates back (prior correction; King & Zeng,
Political Analysis 2001, doi 10.1093/oxfordjournals.pan.a004868).

Classes of which the training part has no unit get no output of the network and are predicted with
`FLOOR`, which is so small that they win no decision (`petnet.outcome.Outcome.decide`).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax
from torch import Tensor, nn
from torchmetrics.functional.classification import (
    binary_accuracy,
    binary_auroc,
    multiclass_accuracy,
    multiclass_auroc,
)

from petnet.models.losses import (
    balanced_binary,
    balanced_classes,
    balanced_labels,
    partial_likelihood,
)
from petnet.models.network import OrderedCutpoints
from petnet.outcome import Kind, Outcome
from petnet.stats.concordance import harrell, ordinal

__all__ = ["FLOOR", "Head", "head_from_state", "learned_head"]

Array = NDArray[np.float64]
FLOOR = 1e-15
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Head(ABC):
    """One kind of outcome, as learned from a training part.

    Attributes
    ----------
    outcome : Outcome
    shares : tuple of float
        `Outcome.base` of the training part.
    """

    outcome: Outcome
    shares: tuple[float, ...]

    @property
    def outputs(self) -> int:
        """Columns that the fusion must give."""
        return 1

    def last_layer(self) -> nn.Module:
        """Return what makes logits of the fusion's columns; may have weights of its own."""
        return nn.Identity()

    @abstractmethod
    def targets(self, target: Array) -> Tensor:
        """Return the target of the training part, one row per unit, as `loss` takes it."""

    @abstractmethod
    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss, (), of float32 logits (B, K)."""

    def settled(self, logits: Callable[[], Array]) -> Self:
        """Return the head as it is after training; `logits` gives those of the training part."""
        return self

    @abstractmethod
    def prediction(self, logits: Array) -> Array:
        """Turn logits (n, K) into a prediction as `petnet.outcome` says."""

    @abstractmethod
    def figures(self, logits: Tensor, target: Tensor) -> dict[str, float]:
        """Judge the logits of a whole epoch, on the CPU."""

    def state(self) -> dict[str, Any]:
        """Return what was learned, as JSON values."""
        return {"shares": list(self.shares)}

    def _shares(self, like: Tensor) -> Tensor:
        return torch.tensor(self.shares, dtype=like.dtype, device=like.device)


class BinaryHead(Head):
    """Weighted binary cross-entropy; AUC and accuracy at even odds."""

    def targets(self, target: Array) -> Tensor:
        """(n,) float32."""
        return torch.as_tensor(target, dtype=torch.float32)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """See `balanced_binary`."""
        return balanced_binary(logits[:, 0], target, self._shares(logits)[0])

    def prediction(self, logits: Array) -> Array:
        """(n, 1) probabilities of the positive class."""
        return np.asarray(expit(logits + logit(self.shares[0])))

    def figures(self, logits: Tensor, target: Tensor) -> dict[str, float]:
        """AUC and accuracy."""
        probability, truth = torch.sigmoid(logits[:, 0]), target.long()
        return {
            "auroc": float(binary_auroc(probability, truth)),
            "accuracy": float(binary_accuracy(probability, truth)),
        }


class _ByClass(Head):
    """What nominal and ordered classes share: only classes of the training part are learned."""

    @property
    def present(self) -> list[int]:
        """Classes that the training part has."""
        return [k for k, share in enumerate(self.shares) if share > 0]

    def targets(self, target: Array) -> Tensor:
        """(n,) int64: position of the class among those present."""
        return torch.as_tensor(np.searchsorted(self.present, target), dtype=torch.int64)

    def _all_classes(self, probability: Array) -> Array:
        made = np.full((len(probability), len(self.shares)), FLOOR)
        made[:, self.present] = np.maximum(probability, FLOOR)
        return np.asarray(made / made.sum(axis=1, keepdims=True))


class MulticlassHead(_ByClass):
    """One logit per class, class-weighted cross-entropy."""

    @property
    def outputs(self) -> int:
        """Classes present."""
        return len(self.present)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """See `balanced_classes`."""
        return balanced_classes(logits, target, self._shares(logits)[self.present])

    def prediction(self, logits: Array) -> Array:
        """(n, K) probabilities."""
        shares = np.asarray(self.shares)[self.present]
        return self._all_classes(softmax(logits + np.log(shares), axis=1))

    def figures(self, logits: Tensor, target: Tensor) -> dict[str, float]:
        """Mean one-against-rest AUC and mean sensitivity of the classes."""
        probability, truth, count = torch.softmax(logits, 1), target.long(), len(self.present)
        return {
            "auroc": float(multiclass_auroc(probability, truth, count, average="macro")),
            "accuracy": float(multiclass_accuracy(probability, truth, count, average="macro")),
        }


class OrdinalHead(_ByClass):
    """One score and ordered cut-points: CORAL, consistent rank logits.

    Cao et al., Pattern Recognition Letters 2020, doi 10.1016/j.patrec.2020.11.008: a binary problem
    P(y > k) per cut-point, all with the same score. Each is balanced for itself; the cut-points
    cannot cross, see `petnet.models.network.OrderedCutpoints`.
    """

    @property
    def exceeding(self) -> Array:
        """Share of the training part above each but the last of the classes present."""
        shares = np.asarray(self.shares)[self.present]
        return np.array([shares[k:].sum() for k in range(1, len(shares))])

    def last_layer(self) -> nn.Module:
        """Cut-points, at first those of the training part's shares."""
        gaps = -np.diff(logit(self.exceeding))
        return OrderedCutpoints(gaps.tolist())

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """See `balanced_labels`, with "higher than class k" as label k."""
        cuts = torch.arange(logits.shape[1], device=logits.device)
        above = (target[:, None] > cuts).to(logits.dtype)
        shares = torch.as_tensor(self.exceeding, dtype=logits.dtype, device=logits.device)
        return balanced_labels(logits, above, shares)

    def prediction(self, logits: Array) -> Array:
        """(n, K) probabilities: differences of the cumulative ones."""
        above = expit(logits + logit(self.exceeding))
        # Ordered by construction, but for the last digit of float32 where scores are huge.
        above = np.minimum.accumulate(above, axis=1)
        ends = np.ones((len(above), 1)), np.zeros((len(above), 1))
        return self._all_classes(-np.diff(np.hstack([ends[0], above, ends[1]]), axis=1))

    def figures(self, logits: Tensor, target: Tensor) -> dict[str, float]:
        """C-index of the score and share of units in the right class."""
        accuracy = ((logits > 0).sum(dim=1) == target).float().mean()
        index = ordinal(target.numpy(), logits[:, 0].numpy()).index
        return {"c_index": index, "accuracy": float(accuracy)}


class MultilabelHead(Head):
    """One logit per label, binary cross-entropy over the labels that are known.

    A label that is always or never present in the training part is predicted so.
    """

    @property
    def outputs(self) -> int:
        """Labels."""
        return len(self.shares)

    @property
    def learned(self) -> list[int]:
        """Labels of which the training part has both values."""
        return [k for k, share in enumerate(self.shares) if 0 < share < 1]

    def targets(self, target: Array) -> Tensor:
        """(n, L) float32."""
        return torch.as_tensor(target, dtype=torch.float32)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """See `balanced_labels`."""
        return balanced_labels(logits, target, self._shares(logits))

    def prediction(self, logits: Array) -> Array:
        """(n, L) probabilities."""
        shares, learned = np.asarray(self.shares), self.learned
        made = np.tile(shares, (len(logits), 1))
        made[:, learned] = expit(logits[:, learned] + logit(shares[learned]))
        return made

    def figures(self, logits: Tensor, target: Tensor) -> dict[str, float]:
        """Mean AUC of the labels and share of right entries at even odds, of the known."""
        known = ~target.isnan()
        areas = [
            float(binary_auroc(logits[known[:, k], k], target[known[:, k], k].long()))
            for k in self.learned
        ]
        right = (logits > 0).float()[known] == target[known]
        return {"auroc": float(np.mean(areas)), "accuracy": float(right.float().mean())}


@dataclass(frozen=True)
class SurvivalHead(Head):
    """One log hazard, Cox's partial likelihood within each batch.

    The batches are as small as for the other kinds: in larger ones the risk sets are larger, but
    there are fewer steps, which costs networks on images far more (on simulated crops of 120
    units, half censored or more, a batch of 64 lost 0.15 of C to one of 16; on tables it gained
    less than 0.01).

    Attributes
    ----------
    center : float
        Mean log hazard of the training part, which predictions are relative to.
    """

    center: float = 0.0

    def targets(self, target: Array) -> Tensor:
        """(n, 2) float32: rank of the time, which float32 holds exactly, ties too; event."""
        rank = np.unique(target[:, 0], return_inverse=True)[1]
        return torch.as_tensor(np.column_stack([rank, target[:, 1]]), dtype=torch.float32)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """See `partial_likelihood`."""
        return partial_likelihood(logits[:, 0], target[:, 0], target[:, 1])

    def settled(self, logits: Callable[[], Array]) -> Self:
        """Centre on the training part."""
        return replace(self, center=float(logits().mean()))

    def prediction(self, logits: Array) -> Array:
        """(n, 1) log relative hazards."""
        return logits - self.center

    def figures(self, logits: Tensor, target: Tensor) -> dict[str, float]:
        """Harrell's C."""
        time, event = target.numpy().T
        return {"c_index": harrell(time, event, logits[:, 0].numpy()).index}

    def state(self) -> dict[str, Any]:
        """Return the shares and the centre."""
        return {**super().state(), "center": self.center}


_HEADS: Mapping[Kind, type[Head]] = {
    "binary": BinaryHead,
    "multiclass": MulticlassHead,
    "ordinal": OrdinalHead,
    "multilabel": MultilabelHead,
    "survival": SurvivalHead,
}


def learned_head(outcome: Outcome, target: Array) -> Head:
    """Return the head for the target of a training part.

    Parameters
    ----------
    target : float64 array
        As `petnet.models.deep_inputs.checked_target` lets it pass.
    """
    shares = tuple(outcome.base(target))
    missing = []
    if outcome.by_class:
        missing = [name for name, share in zip(outcome.labels, shares, strict=True) if not share]
    if outcome.kind == "multilabel":
        names = zip(outcome.labels, shares, strict=True)
        missing = [name for name, share in names if share in (0.0, 1.0)]
    if missing:
        log.warning("not learned, as the training part has none to tell apart: %s", missing)
    return _HEADS[outcome.kind](outcome, shares)


def head_from_state(outcome: Outcome, state: Mapping[str, Any]) -> Head:
    """Rebuild a head from `Head.state`."""
    return _HEADS[outcome.kind](outcome, **{**state, "shares": tuple(state["shares"])})
