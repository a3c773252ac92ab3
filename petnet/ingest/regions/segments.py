"""Segments of a DICOM segmentation as regions on the grid of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.ingest.records import Region
from petnet.ingest.refusal import Refused, tag_name
from petnet.ingest.regions.lattice import Steps, put, steps_between
from petnet.ingest.regions.plane_stack import drawn_at, plane_depths_mm, smallest_gap_mm, stack
from petnet.ingest.regions.rules import distinct_names
from petnet.ingest.regions.seg_header import Segment, Segmentation, read_segmentation
from petnet.ingest.regions.seg_pixels import frame_values
from petnet.volume import GEOMETRY_TOLERANCE_MM

__all__ = ["Segmentation", "read_segmentation", "segment_regions"]

Shape = tuple[int, int, int]
Array = NDArray[np.float64]
#: Index of each frame that shows a segment, and what is drawn there: (rows, columns).
Shown = Iterator[tuple[int, NDArray[np.bool_]]]
#: Mask on the image's grid, and notes.
Drawn = tuple[NDArray[np.bool_], tuple[str, ...]]
SAMPLED = (
    "drawn on another grid than the image's: a voxel belongs where its centre lies in a voxel that "
    "was drawn (nearest neighbour)"
)
DOUBLED = "several frames show the same plane: their union is taken"
EMPTY = "no voxel of the image belongs to it"


def segment_regions(
    segmentation: Segmentation,
    shape: Shape,
    affine: Array,
    threshold: float = 0.5,
    keep: Callable[[str], bool] | None = None,
) -> tuple[Region, ...]:
    """Put segments onto an image that lies in the segmentation's frame of reference.

    Where the voxel centres of both grids coincide within 0.01 mm (up to shifts by whole voxels,
    flips and an exchange of axes), voxels are copied one by one. Else a voxel of the image belongs
    when its centre lies in a voxel that was drawn (`drawn_at`), and a note says so. Frames that
    are not there are empty. Segments may overlap.

    Parameters
    ----------
    segmentation : Segmentation
    shape : tuple of int
        (X, Y, Z) of the image.
    affine : (4, 4) float64 array
        Voxel index of the image to RAS+ millimetres.
    threshold : float
        Share, above 0 and up to 1, of MaximumFractionalValue from which on a voxel of a FRACTIONAL
        segmentation belongs.
    keep : callable, optional
        Takes a segment's label; the others are not put onto the grid. None keeps all.

    Returns
    -------
    tuple of Region
        In the order of segment numbers. Labels that come twice are told apart by a number. A mask
        may be empty; a note says so, and what else was decided.

    Raises
    ------
    Refused
        The pixels are missing, truncated or cannot be decoded; frames contradict each other.
    InputError
        A threshold that is none.
    """
    least = least_value(segmentation, threshold)
    wanted = [s for s in segmentation.segments if keep is None or keep(s.label)]
    if not wanted:
        return ()
    shown = _shown(segmentation, [segment.number for segment in wanted], least)
    steps = _coinciding(segmentation, affine)
    if steps is None:
        drawn = _sampled(segmentation, shown, shape, affine)
    else:
        drawn = _copied(shown, shape, steps)
    common: tuple[str, ...] = ()
    if segmentation.kind == "FRACTIONAL":
        kind = segmentation.fractional_type.lower()
        what = kind if kind in ("probability", "occupancy") else "share"
        common = (f"a voxel belongs where its {what} is {threshold:g} or more",)
    return distinct_names(
        [
            _region(segmentation, segment, mask, (*common, *notes))
            for segment, (mask, notes) in zip(wanted, drawn, strict=True)
        ]
    )


def _region(
    segmentation: Segmentation, segment: Segment, mask: NDArray[np.bool_], notes: tuple[str, ...]
) -> Region:
    region = Region.of(segment.label, segment.number, mask, "SEG")
    return replace(
        region,
        method=segment.method,
        reader=segmentation.creator,
        notes=(*notes, EMPTY) if region.is_empty else notes,
    )


def least_value(segmentation: Segmentation, threshold: float) -> int:
    """Return the smallest stored value that belongs: threshold · MaximumFractionalValue.

    Raises
    ------
    InputError
        The threshold is not above 0 and up to 1.
    """
    if not 0 < threshold <= 1:
        raise InputError("segmentation", "threshold", "above 0 and up to 1", repr(threshold))
    # as it is written: 0.07 of 100 is 7, though in binary it is a little more
    return max(1, ceil(Fraction(str(threshold)) * segmentation.maximum))


def _shown(segmentation: Segmentation, numbers: Sequence[int], least: int) -> Iterator[Shown]:
    """Yield, for one segment after the other, which frames show it, and what is drawn there."""
    if segmentation.kind == "LABELMAP":
        yield from _shown_by_value(segmentation, numbers)
        return
    frames = segmentation.frames
    least_here = least if segmentation.kind == "FRACTIONAL" else 1
    of = {number: [k for k, f in enumerate(frames) if f.number == number] for number in numbers}
    values = frame_values(segmentation, [k for used in of.values() for k in used])
    for used in of.values():
        yield ((k, next(values) >= least_here) for k in used)


def _shown_by_value(segmentation: Segmentation, numbers: Sequence[int]) -> Iterator[Shown]:
    """Yield the same of a label map, any frame of which may show any segment."""
    decoded = list(frame_values(segmentation, range(len(segmentation.frames))))
    present = [set(np.unique(values).tolist()) for values in decoded]
    known = {segmentation.background, *(segment.number for segment in segmentation.segments)}
    others = set[int]().union(*present) - known
    if others:
        expected = "values that SegmentSequence describes"
        raise Refused(tag_name("PixelData"), expected, f"also {min(others)}")
    for number in numbers:
        yield ((k, decoded[k] == number) for k, found in enumerate(present) if number in found)


def _coinciding(segmentation: Segmentation, affine: Array) -> list[Steps] | None:
    """Return how each frame lies in the image's grid, or None where one does not."""
    found = []
    rows, columns = segmentation.rows, segmentation.columns
    for frame in segmentation.frames:
        relative = np.linalg.solve(affine[:3, :3], frame.affine[:3, :2])
        across = np.cross(*np.rint(relative).T)  # the axis of the image that is left over
        plane = np.eye(4)
        plane[:3] = np.column_stack(
            [frame.affine[:3, :2], affine[:3, :3] @ across, frame.affine[:3, 2]]
        )
        steps = steps_between((columns, rows, 1), plane, affine)
        if steps is None:
            return None
        found.append(steps)
    if len({steps.axes for steps in found}) > 1:
        return None
    spacing = float(np.linalg.norm(affine[:3, found[0].axes[2]]))
    return found if _planes_are(segmentation, spacing) else None


