"""Where regions come from (structure sets, segmentations, masks), and which images they mean.

A structure belongs to the series on whose slices its contours were drawn, or else to the one that
its file refers to; a segmentation to the series that it refers to. Where that series is not
used, its regions go to an image in the same frame of reference, of the modality they were drawn on
if there is one, else to the PET, with a note. A mask file belongs to the image on whose grid it
lies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.conversion.account import Account, exclusion_of
from petnet.ingest.conversion.images import UsedImage
from petnet.ingest.conversion.job import ConvertOptions, PatientJob
from petnet.ingest.conversion.selection import Exclusion, Use
from petnet.ingest.dicom.series_header import SeriesHeader
from petnet.ingest.records import FoundFile, Region
from petnet.ingest.refusal import Refused, tag_name
from petnet.ingest.regions.rtstruct import Structure, read_rtstruct, structure_region
from petnet.ingest.regions.rules import RegionRules
from petnet.ingest.regions.segments import Segmentation, read_segmentation, segment_regions

__all__ = ["Placed", "RegionSource", "images_of", "read_sources", "taken"]

Shape = tuple[int, int, int]
Affine = NDArray[np.float64]
Grid = Literal["pet", "ct"]
Failed = tuple[str, Exclusion]  # name of the region, why
Placed = tuple[list[Region], list[Failed]]
Regions = Callable[[Shape, Affine], Placed]
GRID_NAMES: dict[Grid, str] = {"pet": "PET", "ct": "CT"}
NO_SERIES = "it names no series: put on the {grid} in its frame of reference"
OTHER_SERIES = "the series it refers to is not used: put on the {grid} in its frame of reference"
SEVERAL = "it refers to several series: put on the first that is used"
OTHER_FRAME = "its frame of reference is not that of the series it refers to"


@dataclass(frozen=True, eq=False)
class RegionSource:
    """A file of regions or a part of it, read as far as it goes without an image.

    Attributes
    ----------
    name : str
        Of its series, in the tables.
    study_uid : str
    frame_of_reference : str
    refers_to : tuple of str
        SeriesInstanceUIDs, in the order of the file.
    names : tuple of str
        Of the regions, where the file has others that refer to other series; else empty.
    regions : callable
        (shape, affine) -> regions on that grid, and those that cannot be put on it; raises Refused
        where that is so for all of them.
    """

    name: str
    study_uid: str
    frame_of_reference: str
    refers_to: tuple[str, ...]
    names: tuple[str, ...]
    regions: Regions


def read_sources(
    job: PatientJob, uses: Mapping[str, Use | Exclusion], account: Account
) -> list[RegionSource]:
    """Read a patient's structure sets and segmentations; the account is told what cannot be.

    A structure set gives a source for each series on which some of its structures were drawn.
    """
    series_of = {f.sop_uid: h.uid for h in job.series.values() for f in h.files if f.sop_uid}
    sources: list[RegionSource] = []
    for name, header in job.series.items():
        for file in header.files if uses[name] in ("rtstruct", "seg") else ():
            read = _structures if uses[name] == "rtstruct" else _segments
            try:
                sources += read(name, file, job.options, series_of)
            except Refused as error:
                account.fail_part(name, exclusion_of(error))
    return sources


def images_of(
    source: RegionSource, images: Sequence[UsedImage], headers: Collection[SeriesHeader]
) -> tuple[list[UsedImage], tuple[str, ...]] | Exclusion:
    """Return the images that a source's regions are for, all on one grid, and what to say of it.

    An image that two studies share is there twice.
    """
    for uid in source.refers_to:
        mine = [image for image in images if image.header.uid == uid]
        if mine:
            notes = (SEVERAL,) if len(source.refers_to) > 1 else ()
            return mine, (*notes, *_frame_doubt(source, mine[0]))
    drawn_on = {h.text("Modality") for h in headers if h.uid in source.refers_to}
    grids: tuple[Grid, Grid] = ("ct", "pet") if drawn_on == {"CT"} else ("pet", "ct")
    for grid in grids:
        mine = [i for i in images if i.grid == grid and i.frame_of_reference]
        mine = [i for i in mine if i.frame_of_reference == source.frame_of_reference]
        if len({i.series for i in mine}) > 1:
            mine = [i for i in mine if i.header.study_uid == source.study_uid]
        if len({i.series for i in mine}) > 1:
            found = "several to choose from"
            return Exclusion(
                tag_name("FrameOfReferenceUID"), f"expected one image, but got {found}"
            )
        if mine:
            said = OTHER_SERIES if source.refers_to else NO_SERIES
            return mine, (said.format(grid=GRID_NAMES[grid]),)
    if not source.refers_to:
        expected = "the series that the regions were drawn on, or an image in their frame"
        return Exclusion("referenced series", f"expected {expected}, but got neither")
    known = "one that is not used" if drawn_on else "one that is not there"
    reason = f"expected a series that is used, or an image in its frame, but got {known}"
    return Exclusion("referenced series", reason)


def _frame_doubt(source: RegionSource, image: UsedImage) -> tuple[str, ...]:
    frames = {source.frame_of_reference, image.frame_of_reference} - {""}
    return (OTHER_FRAME,) if len(frames) > 1 else ()


def _structures(
    name: str, file: FoundFile, options: ConvertOptions, series_of: Mapping[str, str]
) -> list[RegionSource]:
    found = read_rtstruct(file.path)
    of_file = found.series_uids or _series(found.sop_uids, series_of)
    parts: dict[tuple[str, tuple[str, ...]], list[Structure]] = defaultdict(list)
    for structure in found.structures:
        drawn_on = _series(structure.sop_uids, series_of) or of_file
        parts[structure.frame_of_reference, drawn_on].append(structure)
    return [
        RegionSource(
            name=name,
            study_uid=file.study_uid,
            frame_of_reference=frame,
            refers_to=drawn_on,
            names=tuple(one.name for one in part) if len(parts) > 1 else (),
            regions=partial(_placed_structures, part, options.rules),
        )
        for (frame, drawn_on), part in parts.items()
    ]


def _series(sop_uids: Sequence[str], series_of: Mapping[str, str]) -> tuple[str, ...]:
    """Return the series of images, as far as they are there."""
    return tuple(dict.fromkeys(series_of[uid] for uid in sop_uids if uid in series_of))


def _placed_structures(
    structures: Sequence[Structure], rules: RegionRules, shape: Shape, affine: Affine
) -> Placed:
    placed: list[Region] = []
    failed: list[Failed] = []
    for structure in structures:
        left_out = _left_out(structure.name, rules)
        if left_out:
            failed.append((structure.name, left_out))
            continue
        try:
            placed.append(structure_region(structure, shape, affine))
        except Refused as error:
            failed.append((structure.name, exclusion_of(error)))
    return placed, failed


def _segments(
    name: str, file: FoundFile, options: ConvertOptions, series_of: Mapping[str, str]
) -> list[RegionSource]:
    found = read_segmentation(file.path)
    return [
        RegionSource(
            name=name,
            study_uid=file.study_uid,
            frame_of_reference=found.frame_of_reference,
            refers_to=found.series_uids or _series(found.sop_uids, series_of),
            names=(),
            regions=partial(_placed_segments, found, options),
        )
    ]


def _placed_segments(
    found: Segmentation, options: ConvertOptions, shape: Shape, affine: Affine
) -> Placed:
    rules = options.rules
    made = segment_regions(found, shape, affine, options.threshold, rules.takes)
    left_out = ((one.label, _left_out(one.label, rules)) for one in found.segments)
    return list(made), [(label, why) for label, why in left_out if why]


def taken(regions: Sequence[Region], rules: RegionRules) -> Placed:
    """Part regions into those that the rules take and those that they leave out."""
    why = {id(region): _left_out(region.name, rules) for region in regions}
    failed = [(region.name, left) for region in regions if (left := why[id(region)])]
    return [region for region in regions if why[id(region)] is None], failed


def _left_out(name: str, rules: RegionRules) -> Exclusion | None:
    rule = rules.rule(name)
    return Exclusion("name", rule.reason(name)) if rule.role is None else None
