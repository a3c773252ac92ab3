"""What is to be segmented: regions of a cohort as rough masks, or the seeds and boxes of a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from petnet.cohort import Cohort, read_table
from petnet.errors import InputError
from petnet.segmentation.start import Start, box_start, seed_start, voxel_of
from petnet.units.select import Region, regions_of
from petnet.volume import Volume

__all__ = ["REFERENCE", "Case", "Pointer", "cases_of_file", "cases_of_rois", "reference_regions"]

REFERENCE = "reference"
KEPT = ("lesion_uid", "role", "region", "reader")  # columns that go on to the new rois table
MILLIMETRES, VOXELS = ("x_mm", "y_mm", "z_mm"), ("i", "j", "k")
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Pointer:
    """A seed, a box or both.

    Attributes
    ----------
    seed : (3,) tuple of float or None
    lower, upper : (3,) tuple of float or None
        Corners of the box, both given or none; the voxels between, both included.
    millimetres : bool
        Whether these are RAS+ mm; otherwise voxels of the image.
    """

    seed: Triple | None
    lower: Triple | None
    upper: Triple | None
    millimetres: bool

    def start(self, volume: Volume, search_mm: float, reach_mm: float) -> Start:
        """Return the start on an image.

        Corners in mm span the smallest box of voxels that holds the voxels nearest to both.

        Raises
        ------
        NotSegmented
            It lies outside of the image.
        """
        seed = None if self.seed is None else self._voxel(volume, self.seed)
        if self.lower is None or self.upper is None:
            if seed is None:
                raise InputError("start", "position", "a seed or a box", "neither")
            return seed_start(volume, seed, search_mm, reach_mm)
        ends = np.array([self._voxel(volume, end) for end in (self.lower, self.upper)])
        low, high = ends.min(axis=0).tolist(), ends.max(axis=0).tolist()
        return box_start(volume, low, high, seed, search_mm)

    def _voxel(self, volume: Volume, at: Triple) -> tuple[int, int, int]:
        return voxel_of(volume, at) if self.millimetres else (int(at[0]), int(at[1]), int(at[2]))


@dataclass(frozen=True)
class Case:
    """One lesion that is to be segmented.

    Attributes
    ----------
    roi : str
    columns : mapping of str to (str or None)
        lesion_uid, role, region and reader of the new row of the rois table.
    where : Region or Pointer
        A rough mask, or a seed or box.
    """

    roi: str
    columns: Mapping[str, str | None]
    where: Region | Pointer


def cases_of_rois(
    cohort: Cohort, roles: Sequence[str] | None = None
) -> dict[str, tuple[Case, ...]]:
    """Return the regions of every study that has one, as rough masks.

    Parameters
    ----------
    roles : sequence of str, optional
        By default all but "reference".

    Raises
    ------
    InputError
        No region has one of the roles.
    """
    rois = cohort.rois
    known = sorted(rois["role"].unique())
    chosen = rois[rois["role"].isin(list(roles)) if roles else rois["role"] != REFERENCE]
    if chosen.empty:
        expected = f"some of {list(roles)}" if roles else "regions other than references"
        raise InputError(f"{cohort.root}: table rois", "role", expected, f"{known}")
    made = {}
    for study, rows in chosen.groupby("study", sort=False):
        columns = rows.to_dict("records")
        regions = regions_of(cohort, rows)
        made[str(study)] = tuple(
            Case(region.roi, {name: _text(row.get(name)) for name in KEPT}, region)
            for region, row in zip(regions, columns, strict=True)
        )
    return made


def reference_regions(cohort: Cohort) -> dict[str, tuple[Region, ...]]:
    """Return the regions of reference of every study that has one."""
    rois = cohort.rois
    rows = rois[rois["role"] == REFERENCE]
    return {str(study): regions_of(cohort, part) for study, part in rows.groupby("study")}


def cases_of_file(path: Path, cohort: Cohort) -> dict[str, tuple[Case, ...]]:
    """Read seeds and boxes: CSV or Parquet, one row per lesion.

    Columns: ``study`` and ``roi`` (its name in the study); ``x_mm, y_mm, z_mm`` (RAS+) or ``i, j,
    k`` (voxel of the PET); the same with ``lower_`` and ``upper_`` before for a box;
    ``lesion_uid``, ``role`` (else "primary"), ``region``, ``reader``. Others are ignored.

    Raises
    ------
    InputError
        Naming row and column: an unknown study, a name twice, a position that is not there, not
        whole, in both ways at once, or no number.
    """
    if not path.is_file():
        raise InputError("settings", "start", "rois, or a CSV file that exists", str(path))
    table = read_table(path)
    absent = [name for name in ("study", "roi") if name not in table]
    if absent:
        raise InputError(str(path), "columns", f"a column {absent[0]!r}", f"{list(table)}")
    if table.empty:
        raise InputError(str(path), "table", "at least one row", "none")
    known = set(cohort.studies["study"])
    made: dict[str, tuple[Case, ...]] = {}
    for number, row in enumerate(table.to_dict("records"), 2):
        where = f"{path}: row {number}"
        study, roi = _text(row["study"]), _text(row["roi"])
        if study is None or study not in known:
            raise InputError(where, "study", "a study of the studies table", repr(study))
        if roi is None or roi in [case.roi for case in made.get(study, ())]:
            found = "nothing" if roi is None else f"{roi!r} twice"
            raise InputError(where, "roi", "a name of its own in the study", found)
        columns = {name: _text(row.get(name)) for name in KEPT}
        columns["role"] = columns["role"] or "primary"
        case = Case(roi, columns, _pointer(where, {str(k): v for k, v in row.items()}))
        made[study] = (*made.get(study, ()), case)
    return made


def _pointer(where: str, row: Mapping[str, Any]) -> Pointer:
    """Read the position of a row."""
    ways = []
    for names in (MILLIMETRES, VOXELS):
        seed, lower, upper = (
            _triple(where, row, [f"{prefix}{name}" for name in names], names == VOXELS)
            for prefix in ("", "lower_", "upper_")
        )
        if seed or lower or upper:
            ways.append(Pointer(seed, lower, upper, names == MILLIMETRES))
    if len(ways) != 1:
        found = "both" if ways else "neither"
        raise InputError(where, "position", "x_mm, y_mm, z_mm or i, j, k", found)
    if (ways[0].lower is None) != (ways[0].upper is None):
        raise InputError(where, "box", "its lower and its upper corner", "one of them")
    return ways[0]


def _triple(where: str, row: Mapping[str, Any], names: Sequence[str], whole: bool) -> Triple | None:
    """Read three numbers, all there or none."""
    texts = [_text(row.get(name)) for name in names]
    if all(text is None for text in texts):
        return None
    values = []
    for name, text in zip(names, texts, strict=True):
        try:
            value = float(text if text is not None else "")
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or abs(value) > 1e6 or (whole and value % 1):
            expected = "a whole number" if whole else "a number of mm"
            raise InputError(where, name, expected, "nothing" if text is None else repr(text))
        values.append(value)
    return values[0], values[1], values[2]


def _text(value: object) -> str | None:
    """Return a cell as text, None where it is empty."""
    return None if value is None or value != value else str(value)
