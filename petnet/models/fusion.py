"""Branches for tables, and the ways of bringing branches together.

A fusion is a module made with `sizes` (features of each branch, in order) and `outputs` beside its
own settings. It is called with the branches' vectors by name and returns logits (B, outputs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["Concatenation", "TableBranch"]


class TableBranch(nn.Module):
    """A perceptron over a table's columns; without hidden layers only the dropout.

    Parameters
    ----------
    in_features : int
    hidden : sequence of int
        Widths of the hidden layers.
    dropout : float
        Of the inputs and after each hidden layer.
    """

    def __init__(self, in_features: int, hidden: Sequence[int] = (), dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        before = in_features
        for width in hidden:
            layers += [nn.Linear(before, width), nn.ReLU(), nn.Dropout(dropout)]
            before = width
        self.layers = nn.Sequential(*layers)
        self.features = before

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_features) to (B, features)."""
        return cast(Tensor, self.layers(x))


class Concatenation(nn.Module):
    """All branches side by side, then a perceptron.

    The last layer starts at zero: before training every unit has probability one half.

    Parameters
    ----------
    sizes : mapping of str to int
        Features of each branch.
    outputs : int
        Logits.
    hidden : sequence of int
        Widths of hidden layers between the branches and the logits.
    dropout : float
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        outputs: int,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.names = tuple(sizes)
        self.body = TableBranch(sum(sizes.values()), hidden, dropout)
        self.head = nn.Linear(self.body.features, outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, vectors: Mapping[str, Tensor]) -> Tensor:
        """Vectors (B, sizes[name]) of each branch to logits (B, outputs)."""
        return cast(Tensor, self.head(self.body(torch.cat([vectors[n] for n in self.names], 1))))
