"""The feature table of a cohort: radiomics and lesion quantities, one row per unit."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import pandas as pd

from petnet.errors import InputError, PetnetError
from petnet.files import content_hash, hash_of, write_json
from petnet.ingest.quality import implausible_suv
from petnet.measure.lesion import QUANTITIES, burden, lesion_quantities
from petnet.measure.regions import lesion_masks, union
from petnet.progress import track
from petnet.radiomics.extractor import FeatureSet, columns, extract_batch
from petnet.radiomics.kernels.dispatch import resolve_device
from petnet.units import Series, Unit
from petnet.volume import Volume, read_volume

__all__ = ["feature_table"]

STAGE_VERSION = 2
BATCH = 16
BATCH_BYTES = 512 * 2**20
Outcome = TypeVar("Outcome")
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Measured:
    """An image and the masks of the unit's lesions on its grid."""

    image: Volume
    masks: list[Volume]

    @property
    def nbytes(self) -> int:
        return int(self.image.array.nbytes + sum(mask.array.nbytes for mask in self.masks))


@dataclass(frozen=True, eq=False)
class _Loaded:
    """One unit's images and masks by column prefix and modality."""

    key: str
    images: dict[tuple[str, str], _Measured]

    @property
    def nbytes(self) -> int:
        return sum(measured.nbytes for measured in self.images.values())


def feature_table(
    units: Sequence[Unit],
    sets: Sequence[FeatureSet],
    series: Sequence[tuple[str, str]],
    device: str = "auto",
    cache: Path | None = None,
    workers: int = 2,
) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """Compute every feature of every unit.

    Parameters
    ----------
    units : sequence of Unit
    sets : sequence of FeatureSet
    series : sequence of (arm, timepoint)
        Those of the task; with more than one, columns are prefixed.
    device : {"auto", "cpu", "cuda"}
        Where texture is counted.
    cache : Path, optional
        Folder of rows already computed, keyed by the content of the files, the feature sets and
        the version of this stage.
    workers : int
        Threads that read and decompress.

    Returns
    -------
    table : pandas.DataFrame
        (units without failure, F) float64, indexed by unit id. With several series
        columns are prefixed by `{arm}_{timepoint}__`; a study without CT has NaN in CT columns.
    status : list of dict
        unit, patient, stage, status, reason: one row per unit.
    """
    chosen = resolve_device(device)
    folder = None if cache is None else Path(cache) / "features"
    prefixes = _prefixes(series)
    rows: dict[str, dict[str, float]] = {}
    status: dict[str, str] = {}
    for loaded in _batches(units, sets, folder, prefixes, workers, rows, status):
        _extract(loaded, sets, chosen, folder, rows, status)
    table = pd.DataFrame.from_dict(
        {u.id: rows[u.id] for u in units if u.id in rows},
        orient="index",
        dtype="float64",
    ).reindex(columns=_columns(sets, series))
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


def _columns(sets: Sequence[FeatureSet], series: Sequence[tuple[str, str]]) -> list[str]:
    """Name every column in an order that neither the cache nor the units decide."""
    own = [f"measure__{name}" for name in QUANTITIES]
    own += [column for feature_set in sets for column in columns(feature_set)]
    return [prefix + column for prefix in _prefixes(series).values() for column in own]


