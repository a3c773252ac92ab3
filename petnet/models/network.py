"""The network: one branch for each input that is there, and a fusion of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from petnet.errors import InputError
from petnet.models.parts import build

__all__ = ["FusionNetwork", "InputSizes", "OrderedCutpoints", "build_network"]


@dataclass(frozen=True)
class InputSizes:
    """What a network is built for.

    Attributes
    ----------
    channels : tuple of str
        Names of the image channels; empty without images.
    shape : tuple of int
        (X, Y, Z) of the crops; empty without images.
    radiomics, clinical : int
        Encoded columns; 0 leaves the branch out.
    """

    channels: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    radiomics: int = 0
    clinical: int = 0


class FusionNetwork(nn.Module):
    """Branches by input name, brought together by a fusion.

    Parameters
    ----------
    branches : mapping of str to module
        Each takes the batch's entry of its name and has an attribute `features`.
    fusion : module
        Takes the branches' vectors by name, returns logits, or what `last` makes logits of.
    last : module, optional
    """

    def __init__(
        self,
        branches: Mapping[str, nn.Module],
        fusion: nn.Module,
        last: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(dict(branches))
        self.fusion = fusion
        self.last = nn.Identity() if last is None else last

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, K) for a batch of image, radiomics and clinical tensors."""
        vectors = {name: branch(batch[name]) for name, branch in self.branches.items()}
        logits: Tensor = self.last(self.fusion(vectors))
        return logits


class OrderedCutpoints(nn.Module):
    """One score to a logit per cut-point between ordered classes; the cut-points cannot cross.

    With c the log odds of a training unit to be above each cut-point, `gaps` the distances
    between them and v learned, the log odds of a unit with score s are s + c[0] - the sum of the
    first gaps · exp(v). Returned is what they differ by from c: the logits of balanced classes,
    which at first, with v = 0, are all s. What moves all cut-points at once is the score's own
    offset.

    Parameters
    ----------
    gaps : sequence of K - 2 float
        Positive.
    """

    upper: Tensor

    def __init__(self, gaps: Sequence[float]) -> None:
        super().__init__()
        self.widening = nn.Parameter(torch.zeros(len(gaps)))
        # A product with what the gaps add up to: a running sum has no deterministic form on CUDA.
        upper = torch.ones(len(gaps), len(gaps) + 1).triu(diagonal=1)
        upper *= torch.tensor(gaps, dtype=torch.float32)[:, None]
        self.register_buffer("upper", upper, persistent=False)

    def forward(self, score: Tensor) -> Tensor:
        """(B, 1) to (B, K - 1)."""
        return score - self.widening.expm1() @ self.upper


def build_network(
    config: Mapping[str, Any], sizes: InputSizes, outputs: int, last: nn.Module | None = None
) -> FusionNetwork:
    """Build the network of a model's settings for inputs of given sizes.

    Parameters
    ----------
    config : mapping
        `encoder`, `radiomics` and `clinical` (None where not wanted) and `fusion`, each with
        `_target_`.
    sizes : InputSizes
        An input of size 0 gets no branch.
    outputs : int
        Columns that the fusion gives.
    last : module, optional
        Makes logits of them; without it they are the logits.
    """
    branches: dict[str, nn.Module] = {}
    if sizes.channels:
        branches["image"] = build(
            config["encoder"], in_channels=len(sizes.channels), shape=sizes.shape
        )
    for name, columns in (("radiomics", sizes.radiomics), ("clinical", sizes.clinical)):
        if columns:
            branches[name] = build(config[name], in_features=columns)
    if not branches:
        raise InputError("model", "inputs", "at least one with something in it", "none")
    widths = {name: int(branch.features) for name, branch in branches.items()}  # type: ignore[arg-type]
    fusion = build(config["fusion"], sizes=widths, outputs=outputs)
    return FusionNetwork(branches, fusion, last)
