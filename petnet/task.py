"""Task: what is predicted, from what, per what. A new task of a known kind is one YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from petnet.errors import InputError

__all__ = ["Clinical", "Kind", "Task", "UnitLevel"]

Kind = Literal["binary", "multiclass", "ordinal", "multilabel", "survival"]
UnitLevel = Literal["patient", "lesion", "region"]
Direction = Literal["higher", "lower"]
TRAINABLE_KINDS: tuple[Kind, ...] = ("binary",)


@dataclass(frozen=True)
class Clinical:
    """Clinical columns of the targets table, by how they are read.

    Attributes
    ----------
    numeric : tuple of str
        Numbers used as they are.
    log : tuple of str
        Positive, right-skewed numbers (tumour markers); their logarithm is used.
    ordinal, categorical : mapping of str to tuple of str
        Column to its values; ordinal ones in rising order.
    """

    numeric: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    ordinal: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    categorical: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, task: str, given: Mapping[str, Any] | None) -> Clinical:
        """Build from the mapping in a task's YAML; unknown keys are errors."""
        given = dict(given or {})
        known = {f.name for f in fields(cls)}
        for key in given:
            if key not in known:
                raise InputError(f"task {task}", "clinical", f"keys of {sorted(known)}", repr(key))
        values = {
            key: {str(k): tuple(str(v) for v in vs) for k, vs in (given.get(key) or {}).items()}
            for key in ("ordinal", "categorical")
        }
        numbers = {key: tuple(given.get(key) or ()) for key in ("numeric", "log")}
        made = cls(**numbers, **values)  # type: ignore[arg-type]
        doubled = {c for c in made.columns if made.columns.count(c) > 1}
        if doubled:
            raise InputError(
                f"task {task}", "clinical", "each column once", f"{sorted(doubled)} twice"
            )
        return made

    @property
    def columns(self) -> tuple[str, ...]:
        """All clinical columns, in a fixed order."""
        return (*self.numeric, *self.log, *self.ordinal, *self.categorical)


@dataclass(frozen=True)
class Task:
    """A prediction task.

    Attributes
    ----------
    name : str
    kind : {"binary", "multiclass", "ordinal", "multilabel", "survival"}
    target : str
        Column of the targets table; for binary tasks 1, 0 or empty (missing).
    unit : {"patient", "lesion", "region"}
        What one prediction is about.
    arms, timepoints, roles : tuple of str
        Which studies and which regions of interest are looked at.
    group : str
        Column whose members never stand on both sides of a split.
    clinical : Clinical
    baselines : mapping of str to {"higher", "lower"}
        Single parameters judged beside every model; the direction that speaks for the positive
        class is fixed beforehand.
    """

    name: str
    kind: Kind
    target: str
    unit: UnitLevel = "patient"
    arms: tuple[str, ...] = ("fdg",)
    timepoints: tuple[str, ...] = ("baseline",)
    roles: tuple[str, ...] = ("primary",)
    group: str = "patient"
    clinical: Clinical = field(default_factory=Clinical)
    baselines: Mapping[str, Direction] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, allowed in (("kind", Kind), ("unit", UnitLevel)):
            value = getattr(self, name)
            if value not in get_args(allowed):
                self._refuse(name, f"one of {', '.join(get_args(allowed))}", value)
        if self.kind not in TRAINABLE_KINDS:
            self._refuse("kind", f"one of {', '.join(TRAINABLE_KINDS)} (others follow)", self.kind)
        for name in ("arms", "timepoints", "roles"):
            object.__setattr__(self, name, self._names(name))
        given: Any = self.clinical
        if not isinstance(given, Clinical):
            object.__setattr__(self, "clinical", Clinical.of(self.name, given))
        object.__setattr__(self, "baselines", dict(self.baselines or {}))
        for parameter, direction in self.baselines.items():
            if direction not in get_args(Direction):
                self._refuse(f"baselines.{parameter}", "higher or lower", direction)
        if self.target in self.clinical.columns:
            self._refuse("clinical", f"columns other than the target {self.target!r}", self.target)

    def _names(self, name: str) -> tuple[str, ...]:
        value = getattr(self, name)
        if isinstance(value, str) or not isinstance(value, Sequence) or not value:
            self._refuse(name, "a list of names with at least one entry", value)
        return tuple(str(v) for v in value)

    def _refuse(self, what: str, expected: str, found: object) -> None:
        raise InputError(f"task {self.name}", what, expected, repr(found))

    @property
    def series(self) -> tuple[tuple[str, str], ...]:
        """Every (arm, timepoint) that the task looks at."""
        return tuple((arm, time) for arm in self.arms for time in self.timepoints)
