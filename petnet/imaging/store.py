"""Crops of units by id, made on the device and cached on disk by content.

A cached file holds absolute values (float32 SUV and HU, uint8 mask): half precision would round HU
and SUV beyond what the native image is read to, and a 32³ crop is under 300 kB anyway. Windows
are applied when crops are asked for, so another window makes no new file.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from petnet.errors import InputError, PetnetError
from petnet.files import atomic_path, content_hash, hash_of
from petnet.imaging.config import ImagingConfig
from petnet.imaging.crop import crop_series, label_sets, normalised
from petnet.progress import track
from petnet.units import Series, Unit
from petnet.volume import StoredImage, read_stored

__all__ = ["STAGE_VERSION", "CropStore", "prepare_crops"]

STAGE_VERSION = 1  # raise it when the same files and settings give other numbers
READ_AHEAD = 2  # units whose files are decompressed while one is worked on
ABSOLUTE = {"pet": "pet_suv", "ct": "ct_hu", "mask": "mask"}
SeriesKey = tuple[str, str]
log = logging.getLogger(__name__)


class CropStore:
    """Crops by unit id, on one device.

    Attributes
    ----------
    channels : tuple of str
        The config's channels; with several series `{arm}_{timepoint}_{channel}`.
    shape : (X, Y, Z) tuple of int
    ids : tuple of str
        Units that have a crop.
    series : tuple of (arm, timepoint)
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        tracers: Mapping[str, Mapping[SeriesKey, str]],
        config: ImagingConfig,
        series: Sequence[SeriesKey],
        device: torch.device | str,
        keep: Literal["device", "disk"] = "device",
    ) -> None:
        self.files, self.tracers, self.config = dict(files), tracers, config
        self.series, self.device, self.keep = tuple(series), torch.device(device), keep
        self.ids, self.shape = tuple(files), config.crop_shape
        self.channels = tuple(
            _prefix(key, self.series) + channel
            for key in self.series
            for channel in config.channels
        )
        self._kept: dict[str, tuple[Tensor, Tensor]] = {}

    def crops(self, ids: Sequence[str]) -> Tensor:
        """Return (B, C, X, Y, Z) float32, windowed; channels that a unit lacks are 0."""
        return torch.stack([self._image(id_)[0] for id_ in self._known(ids)])

    def present(self, ids: Sequence[str]) -> Tensor:
        """Return (B, C) bool: which channels the units have."""
        return torch.stack([self._image(id_)[1] for id_ in self._known(ids)])

    def absolute(self, ids: Sequence[str]) -> dict[str, Tensor]:
        """Return `pet_suv`, `ct_hu` (float32, NaN where missing) and `mask` (uint8).

        Each is (B, X, Y, Z); with several series the names begin with `{arm}_{timepoint}_`.
        """
        read = [self._read(id_) for id_ in self._known(ids)]
        made: dict[str, Tensor] = {}
        for key in self.series:
            for name in ABSOLUTE.values():
                parts = [tensors.get(_name(key, name)) for tensors in read]
                made[_prefix(key, self.series) + name] = torch.stack(
                    [self._missing(name) if part is None else part for part in parts]
                )
        return made

    def details(self, id_: str) -> dict[str, Any]:
        """Return `centre_mm`, `covered` and `point_mask` of a unit's crops, by "arm/timepoint"."""
        (known,) = self._known([id_])
        with safe_open(self.files[known], framework="pt") as stream:
            made: dict[str, Any] = json.loads(stream.metadata()["details"])
        return made

    def _known(self, ids: Sequence[str]) -> Sequence[str]:
        for id_ in ids:
            if id_ not in self.files:
                raise InputError(
                    "image store", "unit", f"one of {len(self.ids)} units with a crop", repr(id_)
                )
        return ids

    def _read(self, id_: str) -> dict[str, Tensor]:
        read = load_file(self.files[id_])
        return {name: tensor.to(self.device) for name, tensor in read.items()}

    def _missing(self, name: str) -> Tensor:
        if name == "mask":
            return torch.zeros(self.shape, dtype=torch.uint8, device=self.device)
        return torch.full(self.shape, torch.nan, device=self.device)

    def _image(self, id_: str) -> tuple[Tensor, Tensor]:
        """Return the (C, X, Y, Z) image and (C,) presence of one unit."""
        if id_ in self._kept:
            return self._kept[id_]
        tensors = self._read(id_)
        image = torch.zeros((len(self.channels), *self.shape), device=self.device)
        present = [False] * len(self.channels)
        wanted = [(key, channel) for key in self.series for channel in self.config.channels]
        for position, (key, channel) in enumerate(wanted):
            values = tensors.get(_name(key, ABSOLUTE[channel]))
            if values is None:
                continue
            present[position] = True
            if channel == "pet":
                values = normalised(values, self.config.pet_window(self.tracers[id_][key]))
            elif channel == "ct":
                values = normalised(values, self.config.ct_window)
            image[position] = values
        made = image, torch.tensor(present, device=self.device)
        if self.keep == "device":
            self._kept[id_] = made
        return made


