"""Task: what is predicted, from what, per what. A new task of a known kind is one YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from petnet.errors import InputError
from petnet.outcome import Kind, Outcome

__all__ = ["Clinical", "Kind", "Task", "UnitLevel"]

UnitLevel = Literal["patient", "lesion", "region"]
Direction = Literal["higher", "lower"]
Separate = Literal["none", "role", "region"]
LEVELS = ("ordinal", "categorical")


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
        given = _mapping(task, "clinical", given)
        known = {f.name for f in fields(cls)}
        for key in given:
            if key not in known:
                raise InputError(f"task {task}", "clinical", f"keys of {sorted(known)}", repr(key))
        values = {key: _lists(task, f"clinical.{key}", given.get(key)) for key in LEVELS}
        numbers = {
            key: _names(task, f"clinical.{key}", given.get(key) or ()) for key in ("numeric", "log")
        }
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
    target : str or sequence of str
        Column of the targets table: 1, 0 or empty (missing) for binary tasks; the value of the
        class for multiclass and ordinal ones; the time for survival. Multilabel tasks name one
        column of 1, 0 or empty per label.
    unit : {"patient", "lesion", "region"}
        What one prediction is about.
    classes : sequence of str
        Values of the target of multiclass and ordinal tasks, the latter in rising order.
    positive, negative : sequence of str
        For binary tasks whose column holds other values than 1 and 0: which of them are which.
    event : str
        For survival: the column that is 1 where the time ends with the event, 0 where censored.
    arms, timepoints, roles : tuple of str
        Which studies and which regions of interest are looked at. A unit need not have all.
    separate : {"none", "role", "region"}
        Whether features are those of the union of a unit's regions of interest, or of each role
        or region for itself, with its name before the column.
    regions : tuple of str
        Regions of the body that are looked at; empty: all. Needed where they stand for themselves.
    references : tuple of str
        Regions with role "reference" whose mean uptake the lesions' is set against.
    group : str
        Column whose members never stand on both sides of a split.
    clinical : Clinical
    baselines : mapping of str to {"higher", "lower"}
        Single parameters judged beside every model; the direction that speaks for the positive
        class, the higher class or the earlier event is fixed beforehand.
    columns : mapping of str to tuple of str
        Named sets of shell patterns of columns, which configs of models refer to.
    """

    name: str
    kind: Kind
    target: str | tuple[str, ...]
    unit: UnitLevel = "patient"
    classes: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    event: str = ""
    arms: tuple[str, ...] = ("fdg",)
    timepoints: tuple[str, ...] = ("baseline",)
    roles: tuple[str, ...] = ("primary",)
    separate: Separate = "none"
    regions: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    group: str = "patient"
    clinical: Clinical = field(default_factory=Clinical)
    baselines: Mapping[str, Direction] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, allowed in (("kind", Kind), ("unit", UnitLevel), ("separate", Separate)):
            value = getattr(self, name)
            if value not in get_args(allowed):
                self._refuse(name, f"one of {', '.join(get_args(allowed))}", value)
        for name in ("arms", "timepoints", "roles"):
            object.__setattr__(self, name, self._names(name, needed=True))
        for name in ("classes", "positive", "negative", "regions", "references"):
            object.__setattr__(self, name, self._names(name))
        if self.kind == "multilabel":
            object.__setattr__(self, "target", self._names("target", needed=True))
        elif not isinstance(self.target, str) or not self.target:
            self._refuse("target", "the name of one column", self.target)
        self._check_kind()
        given: Any = self.clinical
        if not isinstance(given, Clinical):
            object.__setattr__(self, "clinical", Clinical.of(self.name, given))
        object.__setattr__(self, "baselines", _mapping(self.name, "baselines", self.baselines))
        object.__setattr__(self, "columns", _lists(self.name, "columns", self.columns))
        self._check_columns()

    def _check_columns(self) -> None:
        """Refuse directions that are none, and a target among the clinical columns."""
        for parameter, direction in self.baselines.items():
            if direction not in get_args(Direction):
                self._refuse(f"baselines.{parameter}", "higher or lower", direction)
        for column in self.target_columns:
            if column in self.clinical.columns:
                self._refuse("clinical", f"columns other than the target {column!r}", column)

    def _check_kind(self) -> None:
        """Refuse settings that the kind needs and lacks, or has and does not know."""
        by_class = self.kind in ("multiclass", "ordinal")
        if bool(self.classes) != by_class:
            expected = "the values of the target" if by_class else f"none, as kind is {self.kind}"
            self._refuse("classes", expected, list(self.classes))
        if bool(self.event) != (self.kind == "survival"):
            needed = "a column" if self.kind == "survival" else f"none, as kind is {self.kind}"
            self._refuse("event", needed, self.event)
        if bool(self.positive) != bool(self.negative) or set(self.positive) & set(self.negative):
            both = [*self.positive, *self.negative]
            self._refuse("positive, negative", "both or neither, without a common value", both)
        if self.positive and self.kind != "binary":
            self._refuse("positive, negative", f"none, as kind is {self.kind}", self.positive)
        if self.separate == "region" and not self.regions:
            self._refuse("regions", "the names of the regions, as they stand for themselves", [])
        if self.kind == "multiclass" and self.baselines:
            none = "none: one parameter has no direction among classes"
            self._refuse("baselines", none, list(self.baselines))
        try:
            _ = self.outcome
        except InputError as error:
            self._refuse(error.field, error.expected, error.found)

    def _names(self, name: str, needed: bool = False) -> tuple[str, ...]:
        return _names(self.name, name, getattr(self, name), needed)

    def _refuse(self, what: str, expected: str, found: object) -> None:
        raise InputError(f"task {self.name}", what, expected, repr(found))

    @property
    def series(self) -> tuple[tuple[str, str], ...]:
        """Every (arm, timepoint) that the task looks at."""
        return tuple((arm, time) for arm in self.arms for time in self.timepoints)

    @property
    def target_columns(self) -> tuple[str, ...]:
        """Columns of the targets table that hold the target."""
        first = (self.target,) if isinstance(self.target, str) else self.target
        return (*first, self.event) if self.event else first

    @property
    def outcome(self) -> Outcome:
        """What is predicted, as numbers."""
        if self.kind == "survival":
            return Outcome(self.kind, ("risk",))
        return Outcome(self.kind, self.classes or self.target_columns)

    @property
    def compartments(self) -> tuple[str, ...]:
        """What features are computed of, in order; one empty name where regions are united."""
        return {"role": self.roles, "region": self.regions}.get(self.separate, ("",))


def _names(task: str, what: str, value: Any, needed: bool = False) -> tuple[str, ...]:
    """Return a list of a task's YAML. A bare word is refused: its letters would be the names."""
    bad = isinstance(value, str) or not isinstance(value, Sequence)
    if bad or (needed and not value):
        least = "a list of names with at least one entry" if needed else "a list of names"
        raise InputError(f"task {task}", what, least, repr(value))
    names = tuple(str(v) for v in value)
    if len(set(names)) < len(names):
        raise InputError(f"task {task}", what, "each name once", repr(list(names)))
    return names


def _mapping(task: str, what: str, value: Any) -> dict[str, Any]:
    """Return a mapping of a task's YAML; empty where nothing is given."""
    if value is None or isinstance(value, Mapping):
        return {str(k): v for k, v in (value or {}).items()}
    raise InputError(f"task {task}", what, "names with a value each", repr(value))


def _lists(task: str, what: str, value: Any) -> dict[str, tuple[str, ...]]:
    """Return a mapping of names to lists with at least one entry."""
    given = _mapping(task, what, value)
    return {name: _names(task, f"{what}.{name}", part, True) for name, part in given.items()}
