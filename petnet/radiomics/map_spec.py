"""What a feature map is: which features, of which window around a voxel, on which levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.files import hash_of
from petnet.radiomics.catalogue import DIRECTIONAL_FAMILIES, FAMILIES, TEXTURE_FAMILIES, Family
from petnet.radiomics.columns import Column, columns_of, provenance
from petnet.radiomics.featureset import ORIGINAL, FeatureSet
from petnet.radiomics.texture import Aggregation, aggregations_of

__all__ = ["MAP_FAMILIES", "Bins", "MapSpec", "Outside"]

Bins = Literal["region", "window"]
Outside = Literal["undefined", "zero"]
#: Raised whenever the same settings begin to give other maps.
VERSION = 1
#: Shape, peaks and volume fractions are quantities of a whole lesion, not of a box cut out of it.
MAP_FAMILIES: frozenset[Family] = TEXTURE_FAMILIES | {"stat", "ih"}
#: A window holds no more, 256 voxels along each axis: windows are laid out in memory.
MAX_WINDOW = 1 << 24


@dataclass(frozen=True)
class MapSpec:
    """Feature maps of one modality; a row of `configs/features/maps.yaml`.

    Attributes
    ----------
    feature_set : FeatureSet
        Modality, filters, re-segmentation, discretisation and aggregations, on the native grid. Of
        its families only those of `features` are computed.
    features : sequence of str
        Columns of the set without its name: "stat_mean_intensity", "glcm_contrast_3D_comb"; those
        of a filtered image begin with its name. Families: `MAP_FAMILIES`.
    radius_voxels : int or three ints, optional
        The window is the box that reaches so many voxels to either side: 2 gives 5×5×5. 0 along an
        axis keeps the window in the plane.
    radius_mm : float, optional
        The window is the voxels whose centres lie within this distance: a ball, whatever the
        spacing. Exactly one of the two radii is given.
    bins : {"region", "window"}
        Grey levels of the whole region, so that they mean the same in each window, or of each
        window by itself.
    restricted : bool
        Whether windows see the region alone, or also what lies around it. Then "region" are all
        voxels that any window sees.
    outside : {"undefined", "zero"}
        Value of the maps where the mask is not: NaN or 0.

    Raises
    ------
    InputError
        A setting is not what it may be.
    """

    feature_set: FeatureSet
    features: Sequence[str]
    radius_voxels: int | Sequence[int] | None = None
    radius_mm: float | None = None
    bins: Bins = "region"
    restricted: bool = True
    outside: Outside = "undefined"

    def __post_init__(self) -> None:
        if isinstance(self.features, list):  # from YAML
            object.__setattr__(self, "features", tuple(self.features))
        if isinstance(self.radius_voxels, list):
            object.__setattr__(self, "radius_voxels", tuple(self.radius_voxels))
        self._check_set()
        self._check_window()
        self._check_features()
        if type(self.radius_voxels) is int:
            object.__setattr__(self, "radius_voxels", (self.radius_voxels,) * 3)
        if self.radius_mm is not None:
            object.__setattr__(self, "radius_mm", float(self.radius_mm))

    @property
    def modality(self) -> str:
        """Of the images that the maps are made of."""
        return self.feature_set.modality

    @property
    def window(self) -> str:
        """The window in a name: "5x5x5" voxels, or "r7.5mm" for a ball."""
        if self.radius_mm is not None:
            return f"r{self.radius_mm:g}mm"
        return "x".join(str(2 * r + 1) for r in self._reach((1.0, 1.0, 1.0)))

    @property
    def hash(self) -> str:
        """32 hexadecimal digits of every setting and of the version of the calculation."""
        mine = self.features, self.radius_voxels, self.radius_mm
        return hash_of(
            "MapSpec",
            VERSION,
            self.feature_set.hash,
            *mine,
            self.bins,
            self.restricted,
            self.outside,
        )

    def title(self, feature: str) -> str:
        """Return the full name of a map: {set}__{image}_{family}_{feature}_{aggregation}__{window}.

        Parameters
        ----------
        feature : str
            One of `features`.
        """
        return f"{self.columns()[feature].name}__{self.window}"

    def columns(self) -> dict[str, Column]:
        """Return the column of each of the features asked for."""
        known = _columns(self.feature_set)
        return {name: known[name] for name in self.features}

    def footprint(self, spacing_mm: Sequence[float]) -> NDArray[np.bool_]:
        """Return the window (X, Y, Z), odd along each axis, in an image of this spacing.

        Raises
        ------
        InputError
            It has more than `MAX_WINDOW` voxels there.
        """
        reach = self._reach(spacing_mm)
        self._check_size(reach, "radius_mm", self.radius_mm)
        if self.radius_mm is None:
            return np.ones([2 * r + 1 for r in reach], dtype=bool)
        axes = [np.arange(-r, r + 1) * s for r, s in zip(reach, spacing_mm, strict=True)]
        x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
        ball: NDArray[np.bool_] = x**2 + y**2 + z**2 <= self.radius_mm**2 * (1 + 1e-9)
        return ball

    def needed(self) -> FeatureSet:
        """Return the feature set with no more images, families and aggregations than needed."""
        found = self.columns().values()
        families = {column.feature.family for column in found}
        directional = {c.aggregation for c in found if c.feature.family in DIRECTIONAL_FAMILIES}
        chosen = [a for a in self.feature_set.aggregations if a in directional]
        for column in found:  # families without directions take any of the same dimension
            family = column.feature.family
            if column.aggregation and column.aggregation not in aggregations_of(family, chosen):
                chosen += [a for a in self.feature_set.aggregations if _gives(family, a, column)][
                    :1
                ]
        images = {column.image for column in found}
        return replace(
            self.feature_set,
            filters=tuple(one for one in self.feature_set.filters if one.name in images),
            original=ORIGINAL in images,
            families=tuple(f for f in FAMILIES if f in families),
            aggregations=tuple(chosen) or self.feature_set.aggregations,
        )

    def provenance(self) -> dict[str, Any]:
        """Describe every map by its title: IBSI codes, unit, window; settings and versions."""
        made = provenance(self.feature_set)
        described = made.pop("columns")
        found = {
            self.title(name): described[column.name] for name, column in self.columns().items()
        }
        return made | {
            "hash": self.hash,
            "maps": found,
            "window": {
                "name": self.window,
                "radius_voxels": self.radius_voxels,
                "radius_mm": self.radius_mm,
                "restricted_to_mask": self.restricted,
                "grey_levels_of": self.bins,
                "outside": self.outside,
            },
        }

    def _reach(self, spacing_mm: Sequence[float]) -> tuple[int, ...]:
        """Return how many voxels the window goes to either side along each axis."""
        if self.radius_mm is not None:
            return tuple(math.floor(self.radius_mm / s + 1e-9) for s in spacing_mm)
        radius = self.radius_voxels
        return (radius,) * 3 if isinstance(radius, int) else tuple(radius or (0, 0, 0))

    def _refuse(self, field: str, expected: str, found: Any) -> InputError:
        return InputError("feature maps", field, expected, repr(found))

    def _check_set(self) -> None:
        ours = self.feature_set
        if not isinstance(ours, FeatureSet):
            raise self._refuse("feature_set", "a FeatureSet", ours)
        if ours.spacing_mm is not None:
            expected = "null: maps lie on the grid of their image"
            raise self._refuse("feature_set.spacing_mm", expected, ours.spacing_mm)
        if ours.naming != "ibsi":
            raise self._refuse("feature_set.naming", "'ibsi'", ours.naming)

    def _check_window(self) -> None:
        voxels, mm = self.radius_voxels, self.radius_mm
        if (voxels is None) == (mm is None):
            raise self._refuse("radius_voxels, radius_mm", "one of the two", (voxels, mm))
        radii = voxels if isinstance(voxels, tuple) else (voxels,) * 3
        if voxels is not None and not (
            len(radii) == 3 and all(type(r) is int and r >= 0 for r in radii) and any(radii)
        ):
            expected = "a whole number above 0, or three of 0 or more, not all of them 0"
            raise self._refuse("radius_voxels", expected, voxels)
        self._check_size(radii if voxels is not None else (), "radius_voxels", voxels)
        if mm is not None and not (type(mm) in (int, float) and 0 < mm < math.inf):
            raise self._refuse("radius_mm", "a positive number", mm)
        for field, value, allowed in (
            ("bins", self.bins, get_args(Bins)),
            ("outside", self.outside, get_args(Outside)),
            ("restricted", self.restricted, (True, False)),
        ):
            if value not in allowed:
                raise self._refuse(field, f"one of {allowed}", value)

    def _check_size(self, reach: Sequence[Any], field: str, found: Any) -> None:
        if math.prod(2 * r + 1 for r in reach) > MAX_WINDOW:
            raise self._refuse(field, f"a window of at most {MAX_WINDOW} voxels", found)

    def _check_features(self) -> None:
        names = self.features
        if not isinstance(names, tuple) or not names or len(set(names)) < len(names):
            raise self._refuse("features", "one or more names, each once", names)
        known = _columns(self.feature_set)
        for name in names:
            if name not in known:
                import difflib

                near = difflib.get_close_matches(str(name), known, n=3)
                hint = f", such as {', '.join(near)}" if near else ""
                families = f"of families {', '.join(f for f in FAMILIES if f in MAP_FAMILIES)}"
                expected = f"a column {families} of {self.feature_set.name}{hint}"
                raise self._refuse("features", expected, name)


def _columns(feature_set: FeatureSet) -> dict[str, Column]:
    """Return the columns that can be mapped by their name without that of the set.

    Those of the unfiltered image have two names: with "original" and without.
    """
    made = {}
    for column in columns_of(feature_set):
        if column.feature.family in MAP_FAMILIES:
            name = column.name.removeprefix(f"{feature_set.name}__")
            made[name] = column
            if column.image == ORIGINAL:
                made[name.removeprefix(f"{ORIGINAL}_")] = column
    return made


def _gives(family: Family, aggregation: Aggregation, column: Column) -> bool:
    return column.aggregation in aggregations_of(family, (aggregation,))
