"""Rows of features: what is read as a whole (a unit, a study) is computed and kept as a whole."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from petnet.errors import InputError, PetnetError
from petnet.files import content_hash, hash_of, intact, read_json, write_json
from petnet.measure.regions import BoxedMask
from petnet.progress import track
from petnet.radiomics.extractor import FeatureSet, extract_regions
from petnet.radiomics.gate import SEPARATOR, flag_notes
from petnet.units import Region, Series
from petnet.volume import Volume

__all__ = ["Item", "Job", "Reading", "Rows", "compute_rows", "key_of"]

VERSION = 6  # raised whenever the same settings begin to give other rows
CHUNK_BYTES = 512 * 2**20
VOXEL_BYTES = 32  # of a prepared region: intensities, masks and levels
log = logging.getLogger(__name__)

Values = dict[str, dict[str, float]]


@dataclass(frozen=True, eq=False)
class Job:
    """A region whose features belong into a row, under column names with a prefix."""

    row: str
    prefix: str
    image: Volume
    mask: BoxedMask


@dataclass(frozen=True, eq=False)
class Reading:
    """What the files of an item hold.

    Attributes
    ----------
    measured : dict of str to dict
        Quantities measured while reading, by row and column.
    jobs : list of Job
        Regions of which features are still to be computed.
    failed : dict of str to str
        Why rows cannot be made.
    """

    measured: Values
    jobs: list[Job]
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """A unit or a study, read and kept as a whole.

    Attributes
    ----------
    name : str
    key : callable
        Returns the hash of all that its rows depend on; may raise PetnetError.
    read : callable
        Reads its files; may raise PetnetError.
    """

    name: str
    key: Callable[[], str]
    read: Callable[[], Reading]


@dataclass(frozen=True)
class Rows:
    """The rows of an item.

    Attributes
    ----------
    values : dict of str to dict
        By row and column.
    flagged : dict of str to str
        Notes of `flag_notes` by row; empty where nothing is flagged.
    failed : dict of str to str
        Why other rows could not be made. One row may fail and the others stand; no row is made in
        part.
    fault : str
        Why the item as a whole could not be read.
    """

    values: Values = field(default_factory=dict)
    flagged: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    fault: str = ""


def compute_rows(
    items: Sequence[Item],
    sets: Sequence[FeatureSet],
    device: str,
    folder: Path | None = None,
    workers: int = 2,
) -> dict[str, Rows]:
    """Compute the rows of every item, or take them from the cache.

    All regions of an item are counted together, but never with those of another: a row does not
    depend, to the last bit, on what else was asked for, nor on where a killed run began anew.

    Parameters
    ----------
    items : sequence of Item
    sets : sequence of FeatureSet
        Each for the images of its modality.
    device : {"auto", "cpu", "cuda"}
    folder : Path, optional
        Of the cache. Items with a failed row are not kept.
    workers : int
        Threads that read and decompress; so many items are held beforehand.

    Returns
    -------
    dict of str to Rows
        By the name of the item, in order.
    """
    made: dict[str, Rows] = {}
    with ThreadPoolExecutor(max(1, workers)) as pool:
        outcomes = _ahead(pool, lambda item: _load(item, folder), items, workers)
        for item, outcome in track(outcomes, "features", len(items)):
            if isinstance(outcome, Rows):
                made[item.name] = outcome
                continue
            key, reading = outcome
            rows = _computed(item.name, reading, sets, device)
            if folder is not None and not rows.failed:
                _keep(folder / f"{key}.json", rows)
            made[item.name] = rows
    return made


Outcome = Rows | tuple[str, Reading]


def _ahead(
    pool: ThreadPoolExecutor, call: Callable[[Item], Outcome], items: Sequence[Item], ahead: int
) -> Iterator[tuple[Item, Outcome]]:
    """Yield each item with its outcome, in order; only `ahead` of them are read beforehand."""
    waiting: deque[tuple[Item, Future[Outcome]]] = deque()
    for item in items:
        waiting.append((item, pool.submit(call, item)))
        if len(waiting) > ahead:
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()


def _load(item: Item, folder: Path | None) -> Outcome:
    """Return the kept rows, else what the files hold, else why there is neither."""
    try:
        key = item.key()
        kept = None if folder is None else _kept(folder / f"{key}.json")
        return kept or (key, item.read())
    except PetnetError as error:
        return Rows(fault=str(error))


def _keep(path: Path, rows: Rows) -> None:
    values = {
        row: {k: None if math.isnan(v) else v for k, v in found.items()}
        for row, found in rows.values.items()
    }
    write_json(path, {"values": values, "flagged": rows.flagged})


def _kept(path: Path) -> Rows | None:
    """Return rows that were kept; None if they were not, or are damaged."""
    if not path.is_file():
        return None
    try:
        found = read_json(path)
        with intact(path, "rows that petnet kept"):
            values = {
                row: {k: math.nan if v is None else float(v) for k, v in dict(own).items()}
                for row, own in dict(found["values"]).items()
            }
            return Rows(values, dict(found["flagged"]))
    except InputError as error:
        log.warning("%s: computed again", error)
        return None


def _computed(name: str, reading: Reading, sets: Sequence[FeatureSet], device: str) -> Rows:
    """Compute the features of an item; a row of which any region fails is no row."""
    values = {row: dict(found) for row, found in reading.measured.items()}
    notes: dict[str, list[str]] = {row: [] for row in values}
    failed = dict(reading.failed)
    for modality in ("PT", "CT"):
        wanted = [one for one in sets if one.modality == modality]
        jobs = [job for job in reading.jobs if job.image.modality == modality]
        for chunk in _chunks(jobs if wanted else [], wanted):
            _extract(name, chunk, wanted, device, values, notes, failed)
    kept = [row for row in values if row not in failed]
    return Rows(
        {row: values[row] for row in kept},
        {row: SEPARATOR.join(notes[row]) for row in kept},
        failed,
    )


def _chunks(jobs: Sequence[Job], sets: Sequence[FeatureSet]) -> Iterator[list[Job]]:
    """Divide jobs so that their prepared regions fit in memory.

    What a filter sees beyond a region is let go with its response, and an image that it needs
    whole is filtered once in a chunk: neither grows with the number of jobs.
    """
    chunk: list[Job] = []
    held = 0
    for job in jobs:
        needed = sum(_prepared_voxels(job, one) for one in sets) * VOXEL_BYTES
        if chunk and held + needed > CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
        chunk.append(job)
        held += needed
    if chunk:
        yield chunk


def _prepared_voxels(job: Job, feature_set: FeatureSet) -> int:
    """Return how many voxels a region has on the grid of a set, in all of its images."""
    new = feature_set.spacing_mm or (None, None, None)
    edges = zip(job.mask.array.shape, job.image.spacing_mm, new, strict=True)
    box = [n if to is None else math.ceil((n + 1) * mm / to) for n, mm, to in edges]
    return int(math.prod(box)) * len(feature_set.images)


def _extract(
    name: str,
    jobs: Sequence[Job],
    sets: Sequence[FeatureSet],
    device: str,
    values: Values,
    notes: dict[str, list[str]],
    failed: dict[str, str],
) -> None:
    """Compute jobs together; if that fails, either half by itself, so that only the guilty fail."""
    names = [f"{job.row} {job.prefix}".strip() or name for job in jobs]
    masks = [job.mask.on(job.image) for job in jobs]
    try:
        done = extract_regions([job.image for job in jobs], masks, sets, device, names)
    except PetnetError as error:
        if len(jobs) == 1:
            failed.setdefault(jobs[0].row, str(error))
            return
        for half in (jobs[: len(jobs) // 2], jobs[len(jobs) // 2 :]):
            _extract(name, half, sets, device, values, notes, failed)
        return
    found = zip(jobs, done.table.to_dict("records"), flag_notes(done.flagged, sets), strict=True)
    for job, features, said in found:
        values[job.row] |= {f"{job.prefix}{k}": float(v) for k, v in features.items()}
        notes[job.row] += [job.prefix + note for note in said]


def key_of(
    layout: object,
    sets: Sequence[FeatureSet],
    series: Sequence[Series],
    modalities: Collection[str],
) -> str:
    """Return the hash of what the rows of some series depend on.

    Parameters
    ----------
    layout : JSON-like
        What else makes rows and columns.
    modalities : collection of {"PT", "CT"}
        Of the images that are looked at.

    Raises
    ------
    InputError
        A file is not there.
    """
    seen: dict[Path, str] = {}

    def content(what: str, path: Path | None) -> str | None:
        if path is None:
            return None
        if not path.is_file():
            raise InputError(str(path), what, "an existing NIfTI file", "no such file")
        if path not in seen:
            seen[path] = content_hash(path)
        return seen[path]

    def described(region: Region) -> tuple[object, ...]:
        named = (region.role, region.region, region.lesion_uid, region.grid, region.label)
        return (*named, content(region.roi, region.path))

    parts = []
    for one in series:
        images = [
            content("pet", one.pet if "PT" in modalities else None),
            content("ct", one.ct if "CT" in modalities else None),
        ]
        regions = [[described(r) for r in rs] for rs in (one.regions, one.references)]
        parts.append([one.arm, one.timepoint, images, regions])
    return hash_of(VERSION, layout, [one.hash for one in sets], parts)
