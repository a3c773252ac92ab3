"""The losses of the deep models, one per kind of outcome, as functions of logits.

Classes are balanced by weights, so that a rare one is learned as well as a common one. A weight
multiplies odds, and adds its logarithm to the logits that minimise the loss; who knows the shares
of the classes takes it out again (`petnet.models.deep_heads`).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["balanced_binary", "balanced_classes", "balanced_labels", "partial_likelihood"]


def balanced_binary(logits: Tensor, target: Tensor, share: Tensor) -> Tensor:
    """Return the mean cross-entropy with the positive class weighted by negatives / positives.

    Parameters
    ----------
    logits, target : (B,) tensor
    share : () tensor
        Of the positives in the training part, between 0 and 1.
    """
    return functional.binary_cross_entropy_with_logits(
        logits, target, pos_weight=(1 - share) / share
    )


def balanced_classes(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    """Return the mean cross-entropy over B units with class k weighted by 1 / (K · its share).

    The mean counts units, not weights: the weights are 1 on average over the training part, and a
    batch that happens to hold no rare class must not count for more.

    Parameters
    ----------
    logits : (B, K) tensor
    target : (B,) int64 tensor
    shares : (K,) tensor
        Of each class in the training part, above 0, sum 1.
    """
    weight = 1 / (len(shares) * shares)
    each = functional.cross_entropy(logits, target, reduction="none")
    return (weight[target] * each).mean()


def balanced_labels(logits: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    """Return the mean binary cross-entropy over the known entries, both values of a label balanced.

    A 1 counts 1 / (2 · share) and a 0 counts 1 / (2 · (1 - share)): each label has weight 1 on
    average whichever value is rare. A label of which the training part holds one value only has
    weight 1. Without a known entry the loss is 0.

    Parameters
    ----------
    logits : (B, L) tensor
    target : (B, L) tensor
        1, 0 or NaN (unknown).
    shares : (L,) tensor
        Of the ones among the known entries of the training part.
    """
    known = ~target.isnan()
    truth = torch.where(known, target, 0.0)
    share = torch.where((shares > 0) & (shares < 1), shares, 0.5)
    weight = torch.where(truth > 0, 0.5 / share, 0.5 / (1 - share)) * known
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (weight * each).sum() / known.sum().clamp(min=1)


def partial_likelihood(log_hazard: Tensor, time: Tensor, event: Tensor) -> Tensor:
    """Return minus Cox's log partial likelihood per event, tied events as Efron treats them.

    The batch is its own risk set: Cox regression within a random subset of the units estimates the
    same hazards. Without an event the loss is 0, and so are its gradients.

    Over B × B comparisons instead of sorted sums: sums along a sorted axis have no deterministic
    form on CUDA.

    Parameters
    ----------
    log_hazard, time : (B,) tensor
    event : (B,) tensor
        1 where `time` ends with the event, 0 where it is censored.

    References
    ----------
    Efron, J Am Stat Assoc 1977, doi 10.1080/01621459.1977.10480613.
    """
    happened = event > 0
    at, own = time[happened, None], log_hazard[happened]
    tied = (at == time) & happened
    at_risk = torch.where(at <= time, log_hazard, -torch.inf).logsumexp(dim=1)
    of_tied = torch.where(tied, log_hazard, -torch.inf).logsumexp(dim=1)
    # The l-th of d tied events (l = 0, 1, ...) has only (d - l) / d of the tied left in its risk.
    among = tied[:, happened].to(log_hazard.dtype)
    gone = among.tril(diagonal=-1).sum(dim=1) / among.sum(dim=1)
    left = at_risk + torch.log1p(-gone * (of_tied - at_risk).exp())
    return (left - own).sum() / happened.sum().clamp(min=1)
