"""Settings that no verb can work with, refused at the edge before anything is read or written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petnet.commands.request import unusable
from petnet.errors import InputError
from petnet.files import check_writable, check_writable_folder

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["check_settings"]


@dataclass(frozen=True)
class Rule:
    """What the value of a setting must be; in words, and as a test."""

    expected: str
    fits: Callable[[Any], bool]


def _whole(least: int) -> Rule:
    return Rule(f"a whole number of {least} or more", lambda v: type(v) is int and v >= least)


def _one_of(*values: str) -> Rule:
    return Rule(f"one of {', '.join(values)}", lambda v: v in values)


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= 1


def _is_grid(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(v, list) and v for v in value.values())


SWITCH = Rule("true or false", lambda v: isinstance(v, bool))
RULES = {
    "seed": _whole(0),
    "permute": _whole(0),
    "device": _one_of("auto", "cpu", "cuda"),
    "rows": _one_of("unit", "lesion", "region", "study"),
    "roles": Rule("a list of roles, or null", lambda v: isinstance(v, list) and bool(v)),
    "debug": SWITCH,
    "overwrite": SWITCH,
    "format": _one_of("nifti", "dicom"),
    "suv": _one_of("SUVbw", "SUVlbm", "SUVbsa", "SUVibw"),
    "lean_body_mass": _one_of("janmahasatian", "james120", "james128"),
    "tilt": _one_of("refuse", "correct"),
    "keep_identifiers": SWITCH,
    "same_timepoint_days": _whole(0),
    "threshold": Rule("a number above 0, up to 1", _is_share),
    "split_components": SWITCH,
    "workers": _whole(1),
    "data.workers": _whole(1),
    "data.allow_outside": SWITCH,
    "cv.folds": _whole(2),
    "cv.repeats": _whole(1),
    "cv.inner_folds": _whole(2),
    "cv.use_split_column": SWITCH,
    "trainer.epochs": _whole(1),
    "trainer.batch_size": _whole(1),
    "trainer.precision": _one_of(
        "32-true", "64-true", "bf16-mixed", "bf16-true", "16-mixed", "16-true"
    ),
    "model.max_correlation": Rule("a number above 0, up to 1, or null", _is_share),
    "model.grid": Rule("a list of values for each of its names", _is_grid),
    "model.resampler.k_neighbors": _whole(1),
}
PATHS = ("input", "cohort", "run", "runs", "out", "key", "data.cache")
OPTIONAL = ("permute", "roles", "out", "key", "model.max_correlation", "model.grid")  # may be null
FOLDER_MAKERS = ("simulate", "convert", "segment", "train")  # their `out` is a folder, not a file


def check_settings(verb: str, config: DictConfig) -> None:
    """Check what can be checked of a verb's settings by themselves.

    Raises
    ------
    InputError
        A mandatory setting is missing, a reference leads nowhere, a value is not of its kind, or
        `out` or the cache cannot be written.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        missing = sorted(OmegaConf.missing_keys(config))
        settings = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise unusable(error) from error
    if missing:
        remedy = f"For example: petnet {verb} {missing[0]}=..."
        raise InputError("settings", missing[0], "a value", "none", remedy)
    for key, rule in RULES.items():
        for value in _values(settings, key):
            if not rule.fits(value):
                raise InputError("settings", key, rule.expected, repr(value))
    for key in PATHS:
        for value in _values(settings, key):
            _check_path(key, value)
    for cache in _values(settings, "data.cache"):
        check_writable_folder(Path(cache), "data.cache")
    for out in _values(settings, "out"):
        (check_writable_folder if verb in FOLDER_MAKERS else check_writable)(Path(out))


def _values(settings: Any, key: str) -> Iterator[Any]:
    """Yield the value of a setting, if the verb has it and it is not a null that it may be."""
    node = settings
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return
        node = node[part]
    if node is not None or key not in OPTIONAL:
        yield node


def _check_path(key: str, value: Any) -> None:
    several = isinstance(value, list) and key in ("run", "runs")
    if several and not value:
        raise InputError("settings", key, "at least one path", "an empty list")
    for path in value if several else [value]:
        if isinstance(path, str) and path.strip() and "\0" not in path:
            continue
        remedy = None
        if not isinstance(path, str) and path is not None:
            remedy = f"Put a name that looks like a number into quotes: {key}=\"'{path}'\""
        raise InputError("settings", key, "a path", repr(path), remedy)
