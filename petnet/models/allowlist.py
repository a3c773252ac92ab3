"""Building objects from `_target_` configs of a few trusted libraries, and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from petnet.errors import InputError

__all__ = ["build"]


def build(config: Mapping[str, Any], trusted: Sequence[str], **extra: Any) -> Any:
    """Instantiate `config` if its `_target_`, and every nested one, starts with a trusted prefix.

    Raises
    ------
    InputError
        A target is missing or foreign, or its arguments do not fit.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    _check(config, trusted)
    if "_target_" not in config:
        raise InputError("model settings", "_target_", "the path of a class", f"{dict(config)}")
    try:
        return instantiate(dict(config), _convert_="all", **extra)
    except InstantiationException as error:
        raise InputError(
            "model settings", str(config["_target_"]), "arguments that it takes", str(error)
        ) from error


def _check(value: Any, trusted: Sequence[str]) -> None:
    if isinstance(value, Mapping):
        target = value.get("_target_")
        if target is not None and not str(target).startswith(tuple(trusted)):
            raise InputError(
                "model settings", "_target_", f"one that starts with {list(trusted)}", repr(target)
            )
        for part in value.values():
            _check(part, trusted)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for part in value:
            _check(part, trusted)
