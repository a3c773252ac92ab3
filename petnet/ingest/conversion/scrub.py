"""Free text of DICOM files without what identifies the patient.

Names of regions, algorithms and scanners enter the tables, and header values enter the sidecars.
Removed from them are the patient's names and ids, the centre's and staff's names, UIDs, and dates.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

__all__ = ["Scrubber", "secrets_of"]

REMOVED, DAY = "removed", "(date)"
UID = re.compile(r"(?<![\d.])[0-2](?:\.\d+){4,}(?![\d])")
# 20250131, also where a time follows; 2025-01-31; 31.01.2025
DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|(?:19|20)\d\d[-./](?:0?[1-9]|1[0-2])[-./](?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[-./](?:0?[1-9]|[12]\d|3[01])[-./](?:19|20)\d\d)"
    r"(?=(?:\d\d){0,3}(?!\d))"
)
NAME_PARTS = re.compile(r"[\s^=,;\\]+")
PERSONS = (
    "PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName",
    "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy", "RequestingPhysician", "ContentCreatorName", "ReviewerName",
    "Reader",
)  # fmt: skip
UMLAUTS = str.maketrans({
    "ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae", "œ": "oe", "ß": "ss",
})  # fmt: skip
WITHOUT_MARKS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ß": "ss", "ł": "l", "đ": "d"})
# Words that our own sentences use, or that stand where a name was taken out
VOCABULARY = frozenset((
    "ac", "and", "anon", "anonymous", "anonymized", "anonymised", "ct", "for", "got", "gtv",
    "lesion", "liver", "mass", "met", "mr", "nac", "name", "no", "node", "none", "of", "patient",
    "pet", "phantom", "pt", "suv", "test", "the", "to", "tumor", "tumour", "unknown",
))  # fmt: skip
SHORTEST_WITHIN_WORDS = 4


def secrets_of(values: Mapping[str, str]) -> set[str]:
    """Return the texts that identify someone in the identifying attributes of a header.

    Persons' names part by part, double names also in halves, those in ideographs also without a
    blank between the parts; birth dates also in the other ways of writing them; everything else as
    a whole.
    """
    found: set[str] = set()
    for keyword, text in values.items():
        if keyword in PERSONS:
            parts = {part.strip(".'\"()") for part in NAME_PARTS.split(text)}
            found |= parts | {half for part in parts for half in part.split("-")}
            groups = (group.replace("^", "").strip() for group in re.split(r"[=\\]", text))
            found.update(group for group in groups if not group.isascii())
        else:
            found.update(part.strip() for part in text.split("\\"))
            found |= _days(text) if keyword == "PatientBirthDate" else set()
    return {text for text in found if text and _is_secret(text)}


def _days(text: str) -> set[str]:
    """Return the ways of writing a day that do not show by themselves that they are one."""
    if not re.fullmatch(r"\d{8}", text):
        return set()
    year, month, day = text[:4], text[4:6], text[6:]
    orders = [(y, month, day) for y in (year, year[2:])]
    orders += [(*md, y) for y in (year, year[2:]) for md in ((day, month), (month, day))]
    written = (sign.join(order) for order in orders for sign in ("", ".", "-", "/", "_"))
    return {day for day in written if not DATE.fullmatch(day)}


def _spellings(secret: str) -> set[str]:
    """Return a name with its accents, without them, and as it is written where there are none."""
    whole = unicodedata.normalize("NFC", secret).casefold()
    bare = unicodedata.normalize("NFD", whole.translate(WITHOUT_MARKS))
    bare = "".join(letter for letter in bare if not unicodedata.combining(letter))
    spelled = whole
    for plain, umlaut in (("ae", "ä"), ("oe", "ö"), ("ue", "ü"), ("ss", "ß")):
        spelled = spelled.replace(plain, umlaut)
    made = {unicodedata.normalize("NFC", secret), whole, bare, whole.translate(UMLAUTS), spelled}
    return {name for name in made | {name.replace("'", "") for name in made} if name}


def _is_secret(text: str) -> bool:
    return (len(text) > 1 or not text.isascii()) and text.casefold() not in VOCABULARY


@dataclass(frozen=True)
class Scrubber:
    """Removes what identifies one patient from text.

    Parameters
    ----------
    secrets : frozenset of str
        Of four characters and more (two, where there are others than ASCII) they are removed
        wherever they stand, but not within longer numbers; shorter ones where they are a word of
        their own, and not a number (an id "12" is no secret in "lesion 12"). However they are
        spelled: Müller is also Mueller, Muller, and an u with a mark of its own.
    dates : bool
        Whether dates stay.
    """

    secrets: frozenset[str]
    dates: bool = False

    def text(self, text: str) -> str:
        """Return text with secrets, UIDs and dates removed."""
        text = unicodedata.normalize("NFC", text)
        if self._pattern is not None:
            text = self._pattern.sub(REMOVED, text)
        text = UID.sub(REMOVED, text)
        return text if self.dates else DATE.sub(DAY, text)

    def value(self, value: Any) -> Any:
        """Return JSON-like values with every text in them scrubbed; keys stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(part) for part in value]
        return value

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        secrets = {spelling for secret in self.secrets for spelling in _spellings(secret)}
        least = SHORTEST_WITHIN_WORDS
        anywhere = {s for s in secrets if len(s) >= (least if s.isascii() else 2)}
        alone = {s for s in secrets - anywhere if not s.isdigit()}
        # longest first: of what begins alike, the whole is to go
        parts = [_guarded(s, "", r"\d") for s in sorted(anywhere, key=lambda s: (-len(s), s))]
        parts += [_guarded(s, r"[^\W\d_]", r"[^\W_]") for s in sorted(alone)]
        return re.compile("|".join(parts), re.IGNORECASE) if parts else None


def _guarded(secret: str, letter: str, digit: str) -> str:
    """Return a pattern of a secret, and of what its letters and digits must not stand beside."""
    before, after = (digit if secret[end].isdigit() else letter for end in (0, -1))
    guards = f"(?<!{before})" if before else "", f"(?!{after})" if after else ""
    return guards[0] + re.escape(secret) + guards[1]