def _planes_are(segmentation: Segmentation, spacing_mm: float) -> bool:
    """Tell whether the planes follow each other at this distance, though some may be left out.

    Of a single plane SliceThickness counts as well: SpacingBetweenSlices is then often made up.
    """
    smallest = smallest_gap_mm(plane_depths_mm([frame.affine for frame in segmentation.frames]))
    gaps = (*segmentation.plane_mm[:1], smallest) if smallest else segmentation.plane_mm
    return any(abs(gap - spacing_mm) <= GEOMETRY_TOLERANCE_MM for gap in gaps)


def _copied(shown: Iterator[Shown], shape: Shape, steps: Sequence[Steps]) -> Iterator[Drawn]:
    for frames in shown:
        mask = np.zeros(shape, dtype=bool, order="F")
        outside, places = 0, []
        for k, inside in frames:
            outside += put(inside.T[:, :, None], steps[k], mask)
            places.append(steps[k])
        beyond = f"{outside} voxels that were drawn lie outside of the image"
        doubled = len(set(places)) < len(places)
        yield mask, (*((beyond,) if outside else ()), *((DOUBLED,) if doubled else ()))


def _sampled(
    segmentation: Segmentation, shown: Iterator[Shown], shape: Shape, affine: Array
) -> Iterator[Drawn]:
    depths = plane_depths_mm([frame.affine for frame in segmentation.frames])
    gaps = [gap for gap in (*segmentation.plane_mm[:1], smallest_gap_mm(depths)) if gap]
    if not gaps:
        tag = tag_name("SpacingBetweenSlices")
        raise Refused(tag, "the distance of the planes, or a SliceThickness", "neither")
    for frames in shown:
        drawn = list(frames)
        if not drawn:
            yield np.zeros(shape, dtype=bool, order="F"), (SAMPLED,)
            continue
        affines = [segmentation.frames[k].affine for k, _ in drawn]
        planes = stack(affines, np.stack([inside for _, inside in drawn]))
        notes = (SAMPLED, DOUBLED) if len(planes.depths_mm) < len(drawn) else (SAMPLED,)
        yield drawn_at(planes, min(gaps), shape, affine), notes
