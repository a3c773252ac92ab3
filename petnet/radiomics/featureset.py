"""A feature set: everything that decides the value of a column, checked once and hashed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from petnet.errors import InputError
from petnet.files import hash_of
from petnet.radiomics.catalogue import TEXTURE_FAMILIES, Family
from petnet.radiomics.kernels.counts import MAX_LEVELS
from petnet.radiomics.preprocess import Interpolation
from petnet.radiomics.texture import Aggregation

if TYPE_CHECKING:
    from petnet.radiomics.filters import Filter

__all__ = ["Discretisation", "FeatureSet", "Naming"]

Discretisation = Literal["fixed_bin_number", "fixed_bin_size", "none"]
Naming = Literal["ibsi", "pyradiomics"]
#: Raised whenever the same settings begin to give other numbers.
VERSION = 3
#: The unfiltered image's part of a column.
ORIGINAL = "original"
#: Families of the unfiltered image alone: shape does not change, and peaks are uptake.
UNFILTERED_FAMILIES: frozenset[Family] = frozenset({"morph", "local"})


@dataclass(frozen=True)
class FeatureSet:
    """How features are computed from one modality; a row of `configs/features/*.yaml`.

    Attributes
    ----------
    name : str
        Begins every column; letters, digits and single underscores.
    modality : {"PT", "CT"}
        Images of another modality are refused.
    families : sequence of family
        Those of `petnet.radiomics.catalogue`. Morphology and local intensity are computed on the
        unfiltered image alone.
    discretisation : {"fixed_bin_number", "fixed_bin_size", "none"}
        "none" only without texture families and intensity histogram.
    bins : int, optional
        Of a fixed bin number.
    bin_width, lower_bound : float, optional
        Of a fixed bin size, in the unit of the image.
    aggregations : sequence of {"2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb"}
        Of texture families. Families without directions know 2D, 2_5D and 3D alone, whichever of
        the two is asked for. Slices are the planes of the third axis.
    ngldm_alpha : int
        Neighbours within so many grey levels depend on the centre.
    ivh_bins, ivh_bin_width : optional
        Discretisation of the intensity-volume histogram, by number or by size; neither takes the
        intensities as they are. Responses of filters, whose unit is arbitrary, are cut into
        `ivh_bins` or else 1000 bins, whatever the size.
    autocorrelation : bool
        Whether morphology includes Moran's I and Geary's C, which cost more than all the rest.
    filters : sequence of Filter
        Image filters (IBSI-2) whose responses are images of their own, beside the original.
    original : bool
        Whether features of the unfiltered image are computed too.
    naming : {"ibsi", "pyradiomics"}
        Names and definitions of the features.
    spacing_mm : three floats, optional
        Voxel edges to resample to, along the array's axes; none keeps the native grid, and so does
        a none in place of one of the three.
    interpolation : {"nearest", "linear", "cubic"}
    mask_threshold : float
        Resampled voxels belong to the mask from this share of it on.
    resegment_range : two floats, optional
        Intensities outside are dropped from the intensity mask. None in place of one of the two
        leaves that end open.
    resegment_sigma : float, optional
        Outliers beyond so many standard deviations are dropped from the intensity mask.
    round_hu : bool
        Round interpolated intensities to whole Hounsfield units.

    Raises
    ------
    InputError
        A setting is not what it may be.
    """

    name: str
    modality: Literal["PT", "CT"]
    families: Sequence[Family] = ("stat", "morph", "glcm")
    discretisation: Discretisation = "none"
    bins: int | None = None
    bin_width: float | None = None
    lower_bound: float | None = None
    aggregations: Sequence[Aggregation] = ("3D_avg", "3D_comb")
    ngldm_alpha: int = 0
    ivh_bins: int | None = None
    ivh_bin_width: float | None = None
    autocorrelation: bool = True
    filters: Sequence[Filter] = ()
    original: bool = True
    naming: Naming = "ibsi"
    spacing_mm: Sequence[float | None] | None = None
    interpolation: Interpolation = "linear"
    mask_threshold: float = 0.5
    resegment_range: Sequence[float | None] | None = None
    resegment_sigma: float | None = None
    round_hu: bool = False

    def __post_init__(self) -> None:
        for name in ("families", "aggregations", "filters", "spacing_mm", "resegment_range"):
            value = getattr(self, name)
            if isinstance(value, Sequence) and not isinstance(value, str):
                object.__setattr__(self, name, tuple(value))  # lists come from YAML
        self._check_name()
        self._check_choices()
        self._check_filters()
        self._check_numbers()
        self._check_discretisation()
        self._check_ivh()
        self._settle_numbers()

    @property
    def hash(self) -> str:
        """32 hexadecimal digits of every setting and of the version of the calculation."""
        kinds = [type(one).__name__ for one in self.filters]
        return hash_of("FeatureSet", VERSION, asdict(self), kinds)

    @property
    def kept_range(self) -> tuple[float, float] | None:
        """Lowest and highest intensity that re-segmentation keeps; infinite where it is open."""
        if self.resegment_range is None:
            return None
        low, high = self.resegment_range
        return -math.inf if low is None else low, math.inf if high is None else high

    @property
    def has_levels(self) -> bool:
        """Whether any family needs discretised levels."""
        return not (TEXTURE_FAMILIES | {"ih"}).isdisjoint(self.families)

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the images that features are computed on."""
        names = tuple(one.name for one in self.filters)
        return (ORIGINAL, *names) if self.original else names

    def _settle_numbers(self) -> None:
        """Make 25 and 25.0 the same setting with the same hash."""
        for name in (
            *("bin_width", "lower_bound", "ivh_bin_width"),
            *("mask_threshold", "resegment_sigma"),
        ):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))
        for name in ("spacing_mm", "resegment_range"):
            if (values := getattr(self, name)) is not None:
                numbers = tuple(None if v is None else float(v) for v in values)
                object.__setattr__(self, name, numbers)

    def _refuse(self, field: str, expected: str, found: Any) -> InputError:
        return InputError(f"feature set {self.name!r}", field, expected, repr(found))

    def _check_name(self) -> None:
        name = self.name
        plain = isinstance(name, str) and name.replace("_", "").isalnum() and name.isascii()
        if not plain or "__" in name or name != name.strip("_"):
            raise self._refuse("name", "letters, digits and single underscores", name)

    def _check_choices(self) -> None:
        single: dict[str, tuple[Any, Any]] = {
            "modality": (self.modality, ("PT", "CT")),
            "discretisation": (self.discretisation, get_args(Discretisation)),
            "interpolation": (self.interpolation, get_args(Interpolation)),
            "naming": (self.naming, get_args(Naming)),
            "round_hu": (self.round_hu, (True, False)),
            "autocorrelation": (self.autocorrelation, (True, False)),
            "original": (self.original, (True, False)),
        }
        for field, (value, allowed) in single.items():
            if value not in allowed:
                raise self._refuse(field, f"one of {allowed}", value)
        several: dict[str, tuple[Any, tuple[str, ...]]] = {
            "families": (self.families, get_args(Family)),
            "aggregations": (self.aggregations, get_args(Aggregation)),
        }
        for field, (values, allowed) in several.items():
            unique = isinstance(values, tuple) and values and len(set(values)) == len(values)
            if not unique or not set(values) <= set(allowed):
                raise self._refuse(field, f"one or more of {allowed}, each once", values)

    def _check_numbers(self) -> None:
        spacing, range_ = self.spacing_mm, self.resegment_range
        if spacing is not None and not _is_spacing(spacing):
            raise self._refuse("spacing_mm", "three positive numbers (or nulls) or null", spacing)
        if not (_is_number(self.mask_threshold) and 0 < self.mask_threshold <= 1):
            raise self._refuse("mask_threshold", "a number above 0, up to 1", self.mask_threshold)
        if type(self.ngldm_alpha) is not int or not 0 <= self.ngldm_alpha < MAX_LEVELS:
            raise self._refuse("ngldm_alpha", "a whole number of 0 or more", self.ngldm_alpha)
        if range_ is not None and not _is_range(range_):
            expected = "a lower and a higher number (or null for one of them) or null"
            raise self._refuse("resegment_range", expected, range_)
        sigma = self.resegment_sigma
        if sigma is not None and not (_is_number(sigma) and sigma > 0):
            raise self._refuse("resegment_sigma", "a positive number or null", sigma)

    def _check_discretisation(self) -> None:
        needs = {
            "fixed_bin_number": ("bins",),
            "fixed_bin_size": ("bin_width", "lower_bound"),
            "none": (),
        }[self.discretisation]
        for field in ("bins", "bin_width", "lower_bound"):
            value = getattr(self, field)
            if field not in needs and value is not None:
                raise self._refuse(field, f"null with discretisation={self.discretisation}", value)
            if field in needs and not _is_number(value):
                raise self._refuse(
                    field, f"a number with discretisation={self.discretisation}", value
                )
        if self.bins is not None and not (type(self.bins) is int and 1 < self.bins <= MAX_LEVELS):
            raise self._refuse("bins", f"a whole number from 2 to {MAX_LEVELS}", self.bins)
        if self.bin_width is not None and self.bin_width <= 0:
            raise self._refuse("bin_width", "a positive number", self.bin_width)
        if self.has_levels and self.discretisation == "none":
            expected = "fixed_bin_number or fixed_bin_size for texture and intensity histogram"
            raise self._refuse("discretisation", expected, "none")

    def _check_ivh(self) -> None:
        bins, width = self.ivh_bins, self.ivh_bin_width
        if bins is not None and width is not None:
            raise self._refuse("ivh_bins", "null with ivh_bin_width", bins)
        if bins is not None and not (type(bins) is int and bins > 1):
            raise self._refuse("ivh_bins", "a whole number of 2 or more, or null", bins)
        if width is not None and not (_is_number(width) and width > 0):
            raise self._refuse("ivh_bin_width", "a positive number or null", width)

    def _check_filters(self) -> None:
        if not isinstance(self.filters, tuple):
            raise self._refuse("filters", "a list", self.filters)
        if not self.original and not self.filters:
            raise self._refuse("original", "true without filters", self.original)
        if not self.original and set(self.families) <= UNFILTERED_FAMILIES:
            raise self._refuse("original", f"true for {self.families} alone", self.original)
        if self.filters:
            from petnet.radiomics.filters import Filter

            for one in self.filters:
                if not isinstance(one, Filter):
                    kinds = ", ".join(kind.__name__ for kind in get_args(Filter))
                    raise self._refuse("filters", f"any of {kinds}", one)
        twice = {name for name in self.images if self.images.count(name) > 1}
        if twice:
            raise self._refuse("filters", "each once", sorted(twice))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_spacing(values: Any) -> bool:
    """Whether these are three voxel edges, of which some may be left as they are."""
    given = tuple(1.0 if v is None else v for v in values) if isinstance(values, tuple) else values
    return _are_numbers(given, 3) and min(given) > 0


def _is_range(values: Any) -> bool:
    """Whether these are a lower and a higher number, of which one may be left open."""
    if not isinstance(values, tuple) or len(values) != 2:
        return False
    given = [v for v in values if v is not None]
    return bool(given) and all(map(_is_number, given)) and given == sorted(set(given))


def _are_numbers(values: Any, n: int) -> bool:
    return isinstance(values, tuple) and len(values) == n and all(map(_is_number, values))
