"""A feature set: everything that decides the value of a column, checked once and hashed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from petnet.errors import InputError
from petnet.files import hash_of
from petnet.radiomics.catalogue import Family
from petnet.radiomics.preprocess import Interpolation
from petnet.radiomics.texture import Aggregation

__all__ = ["Discretisation", "FeatureSet"]

Discretisation = Literal["fixed_bin_number", "fixed_bin_size", "none"]
#: Raised whenever the same settings begin to give other numbers.
VERSION = 1
TEXTURE_FAMILIES = frozenset({"glcm"})


@dataclass(frozen=True)
class FeatureSet:
    """How features are computed from one modality; a row of `configs/features/*.yaml`.

    Attributes
    ----------
    name : str
        Begins every column; letters, digits and single underscores.
    modality : {"PT", "CT"}
        Images of another modality are refused.
    families : sequence of {"stat", "morph", "glcm"}
    discretisation : {"fixed_bin_number", "fixed_bin_size", "none"}
        "none" only without texture families.
    bins : int, optional
        Of a fixed bin number.
    bin_width, lower_bound : float, optional
        Of a fixed bin size, in the unit of the image.
    aggregations : sequence of {"3D_avg", "3D_comb"}
        Of texture families.
    spacing_mm : three floats, optional
        Voxel edges to resample to, along the array's axes; none keeps the native grid.
    interpolation : {"nearest", "linear", "cubic"}
    resegment_range : two floats, optional
        Intensities outside are dropped from the intensity mask.
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
    spacing_mm: Sequence[float] | None = None
    interpolation: Interpolation = "linear"
    resegment_range: Sequence[float] | None = None
    resegment_sigma: float | None = None
    round_hu: bool = False

    def __post_init__(self) -> None:
        for name in ("families", "aggregations", "spacing_mm", "resegment_range"):
            value = getattr(self, name)
            if isinstance(value, Sequence) and not isinstance(value, str):
                object.__setattr__(self, name, tuple(value))  # lists come from YAML
        self._check_name()
        self._check_choices()
        self._check_numbers()
        self._check_discretisation()
        self._settle_numbers()

    @property
    def hash(self) -> str:
        """32 hexadecimal digits of every setting and of the version of the calculation."""
        return hash_of("FeatureSet", VERSION, asdict(self))

    @property
    def has_texture(self) -> bool:
        """Whether any family needs discretised levels."""
        return not TEXTURE_FAMILIES.isdisjoint(self.families)

    def _settle_numbers(self) -> None:
        """Make 25 and 25.0 the same setting with the same hash."""
        for name in ("bin_width", "lower_bound", "resegment_sigma"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))
        for name in ("spacing_mm", "resegment_range"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))

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
            "round_hu": (self.round_hu, (True, False)),
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
        if spacing is not None and not (_are_numbers(spacing, 3) and min(spacing) > 0):
            raise self._refuse("spacing_mm", "three positive numbers or null", spacing)
        if range_ is not None and not (_are_numbers(range_, 2) and range_[0] < range_[1]):
            raise self._refuse("resegment_range", "a lower and a higher number or null", range_)
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
        if self.bins is not None and not (isinstance(self.bins, int) and 1 < self.bins <= 1024):
            raise self._refuse("bins", "a whole number from 2 to 1024", self.bins)
        if self.bin_width is not None and self.bin_width <= 0:
            raise self._refuse("bin_width", "a positive number", self.bin_width)
        if self.has_texture and self.discretisation == "none":
            raise self._refuse(
                "discretisation", "fixed_bin_number or fixed_bin_size for texture", "none"
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_numbers(values: Any, n: int) -> bool:
    return isinstance(values, tuple) and len(values) == n and all(map(_is_number, values))