def _prefix(key: SeriesKey, series: Sequence[SeriesKey]) -> str:
    return "" if len(series) == 1 else f"{key[0]}_{key[1]}_"


def _name(key: SeriesKey, name: str) -> str:
    return f"{key[0]}/{key[1]}/{name}"


def prepare_crops(
    units: Sequence[Unit],
    config: ImagingConfig,
    cache_dir: Path,
    device: torch.device | str = "cpu",
    *,
    series: Sequence[SeriesKey] | None = None,
    keep: Literal["device", "disk"] = "device",
    threads: int = 2,
) -> tuple[CropStore, list[dict[str, str]]]:
    """Make the crops of units, or find them in the cache.

    A file's name is a hash of the content of the unit's files, the labels wanted of them, the
    config's geometry and STAGE_VERSION.

    Parameters
    ----------
    units : sequence of Unit
    config : ImagingConfig
    cache_dir : Path
    device : torch.device or str
        Where crops are made and will lie.
    series : sequence of (arm, timepoint), optional
        What makes the channels, e.g. those of the task; defaults to all that occur in `units`.
    keep : {"device", "disk"}
        Whether the store keeps what it has served, or reads it again each time.
    threads : int
        Threads that hash and decompress.

    Returns
    -------
    store : CropStore
    status : list of dict
        One row per unit: unit, stage ("imaging"), status ("ok", "failed"), reason (why it
        failed; or, of a crop that is made, what is to be known of it).
    """
    chosen = _series_of(units) if series is None else list(series)
    failed: dict[str, str] = {}
    files: dict[str, Path] = {}
    pool = ThreadPoolExecutor(threads, thread_name_prefix="petnet-imaging")
    try:
        hashes: dict[Path, Future[str]] = {}
        for path in dict.fromkeys(p for u in units for s in _used(u, chosen) for p in _paths(s)):
            hashes[path] = pool.submit(_content, path)
        for unit in units:
            try:
                _check(unit, chosen, config)
                key = _cache_key(unit, chosen, config, hashes)
                files[unit.id] = Path(cache_dir) / f"{key}.safetensors"
            except PetnetError as error:
                failed[unit.id] = str(error)
        missing = [u for u in units if u.id in files and not _intact(files[u.id])]
        failed |= _make(missing, files, chosen, config, device, pool)
    finally:
        pool.shutdown(cancel_futures=True)
    made = {u.id: files[u.id] for u in units if u.id not in failed}
    tracers = {u.id: {(s.arm, s.timepoint): s.tracer for s in u.series} for u in units}
    store = CropStore(made, tracers, config, chosen, device, keep)
    return store, [_row(unit.id, failed, store) for unit in units]


def _series_of(units: Sequence[Unit]) -> list[SeriesKey]:
    return list(dict.fromkeys((s.arm, s.timepoint) for u in units for s in u.series))


def _used(unit: Unit, chosen: Sequence[SeriesKey]) -> list[Series]:
    """Return the series of a unit that a crop is made of: asked for, and with a region."""
    return [s for s in unit.series if (s.arm, s.timepoint) in chosen and s.regions]


