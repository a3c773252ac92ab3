"""Free text of DICOM files without what identifies the patient.

Names of regions, algorithms and scanners enter the tables, and header values enter the sidecars.
Removed from them are the patient's names and ids, the centre's and staff's names, UIDs, and dates.
"""

from __future__ import annotations

import re
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
# Words that our own sentences use, or that stand where a name was taken out
VOCABULARY = frozenset((
    "ac", "and", "anon", "anonymous", "anonymized", "anonymised", "ct", "for", "got", "gtv",
    "lesion", "liver", "mass", "met", "mr", "nac", "name", "no", "node", "none", "of", "patient",
    "pet", "phantom", "pt", "suv", "test", "the", "to", "tumor", "tumour", "unknown",
))  # fmt: skip
SHORTEST_WITHIN_WORDS = 4


def secrets_of(values: Mapping[str, str]) -> set[str]:
    """Return the texts that identify someone in the identifying attributes of a header.

    Persons' names part by part, those in ideographs also without a blank between the parts;
    everything else as a whole.
    """
    found: set[str] = set()
    for keyword, text in values.items():
        if keyword in PERSONS:
            found.update(part.strip(".'\"()") for part in NAME_PARTS.split(text))
            groups = (group.replace("^", "").strip() for group in re.split(r"[=\\]", text))
            found.update(group for group in groups if not group.isascii())
        else:
            found.update(part.strip() for part in text.split("\\"))
    return {text for text in found if text and _is_secret(text)}


def _is_secret(text: str) -> bool:
    return (len(text) > 1 or not text.isascii()) and text.casefold() not in VOCABULARY


@dataclass(frozen=True)
class Scrubber:
    """Removes what identifies one patient from text.

    Parameters
    ----------
    secrets : frozenset of str
        Of four characters and more (two, where there are others than ASCII) they are removed
        wherever they stand; shorter ones where they are a word of their own, and not a number (an
        id "12" is no secret in "lesion 12").
    dates : bool
        Whether dates stay.
    """

    secrets: frozenset[str]
    dates: bool = False

    def text(self, text: str) -> str:
        """Return text with secrets, UIDs and dates removed."""
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
        anywhere = [
            s for s in self.secrets if len(s) >= (SHORTEST_WITHIN_WORDS if s.isascii() else 2)
        ]
        alone = [s for s in self.secrets - set(anywhere) if not s.isdigit()]
        parts = [re.escape(s) for s in sorted(anywhere, key=lambda s: (-len(s), s))]
        parts += [rf"(?<![^\W_]){re.escape(s)}(?![^\W_])" for s in sorted(alone)]
        return re.compile("|".join(parts), re.IGNORECASE) if parts else None
