"""What every model is: fit on the training units, predict units, save, load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from petnet.cohort.splits import Fold
from petnet.outcome import BINARY, Outcome

if TYPE_CHECKING:
    import pandas as pd
    import torch

__all__ = ["FitContext", "ImageSource", "InputKind", "Model", "Samples"]

InputKind = Literal["image", "radiomics", "clinical"]


class ImageSource(Protocol):
    """Crops by unit id, on one device.

    Attributes
    ----------
    channels : tuple of str
        Names of the C channels, e.g. ("pet", "ct", "mask").
    shape : tuple of int
        (X, Y, Z) of every crop.
    """

    channels: tuple[str, ...]
    shape: tuple[int, int, int]

    def crops(self, ids: Sequence[str]) -> torch.Tensor:
        """Return the crops of the given units, (B, C, X, Y, Z) float32."""
        ...


@dataclass(frozen=True, eq=False)
class Samples:
    """n units as a model sees them.

    Attributes
    ----------
    ids, patients, groups, centers : tuples of n str
        Unit id, patient, group (never on both sides of a split; usually the patient), centre.
    target : float64 array
        One row per unit, as `outcome` and `petnet.outcome` say; NaN where unknown.
    clinical : pandas.DataFrame
        (n, K), indexed by unit id; numbers as float64, ordinal columns as ordered and categorical
        ones as unordered Categorical (levels from the task); may hold missing.
    radiomics : pandas.DataFrame
        (n, F) float64, indexed by unit id; may hold NaN.
    images : ImageSource or None
        None where no model of the run asks for images.
    outcome : Outcome
        What the target means and what a prediction looks like.
    """

    ids: tuple[str, ...]
    patients: tuple[str, ...]
    groups: tuple[str, ...]
    centers: tuple[str, ...]
    target: NDArray[np.float64]
    clinical: pd.DataFrame
    radiomics: pd.DataFrame
    images: ImageSource | None = None
    outcome: Outcome = BINARY

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, positions: Sequence[int] | NDArray[np.intp]) -> Samples:
        """Return the samples at the given positions."""
        index = [int(i) for i in positions]
        return replace(
            self,
            ids=tuple(self.ids[i] for i in index),
            patients=tuple(self.patients[i] for i in index),
            groups=tuple(self.groups[i] for i in index),
            centers=tuple(self.centers[i] for i in index),
            target=self.target[index],
            clinical=self.clinical.iloc[index],
            radiomics=self.radiomics.iloc[index],
        )


@dataclass(frozen=True)
class FitContext:
    """What a fit is told besides the data.

    Attributes
    ----------
    seed : int
        Already keyed by run seed, repeat and fold.
    workdir : Path or None
        Where half-done work may be kept and is looked for on a resume; None keeps nothing.
    device : {"cpu", "cuda"}
    """

    seed: int
    workdir: Path | None = None
    device: Literal["cpu", "cuda"] = "cpu"


@runtime_checkable
class Model(Protocol):
    """A trainable model of any make.

    Attributes
    ----------
    name : str
    inputs : frozenset of {"image", "radiomics", "clinical"}
        What of the samples it looks at.
    """

    name: str
    inputs: frozenset[InputKind]

    def fit(self, train: Samples, inner: Sequence[Fold], context: FitContext) -> Self:
        """Learn from the training units; `inner` divides them again for tuning.

        Everything that is learned (imputation, scaling, selection, resampling, thresholds) is
        learned here and from `train` alone.
        """
        ...

    def predict(self, samples: Samples) -> NDArray[np.float64]:
        """Return (n, K) float64, as `petnet.outcome` says for the kind that was fitted."""
        ...

    def save(self, folder: Path) -> None:
        """Write the fitted model; the same fit gives the same bytes."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a fitted model back, without unpickling anything."""
        ...
