"""A run folder as frozen values: what the report knows of a run, and nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from petnet.errors import InputError
from petnet.files import content_hash, hash_of
from petnet.outcome import Outcome
from petnet.reporting.metrics_file import ModelMetrics, metrics_of
from petnet.reporting.score_files import Scores, read_baselines, read_predictions, target_of
from petnet.reporting.tables import Table, read_any_json, read_json, read_table, read_text
from petnet.task import Task

__all__ = ["FeatureSummary", "Run", "check_comparable", "read_run"]

REQUIRED = (
    "config.yaml",
    "provenance.json",
    "splits.csv",
    "units.csv",
    "status.csv",
    "predictions.csv",
    "baselines.csv",
    "metrics.json",
)
MEASURE = "measure"  # lesion quantities: their names have no image
OPTIONAL = ("features.parquet", "features.provenance.json")


@dataclass(frozen=True)
class FeatureSummary:
    """Size of the feature table, and how many columns each (set, image) has.

    Attributes
    ----------
    rows, columns : int
    by_image : tuple of (set, image, parts, columns)
        `parts` are the series, compartments and changes that stand before the name of the set.
    settings : any
        What the provenance file says, without single columns.
    """

    rows: int
    columns: int
    by_image: tuple[tuple[str, str, int, int], ...]
    settings: Any

    @property
    def parts(self) -> int:
        """The largest number of parts of any set."""
        return max((row[2] for row in self.by_image), default=0)


@dataclass(frozen=True, eq=False)
class Run:
    """All that the report reads of one run folder.

    Attributes
    ----------
    folder : Path
    config : str
        The text of `config.yaml`.
    provenance : mapping
    outcome : Outcome
        What the run's task predicts.
    splits, units, status : Table
    predictions : Scores
    baselines : tuple of Scores
    metrics : mapping of name to ModelMetrics
        The model's and the single parameters'.
    notes : tuple of str
    features : FeatureSummary or None
    gallery : mapping of unit to Path
        Empty where the run has none.
    hashes : tuple of (file, hash)
    """

    folder: Path
    config: str
    provenance: Mapping[str, Any]
    outcome: Outcome
    splits: Table
    units: Table
    status: Table
    predictions: Scores
    baselines: tuple[Scores, ...]
    metrics: Mapping[str, ModelMetrics]
    notes: tuple[str, ...]
    features: FeatureSummary | None
    gallery: Mapping[str, Path]
    hashes: tuple[tuple[str, str], ...]

    @property
    def model(self) -> str:
        """Name of the run's model."""
        return str(self.provenance["model"])

    @property
    def own(self) -> ModelMetrics:
        """The figures of the run's model."""
        return self.metrics[self.model]

    @property
    def task(self) -> Mapping[str, Any]:
        """The task as the run saved it."""
        task: Mapping[str, Any] = self.provenance["task"]
        return task


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises
    ------
    InputError
        A required file, column or key is absent or is not what it should be; names the file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(str(folder), "run folder", "a folder", "none")
    texts = {name: read_text(folder / name) for name in REQUIRED}  # first of all: all are there
    provenance = _provenance(folder / "provenance.json")
    outcome = _outcome(folder / "provenance.json", provenance["task"])
    splits = read_table(folder / "splits.csv", ("repeat", "fold", "unit"))
    metrics = read_json(folder / "metrics.json")
    gallery = _gallery(folder / "gallery")
    where = str(folder / "metrics.json")
    run = Run(
        folder=folder,
        config=texts["config.yaml"],
        provenance=provenance,
        outcome=outcome,
        splits=splits,
        units=_units(folder / "units.csv", outcome),
        status=read_table(folder / "status.csv", ("unit", "patient", "stage", "status", "reason")),
        predictions=read_predictions(folder / "predictions.csv", outcome, splits),
        baselines=read_baselines(folder / "baselines.csv", outcome),
        metrics=metrics_of(where, metrics),
        notes=tuple(str(note) for note in metrics.get("notes") or ()),
        features=_features(folder),
        gallery=gallery,
        hashes=_hashes(folder, gallery.values()),
    )
    if run.model not in run.metrics:
        raise InputError(where, "models", f"an entry named {run.model!r}", str(list(run.metrics)))
    return run


