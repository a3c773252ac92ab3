"""What every method of segmentation shares: growth, its limits, and what it says of a lesion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.segmentation.components import (
    Connectivity,
    Keep,
    cut_off,
    fill_holes,
    kept,
    touches_edge,
)
from petnet.segmentation.field import Field, cut_field
from petnet.segmentation.start import Index, NotSegmented, Start, bounding_box
from petnet.volume import Volume

__all__ = ["Level", "Method", "NotSegmented", "References", "Segmented", "at_least", "one_of"]

#: Masks on the grid of the image by region of the body: "liver", "blood_pool".
References = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Segmented:
    """A lesion as a method found it.

    Attributes
    ----------
    part : (x, y, z) bool
        The mask inside its box.
    corner : (3,) tuple of int
        Voxel of the image at which the box begins.
    shape : (3,) tuple of int
        Of the image.
    method : str
        Name of the method with its numbers.
    threshold : float or None
        SUV from which on voxels belong; None for methods that have none.
    basis : mapping of str to float
        What the threshold was made from: SUVmax, SUVpeak, background, ...
    notes : tuple of str
        What a reader of the volume should know.
    """

    part: NDArray[np.bool_]
    corner: Index
    shape: tuple[int, ...]
    method: str
    threshold: float | None
    basis: Mapping[str, float]
    notes: tuple[str, ...] = ()

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The (X, Y, Z) mask on the grid of the image."""
        made = np.zeros(self.shape, dtype=bool)
        made[self.box] = self.part
        return made

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Where `part` lies on that grid."""
        x, y, z = (slice(c, c + n) for c, n in zip(self.corner, self.part.shape, strict=True))
        return x, y, z


@dataclass(frozen=True)
class Level:
    """A threshold, what it was made from, and what is to be said of it."""

    threshold: float
    basis: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """A way to delineate a lesion, and how it grows.

    Attributes
    ----------
    connectivity : {6, 18, 26}
        Voxels that share a face, an edge too, or a corner too are neighbours.
    keep : {"hottest", "overlap", "seed"}
        Which connected component is the lesion: the one of the start's hottest voxel, all that
        hold a voxel of the start, or the one of the seed.
    margin_mm : float
        How far beyond the start's limit the lesion may reach.
    fill_holes : bool
        Whether cavities belong to it.
    minimum_ml : float
        Anything smaller is none.
    needs : tuple of str
        Regions of reference that are looked at where they are delineated.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    connectivity: Connectivity = 26
    keep: Keep = "hottest"
    margin_mm: float = 0.0
    fill_holes: bool = False
    minimum_ml: float = 0.0

    def __post_init__(self) -> None:
        one_of(self, "connectivity", get_args(Connectivity))
        one_of(self, "keep", get_args(Keep))
        one_of(self, "fill_holes", (False, True))
        at_least(self, "margin_mm", 0.0)
        at_least(self, "minimum_ml", 0.0)

    @property
    def name(self) -> str:
        """The method with its numbers, as it is written beside every volume."""
        return ", ".join([self._said()[0], *(words for words, _ in self._growth())])

    @property
    def key(self) -> str:
        """The same as the name of a folder; settings that are not the usual ones show in it."""
        return "_".join([self._said()[1], *(slug for _, slug in self._growth() if slug)])

    def segment(
        self, volume: Volume, start: Start, references: References | None = None
    ) -> Segmented:
        """Delineate one lesion.

        Parameters
        ----------
        volume : Volume
            (X, Y, Z) standardised uptake values; its unit begins with "SUV".
        start : Start
            On the grid of `volume`.
        references : mapping of str to (X, Y, Z) bool, optional
            Regions of reference on the same grid, for methods that need them.

        Raises
        ------
        InputError
            The image is not in SUV.
        NotSegmented
            There is no lesion by this method; the text says why.
        """
        if not volume.unit.startswith("SUV"):
            raise InputError("segmentation", "unit of the image", "a kind of SUV", volume.unit)
        seen = cut_field(volume, start, self.margin_mm, self._around_mm())
        level, mask = self._found(seen, volume, references or {})
        if self.fill_holes:
            mask = fill_holes(mask, seen.limit & seen.known, self.connectivity)
        volume_ml = float(mask.sum()) * volume.voxel_volume_ml
        if volume_ml < self.minimum_ml:
            raise NotSegmented(f"{volume_ml:.3g} ml are less than the {self.minimum_ml:g} ml asked")
        threshold = None if np.isnan(level.threshold) else level.threshold
        notes = (*level.notes, *self._notes(seen, mask, threshold))
        part, corner = _boxed(mask, seen.corner)
        return Segmented(part, corner, seen.shape, self.name, threshold, level.basis, notes)

    @abstractmethod
    def _said(self) -> tuple[str, str]:
        """Return what the method is called in words, and as part of the name of a folder."""

    @abstractmethod
    def _level(self, seen: Field, volume: Volume, references: References) -> Level:
        """Return the threshold."""

    def _around_mm(self) -> float:
        """Return how far around the limit the image matters."""
        return 0.0

    def _found(
        self, seen: Field, volume: Volume, references: References
    ) -> tuple[Level, NDArray[np.bool_]]:
        level = self._level(seen, volume, references)
        return level, self._grown(seen, level.threshold)

    def _grown(self, seen: Field, threshold: float) -> NDArray[np.bool_]:
        """Return the components of SUV >= threshold that belong to the lesion."""
        if seen.suv_max < threshold:
            found = f"SUVmax {seen.suv_max:.4g} of the start is below {threshold:.4g}"
            raise NotSegmented(f"no voxel above the threshold: {found}")
        return kept(seen, seen.limit & (seen.suv >= threshold), self.keep, self.connectivity)

    def _growth(self) -> list[tuple[str, str]]:
        """Return how it grows: in words, and as part of the name of a folder."""
        words = f"{self.connectivity}-connected"
        said = [(words, "" if self.connectivity == 26 else words)]
        if self.keep != "hottest" or type(self).keep != "hottest":
            of = {
                "hottest": "component of the hottest voxel",
                "overlap": "all components of the start",
                "seed": "component of the seed",
            }
            said.append((of[self.keep], "" if self.keep == type(self).keep else self.keep))
        if self.margin_mm or type(self).margin_mm:
            usual = self.margin_mm == type(self).margin_mm
            slug = "" if usual else f"margin-{self.margin_mm:g}"
            said.append((f"margin {self.margin_mm:g} mm", slug))
        if self.fill_holes:
            said.append(("holes filled", "filled"))
        if self.minimum_ml:
            said.append((f"at least {self.minimum_ml:g} ml", f"from-{self.minimum_ml:g}-ml"))
        return said

    def _notes(
        self, seen: Field, mask: NDArray[np.bool_], threshold: float | None
    ) -> tuple[str, ...]:
        """Say what is suspicious: growth that was cut off, the edge, hotter voxels, gaps."""
        notes = []
        beyond = seen.known if threshold is None else seen.suv >= threshold
        cut = cut_off(seen, mask, beyond, self.connectivity)
        if cut:
            what = "touches" if threshold is None else "is cut off by"
            notes.append(f"{what} the limit of the start: {cut} neighbouring voxels beyond")
        if touches_edge(seen, mask):
            notes.append("reaches the edge of the image")
        hottest = float(seen.suv[mask].max())
        if hottest > seen.suv_max:
            notes.append(f"holds SUV {hottest:.4g}, above the start's {seen.suv_max:.4g}")
        gaps = int((seen.limit & ~seen.known).sum())
        if gaps:
            notes.append(f"{gaps} voxels without a finite value left out")
        return tuple(notes)


