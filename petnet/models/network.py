"""The network: one branch for each input that is there, and a fusion of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from petnet.errors import InputError
from petnet.models.parts import build

__all__ = ["FusionNetwork", "InputSizes", "build_network"]


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
        Takes the branches' vectors by name, returns logits.
    """

    def __init__(self, branches: Mapping[str, nn.Module], fusion: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(dict(branches))
        self.fusion = fusion

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B, K) for a batch of image, radiomics and clinical tensors."""
        vectors = {name: branch(batch[name]) for name, branch in self.branches.items()}
        logits: Tensor = self.fusion(vectors)
        return logits


def build_network(config: Mapping[str, Any], sizes: InputSizes, outputs: int) -> FusionNetwork:
    """Build the network of a model's settings for inputs of given sizes.

    Parameters
    ----------
    config : mapping
        `encoder`, `radiomics` and `clinical` (None where not wanted) and `fusion`, each with
        `_target_`.
    sizes : InputSizes
        An input of size 0 gets no branch.
    outputs : int
        Logits.
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
    return FusionNetwork(branches, build(config["fusion"], sizes=widths, outputs=outputs))
