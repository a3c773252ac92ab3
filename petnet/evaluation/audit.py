"""The leak audit: nothing fitted may depend on the held-out part of a fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from petnet.cohort.splits import Fold
from petnet.files import content_hash
from petnet.models.protocol import ImageSource, Samples
from petnet.outcome import Outcome

if TYPE_CHECKING:
    import torch

__all__ = ["FoldAudit", "artefacts", "leak_audit", "with_noise"]

FitFold = Callable[[Samples, Fold, Path], Any]


@dataclass(frozen=True)
class FoldAudit:
    """The outcome of one fold: which fitted files changed with the held-out part."""

    fold: str
    files: int
    changed: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether there are fitted files and all stayed byte-identical."""
        return self.files > 0 and not self.changed


class _NoisyImages:
    """An image source that gives noise for some units."""

    def __init__(self, source: ImageSource, noisy: Sequence[str], seed: int) -> None:
        self.channels, self.shape = source.channels, source.shape
        self._source, self._noisy, self._seed = source, list(noisy), seed

    def crops(self, ids: Sequence[str]) -> torch.Tensor:
        import torch

        made = self._source.crops(ids).clone()
        for row, unit in enumerate(ids):
            if unit in self._noisy:
                state = [self._seed, self._noisy.index(unit)]
                noise = np.random.default_rng(state).normal(size=made.shape[1:])
                made[row] = torch.as_tensor(noise, dtype=made.dtype, device=made.device)
        return made


def with_noise(samples: Samples, positions: NDArray[np.intp], seed: int) -> Samples:
    """Replace features, clinical columns, labels, centres and images of some units by noise.

    No label keeps its value, so that whatever looks at them must notice: see `_other_target`.
    """
    rng = np.random.default_rng(seed)
    radiomics = samples.radiomics.copy()
    shape = (len(positions), radiomics.shape[1])
    radiomics.iloc[positions] = rng.normal(scale=100.0, size=shape)
    clinical = samples.clinical.copy()
    for k, column in enumerate(clinical):
        values = clinical[column]
        if isinstance(values.dtype, pd.CategoricalDtype):
            drawn = rng.choice(np.asarray(values.dtype.categories), len(positions))
            clinical.iloc[positions, k] = drawn
        else:
            clinical.iloc[positions, k] = rng.normal(scale=100.0, size=len(positions))
    target = samples.target.copy()
    target[positions] = _other_target(samples.outcome, target[positions], rng)
    centers = list(samples.centers)
    for i in positions:
        centers[int(i)] = f"noise {rng.integers(10)}"
    noisy = [samples.ids[int(i)] for i in positions]
    images = samples.images and _NoisyImages(samples.images, noisy, seed)
    return replace(
        samples,
        radiomics=radiomics,
        clinical=clinical,
        target=target,
        centers=tuple(centers),
        images=images,
    )


def _other_target(
    outcome: Outcome, target: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a valid target that has another value in every entry.

    Binary outcomes and labels are inverted, classes moved on by a random number of classes, events
    inverted, times drawn anew. What was missing is filled: that it was missing is knowledge, too.
    """
    if outcome.kind == "survival":
        time = rng.exponential(np.nanmean(target[:, 0]), len(target))
        made = np.column_stack([time, 1.0 - target[:, 1]])
        drawn = rng.integers(0, 2, target.shape)
    elif outcome.by_class:
        moved = target + rng.integers(1, outcome.outputs, target.shape)
        made, drawn = moved % outcome.outputs, rng.integers(0, outcome.outputs, target.shape)
    else:
        made, drawn = 1.0 - target, rng.integers(0, 2, target.shape)
    return np.where(np.isnan(made), drawn, made)


def artefacts(folder: Path) -> dict[str, str]:
    """Return the content hash of every file below a folder, by relative name."""
    return {
        str(path.relative_to(folder)): content_hash(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def leak_audit(
    fit: FitFold, samples: Samples, folds: Sequence[Fold], scratch: Path, seed: int = 0
) -> list[FoldAudit]:
    """Fit each fold twice, the second time with noise in its held-out part, and compare.

    Parameters
    ----------
    fit : callable
        fit(samples, fold, folder) learns from a fold and writes all it learned into `folder`.
    samples : Samples
    folds : sequence of Fold
    scratch : Path
        Folder for the fitted files.
    seed : int
        Seed of the noise.
    """
    made = []
    for fold in folds:
        found = []
        for name, data in (
            ("true", samples),
            ("noise", with_noise(samples, fold.test, seed)),
        ):
            folder = scratch / f"{fold.name}-{name}"
            fit(data, fold, folder)
            found.append(artefacts(folder))
        true, noisy = found
        names = sorted(true.keys() | noisy.keys())
        changed = tuple(name for name in names if true.get(name) != noisy.get(name))
        made.append(FoldAudit(fold.name, len(true), changed))
    return made
