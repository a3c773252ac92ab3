"""What a region is, by its name: role and place, or left out; and names that tables can hold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from petnet.errors import InputError
from petnet.ingest.records import Region

__all__ = [
    "RegionRule",
    "RegionRules",
    "Role",
    "distinct_names",
    "natural_key",
    "number_lesions",
    "safe_name",
]

Role = Literal["primary", "node", "deposit", "reference"]
NAME_LENGTH = 64  # characters of a name in tables, as DICOM's long strings


@dataclass(frozen=True, slots=True)
class RegionRule:
    """What the regions are whose name fits a pattern.

    Parameters
    ----------
    pattern : str
        `*`, `?` and `[...]` as in file names (`fnmatch`), `|` between alternatives. Case does not
        matter, nor does how much white space there is; the whole name must fit.
    role : {"primary", "node", "deposit", "reference"} or None
        None leaves the region out.
    region : str, optional
        Place in the body, "liver"; a reference needs it.

    Raises
    ------
    InputError
        Another role, an empty alternative, a reference without a place, a place with "/".
    """

    pattern: str
    role: Role | None
    region: str | None = None

    def __post_init__(self) -> None:
        check_rule(self.pattern, self.role, self.region, "regions.rules")

    def fits(self, name: str) -> bool:
        """Tell whether a region's name fits one of the alternatives."""
        return self._fitting(name) is not None

    def reason(self, name: str) -> str:
        """Why a region of a name that fits is left out, where `role` is None."""
        fitting = self._fitting(name)
        found = "no rule" if fitting in (None, "*") else repr(fitting)
        return f"expected a name that the rules take, but got one that fits {found}"

    def _fitting(self, name: str) -> str | None:
        """Return the first alternative that fits."""
        plain = _plain(name)
        parts = (part.strip() for part in self.pattern.split("|"))
        return next((part for part in parts if fnmatchcase(plain, _plain(part))), None)


@dataclass(frozen=True, slots=True)
class RegionRules:
    """Rules of which the first that fits a name holds.

    Parameters
    ----------
    rules : tuple of RegionRule
    otherwise : {"primary", "node", "deposit", "reference"} or None
        Role of what fits no rule; None leaves it out.
    """

    rules: tuple[RegionRule, ...]
    otherwise: Role | None

    def __post_init__(self) -> None:
        if self.otherwise == "reference":
            expected = "a role of lesions, or null"
            raise InputError("regions.otherwise", "role", expected, "'reference'")
        check_rule("*", self.otherwise, None, "regions.otherwise")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> RegionRules:
        """Build the rules from the group `configs/regions`.

        Parameters
        ----------
        config : mapping
            `rules`, a list of {pattern, role, region}, and `otherwise`.

        Raises
        ------
        InputError
            Names the setting that is at fault, "regions.rules[2]".
        """
        _check_keys(config, "regions", ("rules", "otherwise"), ())
        rules = config["rules"]
        if isinstance(rules, str) or not isinstance(rules, Sequence):
            raise InputError("regions.rules", "value", "a list of rules", repr(rules))
        return cls(tuple(_rule(entry, k) for k, entry in enumerate(rules)), config["otherwise"])

    def rule(self, name: str) -> RegionRule:
        """Return the first rule that fits; that of `otherwise` has the pattern "*"."""
        for rule in self.rules:
            if rule.fits(name):
                return rule
        return RegionRule("*", self.otherwise)

    def takes(self, name: str) -> bool:
        """Tell whether a region of this name is used."""
        return self.rule(name).role is not None


def check_rule(pattern: Any, role: Any, region: Any, setting: str) -> None:
    """Refuse a pattern, role or place that no rule can have, naming the setting."""
    if not isinstance(pattern, str) or not all(part.strip() for part in pattern.split("|")):
        raise InputError(setting, "pattern", "text, with text between each |", repr(pattern))
    if role is not None and role not in get_args(Role):
        raise InputError(setting, "role", f"one of {get_args(Role)} or null", repr(role))
    if region is not None and (not isinstance(region, str) or not region or "/" in region):
        raise InputError(setting, "region", "a name without '/', or null", repr(region))
    if role == "reference" and region is None:
        raise InputError(setting, "region", "the place of the reference, such as liver", "nothing")