def one_of(settings: Any, name: str, allowed: tuple[Any, ...]) -> None:
    """Refuse a setting that is none of those allowed."""
    value = getattr(settings, name)
    if value not in allowed or isinstance(value, bool) != isinstance(allowed[0], bool):
        expected = f"one of {', '.join(map(str, allowed))}"
        raise InputError(type(settings).__name__, name, expected, repr(value))


def at_least(
    settings: Any, name: str, least: float, most: float = np.inf, above: bool = False
) -> None:
    """Refuse a setting that is no finite number from `least` (or `above` it) to `most`."""
    value = getattr(settings, name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and np.isfinite(value) and least <= value <= most) or (above and value == least):
        limits = f"{'above' if above else 'of at least'} {least:g}"
        limits += f", up to {most:g}" if np.isfinite(most) else ""
        raise InputError(type(settings).__name__, name, f"a number {limits}", repr(value))


def _boxed(mask: NDArray[np.bool_], corner: Index) -> tuple[NDArray[np.bool_], Index]:
    """Cut a mask to its bounding box."""
    box = bounding_box(mask)
    if box is None:
        raise NotSegmented("no voxel is left")
    x, y, z = (int(c + part.start) for c, part in zip(corner, box, strict=True))
    return np.ascontiguousarray(mask[box]), (x, y, z)
