"""Numbers from header texts, and the account of what a conversion used and what it doubts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from petnet.ingest.refusal import Refused
from petnet.ingest.suv.pet_header import Attribute

__all__ = ["Ledger", "number", "quoted", "required"]

DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass
class Ledger:
    """What one conversion used and what it doubts; filled while the rules are worked out.

    Attributes
    ----------
    used : dict of str to str
        Attribute's name and tag, and its text.
    warnings : list of str
    """

    used: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def use(self, *attributes: Attribute) -> None:
        """Note that the values of attributes were used."""
        self.used.update({a.tag: a.text for a in attributes if a.text is not None})

    def warn(self, text: str) -> None:
        """Note a doubt, once."""
        if text not in self.warnings:
            self.warnings.append(text)


def number(attribute: Attribute, expected: str) -> float | None:
    """Return an attribute as a finite number (VR DS), or None where it is absent.

    Raises
    ------
    Refused
        It is there, but is not one finite decimal number.
    """
    if attribute.text is None:
        return None
    if not DECIMAL.fullmatch(attribute.text) or not math.isfinite(float(attribute.text)):
        raise Refused(attribute.tag, expected, quoted(attribute.text))
    return float(attribute.text)


def required(attribute: Attribute, expected: str, ledger: Ledger) -> float:
    """Return a number above zero that must be there.

    Raises
    ------
    Refused
        It is absent, no number, zero or negative.
    """
    value = number(attribute, expected)
    if value is None:
        raise Refused(attribute.tag, expected, "none")
    if value <= 0:
        raise Refused(attribute.tag, expected, f"{value:g}")
    ledger.use(attribute)
    return value


def quoted(text: str) -> str:
    """Return a header value for a message: numbers to six digits, anything else only its length.

    What is no number may be anything, a patient's name or birth date included.
    """
    if DECIMAL.fullmatch(text):
        return f"{float(text):.6g}"
    return f"other text ({len(text)} characters)"