def _rule(entry: Any, number: int) -> RegionRule:
    setting = f"regions.rules[{number}]"
    _check_keys(entry, setting, ("pattern", "role"), ("region",))
    pattern, role, region = entry["pattern"], entry["role"], entry.get("region")
    check_rule(pattern, role, region, setting)
    return RegionRule(pattern, role, region)


def _check_keys(
    entry: Any, setting: str, needed: tuple[str, ...], optional: tuple[str, ...]
) -> None:
    if not isinstance(entry, Mapping):
        raise InputError(setting, "value", f"a mapping with {', '.join(needed)}", repr(entry))
    for key in needed:
        if key not in entry:
            raise InputError(setting, "keys", key, ", ".join(map(str, entry)) or "none")
    for key in entry:
        if key not in (*needed, *optional):
            raise InputError(setting, "keys", " or ".join((*needed, *optional)), str(key))


def _plain(name: str) -> str:
    """Return what names are compared by: case and white space do not matter."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts names as people do: "lesion 2" before "lesion 10".

    Case does not matter; of names that differ in it alone the order is settled by the name itself.
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", _plain(name))
    key = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
    return (*key, (-1, 0, name))  # what ends here is before what goes on


def number_lesions(
    patient: str, names: Iterable[str], known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Name each of a patient's lesions, the same in all studies: "P0001-L01".

    Lesions of the same name (case and white space do not matter) are the same lesion, in whichever
    study, file or grid. Numbers follow the natural order of names, so they do not depend on the
    order in which files are found.

    Parameters
    ----------
    patient : str
        The id that stands in the tables.
    names : iterable of str
        Names of the lesions in all of the patient's studies, each as often as it comes.
    known : mapping of str to str, optional
        Names that have their number already, as this function returned it: they keep it, and new
        names go on after the largest.

    Returns
    -------
    dict of str to str
        `lesion_uid` of each name as given.
    """
    known = known or {}
    numbers = {_plain(name): _lesion_number(uid) for name, uid in known.items()}
    following = max(numbers.values(), default=0) + 1
    names = sorted(set(names), key=natural_key)
    for plain in dict.fromkeys(map(_plain, names)):
        if plain not in numbers:
            numbers[plain], following = following, following + 1
    return {name: f"{patient}-L{numbers[_plain(name)]:02d}" for name in names}


def _lesion_number(uid: str) -> int:
    found = re.search(r"-L([0-9]+)$", uid)
    if not found:
        raise InputError("lesion numbers", "lesion_uid", "an id such as P0001-L01", repr(uid))
    return int(found.group(1))


def distinct_names(regions: Sequence[Region]) -> tuple[Region, ...]:
    """Give regions of one file that share a name names of their own: "GTV", "GTV (2)".

    The first in the order of numbers keeps the name; the order of `regions` stays. A renamed region
    has a note that says so.
    """
    taken: set[str] = {_plain(region.name) for region in regions}
    first: set[str] = set()
    named: dict[int, Region] = {}
    for k in sorted(range(len(regions)), key=lambda k: (regions[k].number, k)):
        region = regions[k]
        if _plain(region.name) in first:
            name = _following(region.name, taken)
            note = f"several regions have the name {region.name!r}: number {region.number} is"
            named[k] = replace(region, name=name, notes=(*region.notes, f"{note} {name!r}"))
        else:
            named[k] = region
        first.add(_plain(region.name))
        taken.add(_plain(named[k].name))
    return tuple(named[k] for k in range(len(regions)))


def _following(name: str, taken: set[str]) -> str:
    number = 2
    while _plain(f"{name} ({number})") in taken:
        number += 1
    return f"{name} ({number})"


def safe_name(name: str, taken: Collection[str] = (), default: str = "region") -> str:
    """Return a name that ids in tables and parts of file names can be.

    Letters and digits of any script, ".", "-" and "_" stay; each run of others is one "_". None of
    ". - _" stands at an end, so that no spreadsheet takes it for a formula, and no shell for an
    option or a hidden file. At most 64 characters.

    Parameters
    ----------
    name : str
    taken : collection of str, optional
        Names that are used already; a number sets the new one apart, whatever the case.
    default : str
        What a name without a letter or digit becomes.
    """
    words = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name))
    plain = words[:NAME_LENGTH].strip("._-") or default
    used = {other.casefold() for other in taken}
    made, number = plain, 2
    while made.casefold() in used:
        end = f"_{number}"
        made, number = plain[: NAME_LENGTH - len(end)] + end, number + 1
    return made
