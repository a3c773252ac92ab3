"""Which of several PET series is the scan, and which CT belongs to it.

Several attenuation-corrected PET series of one scan (one patient, tracer and day): the first by

1. length of the axial field of view, counted as equal within 10 % (whole body before one bed),
2. a structure set or segmentation refers to it,
3. ORIGINAL before DERIVED (ImageType, first value),
4. smallest voxel, counted as equal within 1 %,
5. earliest acquisition, in minutes,
6. lowest SeriesNumber, then order of the files.

The CT of a PET, of those in its frame of reference, or else its study, or else of its day: the
first by

1. it covers at least 95 % of the PET, see `coverage`; below 50 % it is not paired at all,
2. same frame of reference, then same study, then same day,
3. difference of the acquisition times, in steps of ten minutes,
4. SeriesDescription says that it is for attenuation correction,
5. reconstruction kernel: for soft tissue, then unknown, then sharp (lung, bone),
6. ORIGINAL before DERIVED,
7. slice distance nearest to that of the PET, to 0.1 mm,
8. longest, then lowest SeriesNumber, then order of the files.

A choice that only the last of these decides is uncertain, and so is a pair without a common frame
of reference or with a CT that does not cover the PET; both are said in a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.conversion.selection import Exclusion
from petnet.ingest.refusal import tag_name

__all__ = ["Image", "Ranking", "choose_pet", "coverage", "is_sharp", "pair_ct"]

COVERED, LEAST_COVERED = 0.95, 0.5
SAME_LENGTH, SAME_VOXEL = 1.1, 1.01
ATTENUATION_CT = re.compile(r"\b(ct[ -]?ac|ac[ -]?ct|for ac|att\w* corr\w*|ac)\b")
# GE, Siemens (B30f, Br38, I31f: 50 and more are sharp), Philips, Canon and Toshiba
SOFT_KERNEL = re.compile(
    r"(standard|soft|chst|a|b|c|ua|ub|[bi][rfhv]?[0-4]\d\D*.*|hr[0-4]\d.*|fc0\d|fc1\d|body.*)"
)
SHARP_KERNEL = re.compile(
    r"(lung|bone.*|edge|detail|d|e|l|ya|yb|yc|[bi][rflhv]?[5-9]\d\D*.*|hr[5-9]\d.*|fc[3-8]\d)"
)


@dataclass(frozen=True, eq=False)
class Image:
    """A readable PET or CT series, as far as choosing needs it.

    Attributes
    ----------
    name : str
        Name of the series in the tables; also the last tie-break.
    shape, affine
        Grid: (X, Y, Z), and voxel index to RAS+ mm.
    frame_of_reference, study_uid : str
    start : datetime or None
        Earliest acquisition.
    original : bool
    delineated : bool
        A structure set or segmentation refers to it.
    kernel, description : str
    number : int
        SeriesNumber.
    """

    name: str
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    frame_of_reference: str = ""
    study_uid: str = ""
    start: datetime | None = None
    original: bool = True
    delineated: bool = False
    kernel: str = ""
    description: str = ""
    number: int = 0

    @property
    def slice_mm(self) -> float:
        """Distance of the slices."""
        return float(np.linalg.norm(self.affine[:3, 2]))

    @property
    def length_mm(self) -> float:
        """Length of the stack of slices."""
        return self.slice_mm * self.shape[2]

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000


@dataclass(frozen=True)
class Ranking:
    """Images in the order in which they are to be tried, and what to say of it.

    Attributes
    ----------
    order : tuple of Image
        Best first.
    notes : mapping of str to tuple of str
        Image name to what is uncertain if it is the one that is taken.
    excluded : mapping of str to Exclusion
        Images that are not to be tried at all.
    """

    order: tuple[Image, ...]
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    excluded: dict[str, Exclusion] = field(default_factory=dict)


def choose_pet(images: Sequence[Image]) -> Ranking:
    """Order the PET series of one scan; the rule stands at the top of this module."""
    longest = max((i.length_mm for i in images), default=0.0)
    finest = min((i.voxel_ml for i in images), default=0.0)
    first = min((i.start for i in images if i.start), default=None)

    def rank(image: Image) -> tuple[Any, ...]:
        return (
            image.length_mm * SAME_LENGTH < longest,
            not image.delineated,
            not image.original,
            image.voxel_ml > finest * SAME_VOXEL,
            _minutes(image.start, first),
        )

    order = _ordered(images, rank)
    notes: dict[str, tuple[str, ...]] = {}
    if len(order) > 1 and rank(order[0]) == rank(order[1]):
        equals = sum(rank(i) == rank(order[0]) for i in order) - 1
        others = "series is" if equals == 1 else "series are"
        notes[order[0].name] = (
            f"uncertain choice: {equals} more PET {others} as good; the lowest SeriesNumber was "
            "taken",
        )
    return Ranking(order, notes)


def pair_ct(pet: Image, cts: Sequence[Image]) -> Ranking:
    """Order the CT series that may belong to a PET; the rule stands at the top of this module."""
    tiers = {ct.name: _tier(pet, ct) for ct in cts}
    shares = {ct.name: coverage(pet, ct) for ct in cts if tiers[ct.name] is not None}
    excluded = {}
    for ct in cts:
        if tiers[ct.name] is None:
            expected = "the frame of reference, study or day of a PET that is used"
            tag = tag_name("FrameOfReferenceUID")
            excluded[ct.name] = Exclusion(tag, f"expected {expected}, but got another")
        elif shares[ct.name] < LEAST_COVERED:
            found = f"{shares[ct.name]:.0%} of it"
            reason = f"expected a CT that covers the PET, but got {found}"
            excluded[ct.name] = Exclusion("field of view", reason)

    def rank(ct: Image) -> tuple[Any, ...]:
        return (
            shares[ct.name] < COVERED,
            tiers[ct.name],
            _minutes(ct.start, pet.start) // 10,
            not ATTENUATION_CT.search(ct.description.lower().replace("_", " ")),
            _kernel_class(ct.kernel),
            not ct.original,
            round(abs(ct.slice_mm - pet.slice_mm), 1),
            -round(ct.length_mm),
        )

    order = _ordered([ct for ct in cts if ct.name not in excluded], rank)
    notes = {ct.name: _doubts(tiers[ct.name], shares[ct.name]) for ct in order}
    if len(order) > 1 and rank(order[0]) == rank(order[1]):
        doubt = "uncertain pair: another CT fits as well; the lowest SeriesNumber was taken"
        notes[order[0].name] = (*notes[order[0].name], doubt)
    return Ranking(order, notes, excluded)


def coverage(pet: Image, ct: Image) -> float:
    """Return the share of the PET's slices, in their middle third, that the CT shows.

    The middle third in plane, as the field of view of a PET is wider than that of a CT and than
    the patient. Looked at on 5 x 5 points a slice.
    """
    third = [np.linspace((n - 1) / 3, 2 * (n - 1) / 3, 5) for n in pet.shape[:2]]
    index = np.stack(np.meshgrid(*third, np.arange(pet.shape[2]), indexing="ij"), axis=-1)
    world = index.reshape(-1, 3) @ pet.affine[:3, :3].T + pet.affine[:3, 3]
    inverse = np.linalg.inv(ct.affine)
    inside = world @ inverse[:3, :3].T + inverse[:3, 3]
    seen = ((inside >= -0.5) & (inside <= np.array(ct.shape) - 0.5)).all(axis=1)
    return float(seen.mean())


def is_sharp(kernel: str) -> bool:
    """Tell whether a convolution kernel is one for lung or bone, as far as its name says."""
    return _kernel_class(kernel) == 2


def _kernel_class(kernel: str) -> int:
    """Return 0 for soft tissue, 1 for unknown, 2 for sharp; the first of several values counts."""
    name = kernel.split("\\")[0].strip().lower()
    if SOFT_KERNEL.fullmatch(name):
        return 0
    return 2 if SHARP_KERNEL.fullmatch(name) else 1


def _tier(pet: Image, ct: Image) -> int | None:
    """Return 0 for one frame of reference, 1 for one study, 2 for one day, None for neither."""
    if pet.frame_of_reference and pet.frame_of_reference == ct.frame_of_reference:
        return 0
    if pet.study_uid and pet.study_uid == ct.study_uid:
        return 1
    if pet.start and ct.start and pet.start.date() == ct.start.date():
        return 2
    return None


def _doubts(tier: int | None, share: float) -> tuple[str, ...]:
    doubts = []
    if tier:
        common = ("study", "day")[tier - 1]
        doubts.append(f"uncertain pair: PET and CT share the {common}, but no frame of reference")
    if share < COVERED:
        doubts.append(f"the CT covers {share:.0%} of the PET")
    return tuple(doubts)


def _minutes(start: datetime | None, reference: datetime | None) -> float:
    """Return whole minutes between two times; unknown ones come last."""
    if start is None or reference is None:
        return float("inf")
    return abs((start - reference).total_seconds()) // 60


def _ordered(
    images: Sequence[Image], rank: Callable[[Image], tuple[Any, ...]]
) -> tuple[Image, ...]:
    return tuple(sorted(images, key=lambda image: (rank(image), image.number, image.name)))
