"""The wording of the report, by language, and how numbers are printed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from petnet.errors import InputError
from petnet.reporting.english import ENGLISH

__all__ = ["WORDING", "Words", "exact", "number", "percent", "shown"]

WORDING: Mapping[str, Mapping[str, str]] = {"en": ENGLISH}


class Words:
    """The wording of one language, called by key.

    Raises
    ------
    InputError
        A language that is not there.
    """

    def __init__(self, language: str = "en") -> None:
        if language not in WORDING:
            raise InputError("report", "language", f"one of {sorted(WORDING)}", repr(language))
        self._table = WORDING[language]

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of `key` with its placeholders filled."""
        return self._table[key].format(**values)


def number(value: float | None, digits: int = 2) -> str:
    """Return a number as it is printed; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def exact(value: float) -> str:
    """Return a number as a machine reads it."""
    return repr(float(value))


def percent(value: float | None) -> str:
    """Return a share as whole per cent; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.0f} %"


def shown(value: Any) -> str:
    """Return text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
