"""Splits: made once, patient-grouped and stratified, saved and hashed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petnet.errors import InputError
from petnet.files import hash_of, write_csv

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Fold", "Splits", "inner_folds", "make_splits", "splits_from_column"]


@dataclass(frozen=True, eq=False)
class Fold:
    """One division of the units: positions of the training and of the held-out part."""

    repeat: int
    fold: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]

    @property
    def name(self) -> str:
        """Folder name of the fold."""
        return f"r{self.repeat}f{self.fold}"


@dataclass(frozen=True, eq=False)
class Splits:
    """All outer folds of a study.

    Attributes
    ----------
    units : tuple of str
        Unit ids; positions in a `Fold` refer to them.
    table : pandas.DataFrame
        Columns repeat, fold, unit: one row per held-out unit.
    """

    units: tuple[str, ...]
    table: pd.DataFrame

    @property
    def hash(self) -> str:
        """Hash of which unit is held out when."""
        rows = self.table.sort_values(["repeat", "fold", "unit"])
        return hash_of(list(self.units), rows[["repeat", "fold", "unit"]].to_numpy().tolist())

    @property
    def count(self) -> int:
        """How many folds there are in all."""
        return len(self.table[["repeat", "fold"]].drop_duplicates())

    def folds(self) -> Iterator[Fold]:
        """Yield every fold in order; what is not held out is training."""
        import numpy as np

        position = {unit: i for i, unit in enumerate(self.units)}
        for key, rows in self.table.groupby(["repeat", "fold"], sort=True):
            repeat, fold = np.asarray(key, dtype=int)
            test = np.sort(np.array([position[u] for u in rows["unit"]], dtype=np.intp))
            train = np.setdiff1d(np.arange(len(self.units)), test)
            yield Fold(int(repeat), int(fold), train, test)

    def restrict(self, units: Sequence[str]) -> Splits:
        """Return the same division of fewer units, those that could be read."""
        return Splits(tuple(units), self.table[self.table["unit"].isin(set(units))])

    def save(self, path: Path) -> None:
        """Write the table as CSV."""
        write_csv(path, self.table)

    @classmethod
    def load(cls, path: Path, units: Sequence[str]) -> Splits:
        """Read splits back for the same units."""
        import pandas as pd

        table = pd.read_csv(path, dtype={"unit": str}, keep_default_na=False)
        unknown = sorted(set(table["unit"]) - set(units))
        if unknown:
            raise InputError(str(path), "units", "the units of this run", f"also {unknown[:5]}")
        return cls(tuple(units), table)


def make_splits(
    units: Sequence[str],
    groups: Sequence[str],
    strata: NDArray[np.int64],
    folds: int,
    repeats: int,
    seed: int,
    names: Sequence[str] = (),
) -> Splits:
    """Make repeated stratified folds in which no group stands on both sides.

    Parameters
    ----------
    units, groups : sequences of n str
        Unit ids and the group (patient) of each.
    strata : (n,) int array
        What each side keeps in the same shares (`Outcome.strata`).
    folds, repeats, seed : int
    names : sequence of str, optional
        What the strata stand for, for the message.

    Raises
    ------
    InputError
        Fewer groups of a class than folds.
    """
    import numpy as np
    import pandas as pd

    per_class = _groups_per_class(groups, strata)
    if min(per_class.values()) < folds:
        found = ", ".join(f"{names[c] if names else c}: {n}" for c, n in per_class.items())
        raise InputError(
            "targets", "patients per class", f"at least as many as folds ({folds})", found
        )

    rows: list[dict[str, Any]] = []
    for repeat in range(repeats):
        state = int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0])
        for fold, (_, test) in enumerate(_divide(groups, strata, folds, state)):
            rows += [{"repeat": repeat, "fold": fold, "unit": units[i]} for i in test]
    return Splits(tuple(units), pd.DataFrame(rows))


def inner_folds(
    groups: Sequence[str], strata: NDArray[np.int64], folds: int, seed: int
) -> list[Fold]:
    """Divide a training part again for tuning; the folds are lowered to what its strata allow."""
    smallest = min(_groups_per_class(groups, strata).values())
    if smallest < 2:
        return []
    pairs = _divide(groups, strata, min(folds, smallest), seed)
    return [Fold(0, fold, train, test) for fold, (train, test) in enumerate(pairs)]


def splits_from_column(units: Sequence[str], split: Sequence[str | None]) -> Splits:
    """Take one fixed division from the studies table: "test" is held out, "train" is not."""
    import pandas as pd

    found = set(split)
    if found != {"train", "test"}:
        raise InputError(
            "table studies", "column split", "both train and test", f"{sorted(map(str, found))}"
        )
    held_out = [u for u, s in zip(units, split, strict=True) if s == "test"]
    return Splits(tuple(units), pd.DataFrame({"repeat": 0, "fold": 0, "unit": held_out}))


def _groups_per_class(groups: Sequence[str], strata: NDArray[np.int64]) -> dict[int, int]:
    import numpy as np

    names = np.asarray(groups)
    return {int(c): len(set(names[strata == c])) for c in np.unique(strata)}


def _divide(
    groups: Sequence[str], strata: NDArray[np.int64], folds: int, state: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    names = np.asarray(groups)
    blank = np.zeros((len(names), 1))
    if len(set(groups)) == len(names):
        simple = StratifiedKFold(folds, shuffle=True, random_state=state)
        return list(simple.split(blank, strata))
    grouped = StratifiedGroupKFold(folds, shuffle=True, random_state=state)
    return list(grouped.split(blank, strata, names))
