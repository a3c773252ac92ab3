"""What is wrong with a request, in one line: flags, groups, misspelt settings, bad syntax."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petnet.errors import InputError, PetnetError

if TYPE_CHECKING:
    pass

__all__ = ["NOT_NEEDED", "check_flags", "explain", "unusable"]

NOT_NEEDED = {"extract": "task"}  # verbs with a group that null leaves out; Hydra writes it ~task
OVERRIDE = "key=value; values with spaces, commas, quotes or brackets in quotes of their own"


def check_flags(arguments: Sequence[str]) -> None:
    """Refuse flags that Hydra does not know, in one line instead of its usage page.

    Raises
    ------
    InputError
    """
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    said = StringIO()
    try:
        with redirect_stderr(said):
            parser.parse_args(list(arguments))
    except SystemExit as stop:
        if not stop.code:  # --version has answered
            raise
        flags = [flag for action in parser._actions for flag in action.option_strings]
        unknown = next((a for a in arguments if a.startswith("-") and a not in flags), "flags")
        raise InputError(
            "command line",
            unknown,
            f"flags that there are ({', '.join(f for f in flags if f.startswith('--'))})",
            said.getvalue().strip().split("error: ")[-1],
            _did_you_mean(unknown, flags),
        ) from None


def explain(verb: str, arguments: Sequence[str], configs: Path, error: Exception) -> PetnetError:
    """Return in one line what Hydra says of a request in many.

    Parameters
    ----------
    arguments : sequence of str
        What stood after the verb.
    configs : Path
        Folder of the configs, to find the nearest names in.
    error : Exception
        Raised while the settings were composed.
    """
    from hydra.errors import (
        MissingConfigException,
        OverrideParseException,
        SearchPathException,
    )

    if isinstance(error, OverrideParseException):
        return InputError("command line", error.override, OVERRIDE, _parse_fault(error))
    if isinstance(error, MissingConfigException) and error.options:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        names = sorted(error.options)
        expected = f"one of {', '.join(names)}{', or null' * (NOT_NEEDED.get(verb) == group)}"
        return InputError("settings", group, expected, repr(name), _did_you_mean(name, names))
    wrong = re.search(r"[Cc]ould not (?:override|delete)[^']*'([^']+)'", str(error))
    if wrong:
        return _unknown_setting(verb, arguments, configs, wrong.group(1))
    if isinstance(error, ValueError):  # a group whose choice is a number, or has no name at all
        keys = {a: a.split("=")[0] for a in arguments if "=" in a}
        odd = re.compile(r"(null|true|false|[-+.\d]+)?", re.IGNORECASE)  # read as no name
        groups = [
            a
            for a, key in keys.items()
            if not key
            or (
                key in _groups(verb, configs)
                and any(odd.fullmatch(value) for value in a[len(key) + 1 :].split(","))
            )
        ]
        return InputError("command line", ", ".join(groups), "group=name", _line(error))
    if isinstance(error, (SearchPathException, MissingConfigException)):
        return InputError("command line", "configs", "configs that exist", _line(error))
    cause = error.__cause__
    text = f"{_line(error)} ({_line(cause)})" if isinstance(cause, Exception) else _line(error)
    return InputError("command line", "settings", "settings that fit together", text)


def unusable(error: Exception) -> InputError:
    """Return in one line what OmegaConf says of a setting that is absent or leads nowhere."""
    key = getattr(error, "full_key", None) or "a setting"
    return InputError("settings", str(key), "a value that can be worked out", _line(error))


def _parse_fault(error: Any) -> str:
    detail = str(error).removeprefix(f"Error parsing override '{error.override}'")
    if "missing EQUAL" in detail:
        return "no equals sign"
    if "Lexer" in detail:
        return "a quote that is not closed, or a character that needs quotes"
    return _line(Exception(detail))


def _unknown_setting(verb: str, arguments: Sequence[str], configs: Path, given: str) -> PetnetError:
    """Walk down to the part of a key that does not exist, and name what stands beside it."""
    given = given.split("=")[0]
    node: Any = _composed(verb, arguments, configs)
    groups = _groups(verb, configs)
    path: list[str] = []
    for part in given.split("."):
        if not isinstance(node, Mapping):
            expected = f"no setting below {'.'.join(path)}"
            return InputError("settings", given, expected, repr(part))
        known = sorted({str(key) for key in node} | (groups if not path else set()))
        if part not in known:
            beside = difflib.get_close_matches(part, known, n=2)
            near = [".".join([*path, name]) for name in beside] or _same_leaf(node, path, part)
            expected = f"one of {', '.join(known)}"
            remedy = _offer(near) or _addition(node, given)
            return InputError("settings", given, expected, repr(part), remedy)
        node = node.get(part)
        path.append(part)
    return InputError("settings", given, "a setting that this verb has", "none of this name")


def _addition(node: Mapping[str, Any], given: str) -> str | None:
    """Say how to give an object a setting that its file leaves at its default."""
    if "_target_" not in node:
        return None
    name = str(node["_target_"]).rpartition(".")[2]
    return f"A setting of {name} that its file does not name is added by +{given}=..."


def _groups(verb: str, configs: Path) -> set[str]:
    """Return the config groups in the defaults list of a verb."""
    from omegaconf import DictConfig, OmegaConf

    loaded: Any = OmegaConf.load(configs / f"{verb}.yaml")
    return {str(key) for entry in loaded.defaults if isinstance(entry, DictConfig) for key in entry}


def _composed(verb: str, arguments: Sequence[str], configs: Path) -> Mapping[str, Any]:
    """Compose the verb's settings with the groups that were asked for, as far as that works."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    chosen = [a.split(",")[0] for a in arguments if re.fullmatch(r"\w+=[\w,-]+", a)]
    chosen = [a for a in chosen if a.split("=")[0] in _groups(verb, configs)]
    own = [b for a, b in pairwise(arguments) if a in ("--config-dir", "-cd")]
    search = [f"hydra.searchpath=[{','.join(f'file://{Path(p).absolute()}' for p in own)}]"]
    for overrides in ([*chosen, *(search if own else [])], []):
        try:
            with initialize_config_dir(config_dir=str(configs), version_base="1.3"):
                made: Any = OmegaConf.to_container(compose(verb, overrides), resolve=False)
            return dict(made)
        except HydraException:
            continue
    return {}


def _same_leaf(node: Mapping[str, Any], path: Sequence[str], part: str) -> list[str]:
    """Return settings further down that are called nearly so: folds, of cv.folds."""
    below = dict(_leaves(node))
    near = difflib.get_close_matches(part, {key.split(".")[-1] for key in below}, n=1)
    found = [key for key in below if near and key.split(".")[-1] == near[0]]
    return [".".join([*path, key]) for key in sorted(found, key=len)[:2]]


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        yield f"{prefix}{key}", value


def _did_you_mean(name: str, known: Iterable[str]) -> str | None:
    return _offer(difflib.get_close_matches(name, list(known), n=2))


def _offer(near: Sequence[str]) -> str | None:
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else None


def _line(error: Exception) -> str:
    """Return the first line that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
