"""Resampling of an imbalanced training part; used inside a fold only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Smote"]


@dataclass(frozen=True)
class Smote:
    """SMOTE for numbers and SMOTENC for mixed columns (Chawla et al., 10.1613/jair.953).

    Parameters
    ----------
    k_neighbors : int
        Capped by the minority count less one.
    """

    k_neighbors: int = 5

    def resample(
        self,
        values: NDArray[np.float64],
        target: NDArray[np.int64],
        discrete: Sequence[int],
        seed: int,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the table with synthetic rows added until all classes are as large as the largest.

        Parameters
        ----------
        values : (n, D) float64 array
        target : (n,) int array
        discrete : positions of columns that are no measured numbers

        Notes
        -----
        With one minority row, or no measured number at all, rows are repeated instead: there is
        nothing to interpolate between.
        """
        from imblearn.over_sampling import SMOTE, SMOTENC, RandomOverSampler

        counts = np.bincount(target)
        neighbours = min(self.k_neighbors, int(counts[counts > 0].min()) - 1)
        sampler: Any
        if neighbours < 1 or len(discrete) == values.shape[1]:
            sampler = RandomOverSampler(random_state=seed)
        elif len(discrete):
            sampler = SMOTENC(list(discrete), k_neighbors=neighbours, random_state=seed)
        else:
            sampler = SMOTE(k_neighbors=neighbours, random_state=seed)
        made, labels = sampler.fit_resample(values, target)
        return np.asarray(made, dtype=np.float64), np.asarray(labels, dtype=np.int64)