def check_comparable(runs: Sequence[Run]) -> None:
    """Refuse runs of different tasks or splits: their figures do not stand side by side.

    Raises
    ------
    InputError
        Names both runs and what differs.
    """
    first = runs[0]
    for other in runs[1:]:
        for what, a, b in (
            ("task", first.task, other.task),
            ("splits_hash", first.provenance["splits_hash"], other.provenance["splits_hash"]),
        ):
            if a != b:
                shown = (a["name"], b["name"]) if what == "task" else (a, b)
                if shown[0] == shown[1]:
                    shown = (f"{shown[0]} as in {first.folder.name}", f"another {shown[1]}")
                raise InputError(
                    str(other.folder / "provenance.json"),
                    what,
                    f"{shown[0]} (as {first.folder})",
                    str(shown[1]),
                    "One report compares runs of one task on the same folds; make one for each.",
                )


def _provenance(path: Path) -> dict[str, Any]:
    value = read_json(path)
    for key in ("task", "model", "splits_hash"):
        if key not in value:
            raise InputError(str(path), key, "an entry", "none")
    task = value["task"]
    if not isinstance(task, dict) or not {"name", "target"} <= task.keys():
        raise InputError(str(path), "task", "an object with name and target", repr(task))
    return value


def _outcome(path: Path, task: Mapping[str, Any]) -> Outcome:
    """Return what the run's task predicts, as the task itself would say."""
    known = {field.name for field in fields(Task)}
    try:
        return Task(**{key: value for key, value in task.items() if key in known}).outcome
    except (InputError, TypeError) as error:
        raise InputError(str(path), "task", "the settings of a task", str(error)) from None


def _units(path: Path, outcome: Outcome) -> Table:
    table = read_table(path, ("unit", "patient", "center", *outcome.truth_columns))
    target_of(table, outcome)  # what is no target is said at once
    if len(set(table.text("unit"))) < table.rows:
        raise InputError(str(path), "unit", "each unit once", "some twice")
    return table


def _features(folder: Path) -> FeatureSummary | None:
    path = folder / "features.parquet"
    if not path.is_file():
        return None
    import pyarrow.parquet as parquet

    try:
        metadata = parquet.read_metadata(path)
        names = [n for n in parquet.read_schema(path).names if "__" in n.strip("_")]
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise InputError(str(path), "content", "Parquet", str(error)) from None
    parts: dict[tuple[str, str], list[str]] = {}
    for name in names:
        *before, featureset, rest = name.split("__")
        image = "" if featureset == MEASURE or rest.count("_") < 2 else rest.split("_", 1)[0]
        parts.setdefault((featureset, image), []).append("__".join(before))
    by_image = tuple((*key, len(set(found)), len(found)) for key, found in parts.items())
    beside = folder / "features.provenance.json"
    settings = _without_columns(read_any_json(beside)) if beside.is_file() else None
    return FeatureSummary(metadata.num_rows, len(names), by_image, settings)


def _without_columns(settings: Any) -> Any:
    """Leave out the description of every single column, which is too long for a page."""
    if isinstance(settings, list):
        return [_without_columns(part) for part in settings]
    if isinstance(settings, dict):
        return {key: value for key, value in settings.items() if key != "columns"}
    return settings


def _gallery(folder: Path) -> dict[str, Path]:
    return {unquote(path.stem): path for path in sorted(folder.glob("*.npz"))}


def _hashes(folder: Path, gallery: Iterable[Path]) -> tuple[tuple[str, str], ...]:
    names = [name for name in (*REQUIRED, *OPTIONAL) if (folder / name).is_file()]
    rows = [(name, content_hash(folder / name)) for name in names]
    pictures = [(path.name, content_hash(path)) for path in gallery]
    if pictures:
        rows.append((f"gallery/ ({len(pictures)} files)", hash_of(pictures)))
    return tuple(rows)
