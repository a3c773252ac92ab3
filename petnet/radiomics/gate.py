"""The feature gate in words: which sets and families of a region lie below it, and why."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.columns import provenance
from petnet.radiomics.featureset import FeatureSet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SEPARATOR", "flag_notes"]

#: Between the notes of one row; no note contains it.
SEPARATOR = "; "


def flag_notes(flagged: pd.DataFrame, feature_sets: Sequence[FeatureSet]) -> list[list[str]]:
    """Say of each row which sets and families are flagged.

    Parameters
    ----------
    flagged : DataFrame
        (R, F) bool, as `Extraction.flagged` of these sets.

    Returns
    -------
    list of list of str
        For each row its notes, such as "pt_64 glcm: fewer than 64 voxels or a single grey level".
        The number is the largest that a flagged feature of the family asks for, so that others of
        the family may mean something.
    """
    notes: list[list[str]] = [[] for _ in range(len(flagged))]
    for what, columns, voxels, levels in (f for one in feature_sets for f in _families(one)):
        below = flagged[columns].to_numpy(dtype=bool)
        for row in np.flatnonzero(below.any(axis=1)):
            least = int(voxels[below[row]].max())
            flat = bool((levels[below[row]] > 1).any())
            reason = f"fewer than {least} voxels{' or a single grey level' if flat else ''}"
            notes[row].append(f"{what}: {reason}")
    return notes


@lru_cache(maxsize=256)
def _families(
    feature_set: FeatureSet,
) -> tuple[tuple[str, list[str], NDArray[np.int64], NDArray[np.int64]], ...]:
    """Return set and family, its columns, and the least voxels and levels of each.

    Kept, since small regions take less time than it does.
    """
    by_family: dict[str, dict[str, Any]] = {}
    for name, column in provenance(feature_set)["columns"].items():
        by_family.setdefault(str(column.get("family", "")), {})[name] = column
    made = []
    for family, columns in by_family.items():
        least = np.array(
            [(c.get("least_voxels", 1), c.get("least_levels", 1)) for c in columns.values()],
            dtype=np.int64,
        )
        what = f"{feature_set.name} {family}".strip()
        made.append((what, list(columns), least[:, 0], least[:, 1]))
    return tuple(made)
