"""The named feature sets of `configs/features`, for use without the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from petnet.errors import InputError
from petnet.files import config_folder, intact
from petnet.radiomics.featureset import FeatureSet

__all__ = ["TARGETS", "Features", "feature_sets", "sets_of"]

#: The name of a preset, the path of a YAML file like those, or sets themselves.
Features = str | Path | FeatureSet | Sequence[FeatureSet]
FILTERS = (
    "Gabor",
    "LaplacianOfGaussian",
    "Laws",
    "Mean",
    "Riesz",
    "SeparableWavelet",
    "Simoncelli",
)
#: All that the settings of a feature set may instantiate.
TARGETS = (
    "petnet.radiomics.extractor.FeatureSet",
    "petnet.radiomics.featureset.FeatureSet",
    "petnet.radiomics.pyradiomics.PyRadiomicsSet",
    *(f"petnet.radiomics.filters.{name}" for name in FILTERS),
)


def feature_sets(features: Features) -> tuple[FeatureSet, ...]:
    """Return feature sets by the name of their preset.

    Parameters
    ----------
    features : str, path, FeatureSet or sequence of FeatureSet
        A file of `configs/features` without its ending ("pet", "ct", "core", ...), or the path of
        another YAML file of this kind. Sets are returned as they are.

    Raises
    ------
    InputError
        There is no such preset, or its settings are not those of feature sets.
    """
    if isinstance(features, FeatureSet):
        return (features,)
    if isinstance(features, str | Path):
        return _read(_file_of(features))
    sets: tuple[Any, ...] = tuple(features) if isinstance(features, Iterable) else (features,)
    for one in sets:
        if not isinstance(one, FeatureSet):
            expected = "the name of a preset, or feature sets"
            raise InputError("setting", "features", expected, repr(one))
    return sets


def sets_of(features: Features, modality: str | None) -> tuple[FeatureSet, ...]:
    """Return the sets for images of a modality; without one, all must be of the same.

    Raises
    ------
    InputError
        As `feature_sets`; there is no set, or none of this modality, or some are of either and none
        was named.
    """
    sets = feature_sets(features)
    if not sets:
        raise InputError("setting", "features", "one feature set or more", f"none in {features!r}")
    known = sorted({one.modality for one in sets})
    if modality is None and len(known) == 1:
        return sets
    chosen = tuple(one for one in sets if one.modality == modality)
    if not chosen:
        found = f"{' and '.join(known)} sets in {[one.name for one in sets]}"
        expected = f"some for {modality}" if modality else "those of one modality"
        remedy = None if modality else "Say modality='PT' or modality='CT'"
        raise InputError("setting", "features", expected, found, remedy)
    return chosen


def _file_of(features: str | Path) -> Path:
    path = Path(features)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise InputError(str(path), "features", "an existing YAML file", "no such file")
        return path
    folder = config_folder() / "features"
    if not (folder / f"{features}.yaml").is_file():
        known = ", ".join(sorted(one.stem for one in folder.glob("*.yaml")))
        raise InputError("setting", "features", f"one of {known}, or a file", repr(str(features)))
    return folder / f"{features}.yaml"


def _read(path: Path) -> tuple[FeatureSet, ...]:
    from omegaconf import OmegaConf

    with intact(path, "YAML"):
        found = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    if not isinstance(found, Mapping) or not isinstance(found.get("sets"), Mapping):
        raise InputError(str(path), "sets", "feature sets by name", "none")
    made = tuple(_built(path, part) for part in found["sets"].values())
    for one in made:
        if not isinstance(one, FeatureSet):
            raise InputError(str(path), "sets", "feature sets", repr(one))
    return made


def _built(path: Path, value: Any) -> Any:
    """Instantiate settings with a `_target_`, innermost first; leave all else as it is."""
    if isinstance(value, list):
        return [_built(path, part) for part in value]
    if not isinstance(value, Mapping):
        return value
    parts = {str(k): _built(path, part) for k, part in value.items() if k != "_convert_"}
    target = parts.pop("_target_", None)
    if target is None:
        return parts
    if target not in TARGETS:
        raise InputError(str(path), "_target_", f"one of {list(TARGETS)}", repr(target))
    module, _, name = target.rpartition(".")
    try:
        return getattr(import_module(module), name)(**parts)
    except TypeError as error:
        raise InputError(str(path), target, "settings that it has", str(error)) from error