def _paths(series: Series) -> list[Path]:
    return [p for p in (series.pet, series.ct, *label_sets(series)) if p is not None]


def _content(path: Path) -> str:
    try:
        return content_hash(path)
    except OSError as error:
        raise InputError(str(path), "file", "a readable file", f"{error.strerror}") from error


def _check(unit: Unit, chosen: Sequence[SeriesKey], config: ImagingConfig) -> None:
    used = _used(unit, chosen)
    if not used:
        raise InputError(f"unit {unit.id}", "studies", "one with a delineated region", "none")
    for series in used:
        if series.pet is not None and "pet" in config.channels:
            config.pet_window(series.tracer)


def _cache_key(
    unit: Unit,
    chosen: Sequence[SeriesKey],
    config: ImagingConfig,
    hashes: Mapping[Path, Future[str]],
) -> str:
    def content(path: Path | None) -> str | None:
        return None if path is None else hashes[path].result()

    parts = []
    for series in _used(unit, chosen):
        named = (
            (content(path) or "", labels is None, sorted(labels or ()))
            for path, labels in label_sets(series).items()
        )
        masks = [[name, "all" if whole else labels] for name, whole, labels in sorted(named)]
        parts.append([series.arm, series.timepoint, content(series.pet), content(series.ct), masks])
    return hash_of(STAGE_VERSION, config.geometry_hash(), parts)


def _intact(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt"):
            return True
    except FileNotFoundError:
        return False
    except SafetensorError:
        log.warning("cache file %s is damaged; it is made again", path)
        return False


class _ReadAhead:
    """Decompress files in threads, holding those that were asked for last and no others."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool = pool
        self.held: dict[Path, Future[StoredImage]] = {}

    def hold(self, paths: Sequence[Path]) -> None:
        for path in [p for p in self.held if p not in paths]:
            self.held.pop(path).cancel()
        for path in paths:
            if path not in self.held:
                self.held[path] = self.pool.submit(read_stored, path)

    def __call__(self, path: Path) -> StoredImage:
        return self.held[path].result()


def _make(
    units: Sequence[Unit],
    files: Mapping[str, Path],
    chosen: Sequence[SeriesKey],
    config: ImagingConfig,
    device: torch.device | str,
    pool: ThreadPoolExecutor,
) -> dict[str, str]:
    """Write the crops of units; return the reasons of those that failed."""
    reader = _ReadAhead(pool)
    crop = partial(crop_series, config=config, device=device, reader=reader)
    failed: dict[str, str] = {}
    for position, unit in enumerate(track(units, "crops", len(units))):
        near = units[position : position + 1 + READ_AHEAD]
        reader.hold([p for u in near for s in _used(u, chosen) for p in _paths(s)])
        tensors: dict[str, Tensor] = {}
        details: dict[str, Any] = {}
        try:
            for series in _used(unit, chosen):
                key, made = (series.arm, series.timepoint), crop(series)
                values = {"pet_suv": made.pet_suv, "ct_hu": made.ct_hu, "mask": made.mask}
                tensors |= {_name(key, n): v.cpu() for n, v in values.items() if v is not None}
                details["/".join(key)] = {
                    "centre_mm": made.centre_mm,
                    "covered": made.covered,
                    "point_mask": made.point_mask,
                }
        except PetnetError as error:
            failed[unit.id] = str(error)
            continue
        with atomic_path(files[unit.id]) as temporary:
            save_file(tensors, temporary, {"details": json.dumps(details, sort_keys=True)})
    return failed


def _row(id_: str, failed: Mapping[str, str], store: CropStore) -> dict[str, str]:
    if id_ in failed:
        return {"unit": id_, "stage": "imaging", "status": "failed", "reason": failed[id_]}
    notes = []
    for name, detail in store.details(id_).items():
        if detail["covered"] < 0.995:
            notes.append(f"{name}: the crop covers {detail['covered']:.0%} of the lesion")
        if detail["point_mask"]:
            notes.append(f"{name}: the lesion is smaller than a voxel of the crop")
    return {"unit": id_, "stage": "imaging", "status": "ok", "reason": "; ".join(notes)}
