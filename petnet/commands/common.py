"""What several verbs share: building objects from their config, reading a cohort."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petnet.cohort import Cohort, read_cohort
from petnet.errors import InputError, PetnetError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from petnet.devices import Device
    from petnet.radiomics.extractor import FeatureSet

__all__ = [
    "build",
    "feature_sets",
    "lay_in_parameters",
    "open_cohort",
    "resolve_device",
    "with_suffix",
]

PYRADIOMICS_SET = "petnet.radiomics.pyradiomics.PyRadiomicsSet"


def build(config: Any, what: str, allowed: Sequence[str] | None = None) -> Any:
    """Instantiate a `_target_` config; a wrong argument is the user's mistake, not a crash.

    Parameters
    ----------
    allowed : sequence of str, optional
        The only targets that may occur, for settings that come with a file; None for settings
        that the user gives, which may name code of their own.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    if not isinstance(config, Mapping) or "_target_" not in config:
        raise InputError("settings", what, "a mapping with _target_", repr(config))
    for target in _targets(config) if allowed is not None else ():
        if allowed is not None and target not in allowed:
            raise InputError(
                "stored settings", f"{what}, _target_", f"one of {list(allowed)}", repr(target)
            )
    try:
        return instantiate(config, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, PetnetError):
            raise cause from error
        raise InputError(
            "settings", what, f"arguments that {config['_target_']} takes", f"{cause or error}"
        ) from error


def _targets(value: Any) -> Iterator[str]:
    """Yield every `_target_` in nested settings."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            yield str(value["_target_"])
        for part in value.values():
            yield from _targets(part)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for part in value:
            yield from _targets(part)


def feature_sets(config: DictConfig, allowed: Sequence[str] | None = None) -> list[FeatureSet]:
    """Build the feature sets of a `features` config, which may be none; `allowed` as in `build`.

    Raises
    ------
    InputError
        As `build`; two sets have a column in common, so that one would take the other's place.
    """
    from petnet.radiomics.columns import columns
    from petnet.radiomics.featureset import FeatureSet

    if config.get("maps"):
        raise InputError("settings", "features", "feature sets, whose columns are used", "maps")
    sets = config.sets or {}
    made = [build(part, f"features.sets.{name}", allowed) for name, part in sets.items()]
    seen: dict[str, str] = {}
    for key, one in zip(sets, made, strict=True):
        if not isinstance(one, FeatureSet):
            raise InputError("settings", f"features.sets.{key}", "a FeatureSet", repr(one))
        for column in columns(one):
            if column in seen:
                expected = "names that differ from set to set"
                found = f"{one.name!r} in {seen[column]} and in {key}"
                raise InputError("settings", "features.sets, name", expected, found)
            seen[column] = str(key)
    return made


def lay_in_parameters(config: DictConfig) -> None:
    """Put the sets of a PyRadiomics parameter file into the settings, so that a run holds them.

    Raises
    ------
    InputError
        The file cannot be read, or asks for what petnet does not compute.
    """
    path = config.features.get("parameters")
    if not path:
        return
    from omegaconf import open_dict

    from petnet.radiomics.pyradiomics import read_parameters

    with open_dict(config):
        config.features.sets = {
            one.name: {"_target_": PYRADIOMICS_SET} | _plain(asdict(one))
            for one in read_parameters(path, config.features.modality)
        }
        config.features.parameters = None


def _plain(value: Any) -> Any:
    """Return what YAML can hold: lists in the place of tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(part) for part in value]
    return value


def open_cohort(config: DictConfig) -> Cohort:
    """Read the cohort that `cohort=` names."""
    return read_cohort(Path(config.cohort), allow_outside=bool(config.data.allow_outside))


def resolve_device(choice: str) -> Device:
    """Turn `device=` into a device by what torch can use."""
    import torch

    from petnet.devices import choose_device

    reason = "" if torch.cuda.is_available() else "torch finds no usable CUDA device"
    return choose_device(choice, torch.cuda.is_available(), reason, "images and networks")


def with_suffix(path: Path, suffix: str) -> Path:
    """Return a sibling of `path`, its extension replaced: table.parquet → table.status.csv."""
    return path.with_name(path.stem + suffix)
