"""A run folder as frozen values: what the report knows of a run, and nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.files import content_hash, hash_of
from petnet.reporting.metrics_file import ModelMetrics, metrics_of, training_auc
from petnet.reporting.tables import Table, read_any_json, read_json, read_table, read_text
from petnet.stats.intervals import Estimate

__all__ = ["FeatureSummary", "Run", "Scores", "check_comparable", "read_run"]

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
OPTIONAL = ("features.parquet", "features.provenance.json")


@dataclass(frozen=True, eq=False)
class Scores:
    """Out-of-fold rows of one model or of one single parameter.

    Attributes
    ----------
    name : str
    unit, patient : (n,) str arrays
    repeat, fold : (n,) int arrays
    score, truth : (n,) float64 arrays
        Truth is NaN where unknown; so is the score of a parameter that could not be measured.
    sign : int
        −1 where lower scores speak for the positive class.
    """

    name: str
    unit: NDArray[np.str_]
    patient: NDArray[np.str_]
    repeat: NDArray[np.intp]
    fold: NDArray[np.intp]
    score: NDArray[np.float64]
    truth: NDArray[np.float64]
    sign: int = 1


@dataclass(frozen=True)
class FeatureSummary:
    """Size of the feature table, and how many columns each (set, image) has."""

    rows: int
    columns: int
    by_image: tuple[tuple[str, str, int], ...]
    settings: Any


@dataclass(frozen=True, eq=False)
class Run:
    """All that the report reads of one run folder.

    Attributes
    ----------
    folder : Path
    config : str
        The text of `config.yaml`.
    provenance : mapping
    splits, units, status : Table
    predictions : Scores
    baselines : tuple of Scores
    metrics : mapping of name to ModelMetrics
        The model's and the single parameters'.
    train_auc : Estimate or None
    notes : tuple of str
    features : FeatureSummary or None
    gallery : mapping of unit to Path
        Empty where the run has none.
    hashes : tuple of (file, hash)
    """

    folder: Path
    config: str
    provenance: Mapping[str, Any]
    splits: Table
    units: Table
    status: Table
    predictions: Scores
    baselines: tuple[Scores, ...]
    metrics: Mapping[str, ModelMetrics]
    train_auc: Estimate | None
    notes: tuple[str, ...]
    features: FeatureSummary | None
    gallery: Mapping[str, Path]
    hashes: tuple[tuple[str, str], ...]

    @property
    def model(self) -> str:
        """Name of the run's model."""
        return str(self.provenance["model"])

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
    splits = read_table(folder / "splits.csv", ("repeat", "fold", "unit"))
    predictions = _predictions(folder / "predictions.csv", splits)
    metrics = read_json(folder / "metrics.json")
    gallery = _gallery(folder / "gallery")
    where = str(folder / "metrics.json")
    run = Run(
        folder=folder,
        config=texts["config.yaml"],
        provenance=provenance,
        splits=splits,
        units=_units(folder / "units.csv"),
        status=read_table(folder / "status.csv", ("unit", "patient", "stage", "status", "reason")),
        predictions=predictions,
        baselines=_baselines(folder / "baselines.csv"),
        metrics=metrics_of(where, metrics),
        train_auc=training_auc(where, metrics, str(provenance["model"])),
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


def _units(path: Path) -> Table:
    table = read_table(path, ("unit", "patient", "center", "target"))
    _check_truth(path, "target", table.numbers("target", missing=True))
    if len(set(table.text("unit"))) < table.rows:
        raise InputError(str(path), "unit", "each unit once", "some twice")
    return table


def _check_truth(path: Path, name: str, truth: NDArray[np.float64]) -> None:
    other = np.setdiff1d(truth[np.isfinite(truth)], [0.0, 1.0])
    if other.size:
        raise InputError(str(path), name, "0, 1 or empty", f"{other[:5].tolist()}")


def _scores(table: Table, name: str, column: str, rows: NDArray[np.intp], sign: int) -> Scores:
    truth = table.numbers("truth", missing=True)[rows]
    _check_truth(table.path, "truth", truth)
    return Scores(
        name=name,
        unit=np.array(table.text("unit"), dtype=np.str_)[rows],
        patient=np.array(table.text("patient"), dtype=np.str_)[rows],
        repeat=table.numbers("repeat")[rows].astype(np.intp),
        fold=table.numbers("fold")[rows].astype(np.intp),
        score=table.numbers(column, missing=column == "score")[rows],
        truth=truth,
        sign=sign,
    )


def _predictions(path: Path, splits: Table) -> Scores:
    table = read_table(path, ("unit", "patient", "repeat", "fold", "probability", "truth"))
    if not table.rows:
        raise InputError(str(path), "rows", "at least one prediction", "none")
    names = sorted(set(table.columns.get("model", ("",) * table.rows)))
    if len(names) > 1:
        raise InputError(str(path), "model", "one model", ", ".join(names))
    probability = table.numbers("probability")
    bad = np.flatnonzero((probability < 0) | (probability > 1))
    if bad.size:
        found = f"{probability[bad[0]]:.6g} in line {bad[0] + 2}"
        raise InputError(str(path), "probability", "0 to 1", found)
    scores = _scores(table, names[0], "probability", np.arange(table.rows), 1)
    held_out = set(zip(*(splits.text(c) for c in ("repeat", "fold", "unit")), strict=True))
    for row in zip(*(table.text(c) for c in ("repeat", "fold", "unit")), strict=True):
        if row not in held_out:
            found = f"unit {row[2]} in repeat {row[0]}, fold {row[1]}"
            raise InputError(str(path), "unit", "held-out rows of splits.csv", found)
    return scores


def _baselines(path: Path) -> tuple[Scores, ...]:
    columns = ("unit", "patient", "model", "repeat", "fold", "score", "truth", "direction")
    table = read_table(path, columns)
    models = np.array(table.text("model"), dtype=np.str_)
    found = []
    for name in dict.fromkeys(table.text("model")):
        rows = np.flatnonzero(models == name)
        directions = {table.text("direction")[row] for row in rows}
        if directions not in ({"higher"}, {"lower"}):
            raise InputError(
                str(path), f"direction of {name}", "higher or lower throughout", str(directions)
            )
        found.append(_scores(table, name, "score", rows, 1 if directions == {"higher"} else -1))
    return tuple(found)


def _features(folder: Path) -> FeatureSummary | None:
    path = folder / "features.parquet"
    if not path.is_file():
        return None
    import pyarrow.parquet as parquet

    try:
        metadata = parquet.read_metadata(path)
        names = [n for n in parquet.read_schema(path).names if "__" in n.lstrip("_")]
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise InputError(str(path), "content", "Parquet", str(error)) from None
    counts: dict[tuple[str, str], int] = {}
    for name in names:
        featureset, rest = name.rsplit("__", 1)
        key = (featureset, rest.split("_", 1)[0] if rest.count("_") > 1 else "")
        counts[key] = counts.get(key, 0) + 1
    by_image = tuple((s, i, n) for (s, i), n in counts.items())
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