def _prefixes(series: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    return {(a, t): f"{a}_{t}__" if len(series) > 1 else "" for a, t in series}


def _batches(
    units: Sequence[Unit],
    sets: Sequence[FeatureSet],
    folder: Path | None,
    prefixes: Mapping[tuple[str, str], str],
    workers: int,
    rows: dict[str, dict[str, float]],
    status: dict[str, str],
) -> Iterator[dict[str, _Loaded]]:
    """Yield the units that must be computed, a batch at a time; fill `rows` from the cache."""
    loaded: dict[str, _Loaded] = {}
    with ThreadPoolExecutor(max(1, workers)) as pool:
        outcomes = _ahead(pool, lambda u: _load(u, sets, folder, prefixes), units, workers)
        for unit, outcome in track(outcomes, "features", len(units)):
            if isinstance(outcome, str):
                status[unit.id] = outcome
            elif isinstance(outcome, dict):
                rows[unit.id] = outcome
            else:
                loaded[unit.id] = outcome
            if len(loaded) == BATCH or sum(one.nbytes for one in loaded.values()) > BATCH_BYTES:
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


def _load(
    unit: Unit,
    sets: Sequence[FeatureSet],
    folder: Path | None,
    prefixes: Mapping[tuple[str, str], str],
) -> _Loaded | dict[str, float] | str:
    """Return the cached row, else the images, else the reason why there is neither."""
    try:
        key = _cache_key(unit, sets, prefixes)
        if folder is not None and (folder / f"{key}.json").is_file():
            cached = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
            return {k: float("nan") if v is None else float(v) for k, v in cached.items()}
        images: dict[tuple[str, str], _Measured] = {}
        for series in unit.series:
            if not series.regions:  # nothing delineated here: its columns stay empty
                continue
            prefix = prefixes[series.arm, series.timepoint]
            ct_wanted = any(s.modality == "CT" for s in sets)
            images |= {(prefix, m): pair for m, pair in _series_images(series, ct_wanted).items()}
        return _Loaded(key, images)
    except PetnetError as error:
        return str(error)


def _cache_key(
    unit: Unit, sets: Sequence[FeatureSet], prefixes: Mapping[tuple[str, str], str]
) -> str:
    parts: list[Any] = [STAGE_VERSION, sorted(prefixes.values()), [s.hash for s in sets]]
    for series in unit.series:
        named = [("pet", series.pet), ("ct", series.ct), *((r.roi, r.path) for r in series.regions)]
        for what, path in named:
            if path is not None and not path.is_file():
                raise InputError(str(path), what, "an existing NIfTI file", "no such file")
        labels = [(r.grid, r.label, r.lesion_uid) for r in series.regions]
        contents = [content_hash(path) if path else None for _, path in named]
        parts.append([series.arm, series.timepoint, labels, contents])
    return hash_of(*parts)


def _series_images(series: Series, ct_wanted: bool) -> dict[str, _Measured]:
    made: dict[str, _Measured] = {}
    if series.pet is not None:
        pet = read_volume(series.pet, "SUVbw", "PT", series.tracer)
        fault = implausible_suv(pet)
        if fault:
            raise PetnetError(f"{series.pet}: {fault}")
        made["PT"] = _Measured(pet, lesion_masks(series.regions, pet, "pet"))
    if series.ct is not None and ct_wanted:
        ct = read_volume(series.ct, "HU", "CT")
        made["CT"] = _Measured(ct, lesion_masks(series.regions, ct, "ct"))
    return made


def _extract(
    loaded: dict[str, _Loaded],
    sets: Sequence[FeatureSet],
    device: str,
    folder: Path | None,
    rows: dict[str, dict[str, float]],
    status: dict[str, str],
) -> None:
    """Compute a batch; if it fails as a whole, each unit alone, so that only the guilty fail."""
    try:
        made = _compute(loaded, sets, device)
    except PetnetError as error:
        if len(loaded) == 1:
            status[next(iter(loaded))] = str(error)
            return
        for unit, one in loaded.items():
            _extract({unit: one}, sets, device, folder, rows, status)
        return
    rows |= made
    if folder is not None:
        for unit, row in made.items():
            values = {k: None if v != v else v for k, v in row.items()}
            write_json(folder / f"{loaded[unit].key}.json", values)


def _compute(
    loaded: dict[str, _Loaded], sets: Sequence[FeatureSet], device: str
) -> dict[str, dict[str, float]]:
    made: dict[str, dict[str, float]] = {unit: {} for unit in loaded}
    for unit, one in loaded.items():
        for (prefix, modality), measured in one.images.items():
            if modality == "PT":
                found = burden([lesion_quantities(measured.image, m) for m in measured.masks])
                made[unit] |= {f"{prefix}measure__{k}": v for k, v in found.items()}
    for feature_set in sets:
        ids, images, masks = [], [], []
        for unit, one in loaded.items():
            for (prefix, modality), measured in one.images.items():
                if modality == feature_set.modality:
                    ids.append((unit, prefix))
                    images.append(measured.image)
                    masks.append(union(measured.masks))
        if not ids:
            continue
        names = ["\t".join(key) for key in ids]
        table = extract_batch(images, masks, feature_set, device=device, ids=names)
        for (unit, prefix), values in zip(ids, table.to_dict("records"), strict=True):
            made[unit] |= {prefix + str(k): cast(float, v) for k, v in values.items()}
    return made
