"""Reading a PyRadiomics parameter file into feature sets: every key is honoured or refused."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from petnet.errors import InputError
from petnet.radiomics.catalogue import Family
from petnet.radiomics.pyradiomics.names import (
    CLASSES,
    DEFINITIONS,
    FAMILY_OF_CLASS,
    WITHOUT_VALUE,
)
from petnet.radiomics.pyradiomics.settings import ImageType, PyRadiomicsSet

__all__ = ["read_parameters"]

log = logging.getLogger(__name__)
SECTIONS = ("imageType", "featureClass", "setting", "voxelSetting")
INTERPOLATORS: dict[str | int, str] = {
    "sitkNearestNeighbor": "nearest",
    "sitkLinear": "linear",
    "sitkBSpline": "cubic",
    1: "nearest",
    2: "linear",
    3: "cubic",
}
#: Keys that become one field of the set as they are.
PLAIN = {
    "binWidth": "bin_width",
    "gldm_a": "ngldm_alpha",
    "normalize": "normalise",
    "normalizeScale": "normalise_scale",
    "removeOutliers": "remove_outliers",
    "resegmentRange": "resegment",
    "resegmentMode": "resegment_mode",
    "resegmentShape": "resegment_shape",
    "preCrop": "pre_crop",
    "padDistance": "pad_distance",
    "force2Ddimension": "force_2d_dimension",
    "voxelArrayShift": "voxel_array_shift",
    "minimumROIDimensions": "minimum_dimensions",
    "minimumROISize": "minimum_voxels",
    "sigma": "sigmas",
    "wavelet": "wavelet",
    "level": "level",
    "start_level": "start_level",
    "gradientUseSpacing": "gradient_use_spacing",
}
#: Keys that decide a field together with others.
JOINT = ("binCount", "force2D", "weightingNorm", "resampledPixelSpacing", "interpolator")
#: Keys with the only values that petnet has, and why.
ONLY: dict[str, tuple[tuple[Any, ...], str]] = {
    "label": ((1,), "name the label in rois.csv, or in labels=, instead"),
    "label_channel": ((0,), "masks have one channel"),
    "distances": (([1],), "neighbours at distance 1 are all that petnet counts"),
    "symmetricalGLCM": ((True,), "petnet's co-occurrence is symmetric"),
    "weightingNorm": ((None, "no_weighting"), "petnet does not weight directions by distance"),
}
#: Keys without influence on the numbers, and why.
IGNORED = {
    "additionalInfo": "petnet always writes provenance beside the table",
    "geometryTolerance": "petnet refuses a mask whose voxels lie more than 0.01 mm off the image's",
    "correctMask": "petnet refuses a mask on another grid rather than moving it",
}
#: What an image type may set for itself. PyRadiomics reads all else from `setting` alone.
BY_IMAGE_TYPE = frozenset(
    {
        *("binWidth", "binCount", "distances", "force2D", "force2Ddimension", "voxelArrayShift"),
        *("symmetricalGLCM", "weightingNorm", "gldm_a", "sigma", "wavelet", "level"),
        *("start_level", "gradientUseSpacing", "additionalInfo"),
    }
)
NO_PATTERNS = "Local binary patterns are no IBSI filter, and petnet has none"
#: Stands for the unfiltered image where only its shape is wanted.
SHAPE = "Shape"
#: PyRadiomics' values where a file says nothing.
DEFAULTS: dict[str, Any] = {"binWidth": 25.0, "interpolator": "sitkBSpline"}


def read_parameters(
    path: str | Path,
    modality: Literal["PT", "CT"] = "CT",
    name: str | None = None,
    integer_ct: bool = True,
) -> list[PyRadiomicsSet]:
    """Read a PyRadiomics parameter file.

    Parameters
    ----------
    path : path
        YAML (or JSON) with the sections imageType, featureClass and setting.
    modality : {"PT", "CT"}
        Images of another modality are refused; the file does not say it.
    name : str, optional
        Begins every column; by default made of the file's name.
    integer_ct : bool
        As of `PyRadiomicsSet`: the file does not say how images are stored.

    Returns
    -------
    list of PyRadiomicsSet
        One for each image type, whose settings may differ.

    Raises
    ------
    InputError
        A key or value that petnet does not know or cannot honour; the message names it and says
        why. Keys without influence on the numbers are named in the log.
    """
    path = Path(path)
    content = _content(path)
    reader = _Reader(path)
    if content.get("voxelSetting"):
        raise reader.refuse("voxelSetting", "none", "a section", "Use features=maps for maps")
    base = reader.settings("setting", content.get("setting"), None)
    families, features = reader.features(content.get("featureClass"))
    stem = name or re.sub(r"[^0-9A-Za-z]+", "_", path.stem).strip("_") or "pyradiomics"
    sets = []
    for kind, custom in reader.image_types(content.get("imageType")).items():
        where = f"imageType, {kind}"
        of_kind = tuple(f for f in families if (f == "morph") <= (kind in ("Original", SHAPE)))
        if kind == SHAPE:
            of_kind = tuple(f for f in families if f == "morph")
        made = reader.fields(base | reader.settings(where, custom, BY_IMAGE_TYPE), where)
        if of_kind:
            made |= {
                "name": stem if kind == "Original" else f"{stem}_{kind.lower()}",
                "modality": modality,
                "integer_ct": integer_ct,
                "families": of_kind,
                "features": _of_families(features, of_kind),
                "image_type": "Original" if kind == SHAPE else kind,
            }
            sets.append(PyRadiomicsSet(**made))
    return sets


def _of_families(
    features: tuple[str, ...] | None, families: tuple[Family, ...]
) -> tuple[str, ...] | None:
    if features is None:
        return None
    classes = {cls for cls in CLASSES if FAMILY_OF_CLASS[cls] in families}
    return tuple(key for key in features if key.split("_")[0] in classes)


def _content(path: Path) -> Mapping[str, Any]:
    """Read the file and check its sections."""
    import yaml  # type: ignore[import-untyped]

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(str(path), "parameter file", "a file", "nothing there") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(str(path), "parameter file", "YAML", str(error)) from error
    if content is None:
        return {}
    if not isinstance(content, Mapping) or not set(content) <= set(SECTIONS):
        found = list(content) if isinstance(content, Mapping) else repr(content)
        raise InputError(str(path), "sections", f"of {SECTIONS}", str(found))
    return content


@dataclass(frozen=True)
class _Reader:
    """Turns sections of one file into fields of sets; messages name the file."""

    path: Path

    def refuse(self, field: str, expected: str, found: str, remedy: str = "") -> InputError:
        return InputError(str(self.path), field, expected, found, remedy)

    def image_types(self, given: Any) -> dict[str, Any]:
        """Return settings by image type; PyRadiomics takes the shape whatever the types are."""
        kinds = given or {"Original": {}}
        if not isinstance(kinds, Mapping):
            raise self.refuse("imageType", "a mapping of image types", repr(kinds))
        for kind in kinds:
            if kind not in get_args(ImageType):
                remedy = NO_PATTERNS if str(kind).startswith("LBP") else ""
                raise self.refuse("imageType", f"of {get_args(ImageType)}", repr(kind), remedy)
        shape: dict[str, Any] = {} if "Original" in kinds else {SHAPE: {}}
        return shape | dict(kinds)

    def settings(self, where: str, given: Any, allowed: frozenset[str] | None) -> dict[str, Any]:
        """Check the keys of a section; return those that decide anything."""
        if not isinstance(given or {}, Mapping):
            raise self.refuse(where, "a mapping of settings", repr(given))
        kept = {}
        for key, value in (given or {}).items():
            field = f"{where}, {key}"
            if allowed is not None and key not in allowed:
                expected = f"of {sorted(allowed)}: PyRadiomics takes others from setting alone"
                raise self.refuse(field, expected, repr(key))
            if key in ONLY:
                values, reason = ONLY[key]
                if value not in values:
                    raise self.refuse(field, f"one of {values}", repr(value), reason.capitalize())
            elif key in IGNORED:
                log.info("%s: %s = %r changes nothing: %s", self.path, key, value, IGNORED[key])
                continue
            elif key not in PLAIN and key not in JOINT:
                raise self.refuse(field, "a setting that petnet knows", repr(key))
            kept[key] = value
        return kept

    def fields(self, given: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return the fields of a set from the settings that hold for an image type."""
        given = DEFAULTS | dict(given)
        made = {PLAIN[key]: value for key, value in given.items() if key in PLAIN}
        if given.get("binCount") is not None:
            del made["bin_width"]
            made |= {"discretisation": "fixed_bin_number", "bins": given["binCount"]}
        else:
            made |= {"discretisation": "fixed_bin_size", "lower_bound": 0.0}
        merged = given.get("weightingNorm") == "no_weighting"
        dimensions = "2_5D" if given.get("force2D") else "3D"
        made["aggregations"] = (f"{dimensions}_{'comb' if merged else 'avg'}",)
        spacing = given.get("resampledPixelSpacing")
        if spacing is not None and given["interpolator"] is not None:
            made |= self._resampling(spacing, given["interpolator"], where)
        return made

    def _resampling(self, spacing: Any, interpolator: Any, where: str) -> dict[str, Any]:
        if interpolator not in INTERPOLATORS:
            expected = f"one of {list(INTERPOLATORS)}"
            raise self.refuse(f"{where}, interpolator", expected, repr(interpolator))
        numbers = isinstance(spacing, list) and all(isinstance(v, int | float) for v in spacing)
        if not numbers or len(spacing) != 3 or min(spacing) < 0:
            expected = "three numbers of 0 or more"
            raise self.refuse(f"{where}, resampledPixelSpacing", expected, repr(spacing))
        edges = tuple(v or None for v in spacing)
        if not any(edges):
            return {}
        return {"spacing_mm": edges, "interpolation": INTERPOLATORS[interpolator]}

    def features(self, given: Any) -> tuple[tuple[Family, ...], tuple[str, ...] | None]:
        """Return the families, and the features where not each class has its defaults."""
        if not given:
            return tuple(FAMILY_OF_CLASS[cls] for cls in CLASSES), None
        if not isinstance(given, Mapping):
            raise self.refuse("featureClass", "a mapping of classes", repr(given))
        chosen: list[str] = []
        families: list[Family] = []
        for cls, listed in given.items():
            if cls not in CLASSES:
                remedy = "Images of petnet have three dimensions" if cls == "shape2D" else ""
                raise self.refuse("featureClass", f"of {CLASSES}", repr(cls), remedy)
            keys = self._keys(cls, listed)
            if keys:
                families.append(FAMILY_OF_CLASS[cls])
                chosen += keys
        defaults = [
            row.key
            for row in DEFINITIONS
            if row.default and FAMILY_OF_CLASS[row.radiomics_class] in families
        ]
        return tuple(families), None if set(chosen) == set(defaults) else tuple(chosen)

    def _keys(self, cls: str, listed: Any) -> list[str]:
        """Return the features of a class; those PyRadiomics gives no value are named in the log."""
        own = {row.key: row for row in DEFINITIONS if row.radiomics_class == cls}
        if not listed:
            return [key for key, row in own.items() if row.default]
        if not isinstance(listed, list):
            raise self.refuse(f"featureClass, {cls}", "a list of features", repr(listed))
        keys = []
        for name in listed:
            key = f"{cls}_{name}"
            if key in WITHOUT_VALUE:
                same = WITHOUT_VALUE[key]
                log.warning("%s: PyRadiomics gives no %s, which equals %s", self.path, key, same)
            elif key in own:
                keys.append(key)
            else:
                names = [row.name for row in own.values()]
                raise self.refuse(f"featureClass, {cls}", f"of {names}", repr(name))
        return keys
