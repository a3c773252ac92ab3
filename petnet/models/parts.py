"""Building the parts of a model from plain `_target_` settings, from trusted places only.

A saved model carries its settings, so its file must not be able to call whatever it names: a
target is a class or function that is *defined* in one of a few places, and is reached as
`module.name`, not through the attributes of something else.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from petnet.errors import InputError

__all__ = ["SKLEARN", "STORED", "TRUSTED", "accepted", "build", "locate", "plain"]

SKLEARN = ("sklearn.linear_model.", "sklearn.svm.", "sklearn.ensemble.")
# Types that a stored classical model may hold.
STORED = (*SKLEARN, "petnet.models.cox.CoxRegression")
TRUSTED = (
    "petnet.models.",
    "petnet.imaging.augment.",
    "monai.networks.",
    "torch.nn.",
    "torch.optim.",
    *SKLEARN,
)
# Functions of the other places do more than make a part (load files, export); their classes do not.
_FUNCTIONS = ("petnet.models.", "monai.networks.nets.")


def plain(value: Any) -> Any:
    """Return settings as dicts, lists and scalars, whether they came from OmegaConf or not."""
    from omegaconf import OmegaConf

    if OmegaConf.is_config(value):
        return OmegaConf.to_container(value, resolve=True)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    return value


def locate(target: str) -> Callable[..., Any]:
    """Return the class or function of a `_target_`.

    Raises
    ------
    InputError
        It is not in a trusted place, or there is no such thing.
    """
    module_name, _, name = target.rpartition(".")
    if not target.startswith(TRUSTED):
        raise _refusal(target)
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise InputError("setting", "_target_", "something importable", repr(target)) from error
    home = f"{getattr(found, '__module__', None)}."
    allowed = TRUSTED if inspect.isclass(found) else _FUNCTIONS
    callable_kind = inspect.isclass(found) or inspect.isfunction(found)
    if not callable_kind or not home.startswith(allowed):
        raise _refusal(target)
    made: Callable[..., Any] = found
    return made


def accepted(target: Callable[..., Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the offered arguments whose names the target has."""
    names = inspect.signature(target).parameters
    return {name: value for name, value in offered.items() if name in names}


def build(config: Mapping[str, Any], *args: Any, **extra: Any) -> Any:
    """Call the `_target_` of `config` with its other entries.

    Parameters
    ----------
    config : mapping
        `_target_`, arguments, and `_partial_: true` to get the call with some arguments left open.
        Settings inside are passed on as they are: a part that is made of parts builds them itself.
    *args, **extra
        Further arguments; `extra` gives way to what `config` says.

    Raises
    ------
    InputError
        The target is not trusted, or does not take these arguments.
    """
    if not isinstance(config, Mapping) or "_target_" not in config:
        raise InputError("setting", "part of the model", "a mapping with _target_", repr(config))
    target = locate(str(config["_target_"]))
    given = {k: v for k, v in config.items() if k not in ("_target_", "_partial_")}
    arguments = {**extra, **given}
    if config.get("_partial_"):
        return partial(target, *args, **arguments)
    try:
        inspect.signature(target).bind(*args, **arguments)
    except TypeError as error:
        raise InputError(
            "setting", str(config["_target_"]), "arguments it takes", str(error)
        ) from error
    return target(*args, **arguments)


def _refusal(target: str) -> InputError:
    places = ", ".join(f"{place}*" for place in TRUSTED)
    return InputError("setting", "_target_", f"a class or function of {places}", repr(target))
