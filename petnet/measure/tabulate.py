"""The feature table of a cohort: radiomics and lesion quantities, one row per unit."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import pandas as pd

from petnet.errors import InputError, PetnetError
from petnet.files import content_hash, hash_of, write_json
from petnet.measure.layout import table_columns, with_changes
from petnet.measure.reading import Image, UnitImages, read_unit
from petnet.progress import track
from petnet.radiomics.extractor import FeatureSet, extract_batch
from petnet.radiomics.kernels.dispatch import resolve_device
from petnet.task import Task
from petnet.units import Region, Unit

__all__ = ["feature_table"]

STAGE_VERSION = 4
BATCH = 16
BATCH_BYTES = 512 * 2**20
Outcome = TypeVar("Outcome")
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Loaded:
    """What is known of one unit, and the name of its row in the cache."""

    key: str
    read: UnitImages


@dataclass(frozen=True)
class _Work:
    """What is computed, where, and where rows are kept."""

    task: Task
    sets: tuple[FeatureSet, ...]
    device: str
    folder: Path | None


def feature_table(
    units: Sequence[Unit],
    task: Task,
    sets: Sequence[FeatureSet] = (),
    device: str = "auto",
    cache: Path | None = None,
    workers: int = 2,
) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """Compute every feature of every unit.

    Parameters
    ----------
    units : sequence of Unit
    task : Task
        Its series, compartments, references and time points make the columns.
    sets : sequence of FeatureSet
        None gives the lesion quantities alone.
    device : {"auto", "cpu", "cuda"}
        Where texture is counted.
    cache : Path, optional
        Folder of rows already computed, keyed by the content of the files, the feature sets, what
        of the task makes columns, and the version of this stage.
    workers : int
        Threads that read and decompress.

    Returns
    -------
    table : pandas.DataFrame
        (units without failure, F) float64, indexed by unit id; columns
        `[{arm}_{timepoint}__][{compartment}__]measure__{quantity}` and those of the feature sets,
        with the first part where the task has several series and the second where it keeps
        compartments separate; then `delta__...` (`with_changes`). A study or a CT that is not
        there has NaN; a compartment in which nothing is delineated has count and volumes of 0
        (`nothing_delineated`).
    status : list of dict
        unit, patient, stage, status, reason: one row per unit.
    """
    folder = None if cache is None else Path(cache) / "features"
    work = _Work(task, tuple(sets), resolve_device(device), folder)
    _warn_of_references(units, task)
    rows: dict[str, dict[str, float]] = {}
    status: dict[str, str] = {}
    for loaded in _batches(units, work, workers, rows, status):
        _extract(loaded, work, rows, status)
    found = {u.id: rows[u.id] for u in units if u.id in rows}
    table = pd.DataFrame.from_dict(found, orient="index", dtype="float64")
    table = with_changes(table.reindex(columns=table_columns(task, sets)), task)
    table.index.name = "unit"
    return table, [
        {
            "unit": u.id,
            "patient": u.patient,
            "stage": "features",
            "status": "failed" if u.id in status else "ok",
            "reason": status.get(u.id, ""),
        }
        for u in units
    ]


def _warn_of_references(units: Sequence[Unit], task: Task) -> None:
    found = {r.region for unit in units for series in unit.series for r in series.references}
    for region in (r for r in task.references if r not in found):
        log.warning("no reference region %s in any study: TBR_%s stays empty", region, region)


def _batches(
    units: Sequence[Unit],
    work: _Work,
    workers: int,
    rows: dict[str, dict[str, float]],
    status: dict[str, str],
) -> Iterator[dict[str, _Loaded]]:
    """Yield the units that must be computed, a batch at a time; fill `rows` from the cache."""
    loaded: dict[str, _Loaded] = {}
    with ThreadPoolExecutor(max(1, workers)) as pool:
        outcomes = _ahead(pool, lambda u: _load(u, work), units, workers)
        for unit, outcome in track(outcomes, "features", len(units)):
            if isinstance(outcome, str):
                status[unit.id] = outcome
            elif isinstance(outcome, dict):
                rows[unit.id] = outcome
            else:
                loaded[unit.id] = outcome
            held = sum(one.read.nbytes for one in loaded.values())
            if len(loaded) == BATCH or held > BATCH_BYTES:
                yield loaded
                loaded = {}
    yield loaded


def _ahead(
    pool: ThreadPoolExecutor, call: Callable[[Unit], Outcome], units: Sequence[Unit], ahead: int
) -> Iterator[tuple[Unit, Outcome]]:
    """Yield each unit with its outcome, in order; only `ahead` of them are read beforehand."""
    waiting: deque[tuple[Unit, Future[Outcome]]] = deque()
    for unit in units:
        waiting.append((unit, pool.submit(call, unit)))
        if len(waiting) > ahead:
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()


def _load(unit: Unit, work: _Work) -> _Loaded | dict[str, float] | str:
    """Return the cached row, else what the files hold, else the reason why there is neither."""
    try:
        key = _cache_key(unit, work)
        if work.folder is not None and (work.folder / f"{key}.json").is_file():
            cached = json.loads((work.folder / f"{key}.json").read_text(encoding="utf-8"))
            return {k: float("nan") if v is None else float(v) for k, v in cached.items()}
        return _Loaded(key, read_unit(unit, work.task, {s.modality for s in work.sets}))
    except PetnetError as error:
        return str(error)


def _cache_key(unit: Unit, work: _Work) -> str:
    task = work.task
    layout = (task.series, task.separate, task.compartments, task.references)
    parts: list[Any] = [STAGE_VERSION, layout, [s.hash for s in work.sets]]
    hashes: dict[Path, str] = {}

    def content(what: str, path: Path | None) -> str | None:
        if path is None:
            return None
        if not path.is_file():
            raise InputError(str(path), what, "an existing NIfTI file", "no such file")
        if path not in hashes:
            hashes[path] = content_hash(path)
        return hashes[path]

    def described(region: Region) -> tuple[Any, ...]:
        named = (region.role, region.region, region.lesion_uid, region.grid, region.label)
        return (*named, content(region.roi, region.path))

    for series in unit.series:
        images = [content("pet", series.pet), content("ct", series.ct)]
        regions = [[described(r) for r in rs] for rs in (series.regions, series.references)]
        parts.append([series.arm, series.timepoint, images, regions])
    return hash_of(*parts)


def _extract(
    loaded: dict[str, _Loaded],
    work: _Work,
    rows: dict[str, dict[str, float]],
    status: dict[str, str],
) -> None:
    """Compute a batch; if it fails as a whole, each unit alone, so that only the guilty fail."""
    try:
        made = _compute(loaded, work)
    except PetnetError as error:
        if len(loaded) == 1:
            status[next(iter(loaded))] = str(error)
            return
        for unit, one in loaded.items():
            _extract({unit: one}, work, rows, status)
        return
    rows |= made
    if work.folder is not None:
        for unit, row in made.items():
            values = {k: None if v != v else v for k, v in row.items()}
            write_json(work.folder / f"{loaded[unit].key}.json", values)


def _compute(loaded: dict[str, _Loaded], work: _Work) -> dict[str, dict[str, float]]:
    made = {unit: dict(one.read.measured) for unit, one in loaded.items()}
    for feature_set in work.sets:
        for jobs in _jobs(loaded, feature_set.modality):
            images = [image.volume for _, _, image in jobs]
            masks = [image.masks[prefix].whole(image.volume) for _, prefix, image in jobs]
            names = [f"{unit} {prefix}" for unit, prefix, _ in jobs]
            table = extract_batch(images, masks, feature_set, device=work.device, ids=names)
            for (unit, prefix, _), values in zip(jobs, table.to_dict("records"), strict=True):
                made[unit] |= {prefix + str(k): cast(float, v) for k, v in values.items()}
    return made


def _jobs(loaded: dict[str, _Loaded], modality: str) -> Iterator[list[tuple[str, str, Image]]]:
    """Yield (unit, prefix, image) of one modality, as many at once as whole masks fit in memory."""
    jobs: list[tuple[str, str, Image]] = []
    held = 0
    for unit, one in loaded.items():
        for image in one.read.images:
            for prefix in image.masks if image.volume.modality == modality else ():
                jobs.append((unit, prefix, image))
                held += image.volume.array.size
                if held > BATCH_BYTES:
                    yield jobs
                    jobs, held = [], 0
    if jobs:
        yield jobs
