"""What cannot be used: a series, file or region, with the DICOM attribute at fault."""

from __future__ import annotations

from petnet.errors import InputError

__all__ = ["Refused", "tag_name"]


class Refused(InputError):
    """A series, file or region that is left out; it becomes a row of excluded.csv.

    The text holds no path, name or UID: it is written where pseudonyms stand.

    Parameters
    ----------
    tag : str
        The attribute at fault, "PatientWeight (0010,1030)" (see `tag_name`); or what else is wrong,
        in one or two words: "slices", "voxel data", "contours".
    expected, found : str
    remedy : str, optional
    """

    def __init__(self, tag: str, expected: str, found: str, remedy: str | None = None) -> None:
        self.tag = tag
        super().__init__("the series", tag, expected, found, remedy)

    @property
    def reason(self) -> str:
        """Expected and found, without naming the tag again."""
        text = f"expected {self.expected}, but got {self.found}"
        return " ".join((f"{text}. {self.remedy}" if self.remedy else text).split())

    def __reduce__(self) -> tuple[type[Refused], tuple[str | None, ...]]:
        """Survive the trip between worker processes."""
        return type(self), (self.tag, self.expected, self.found, self.remedy)


def tag_name(keyword: str) -> str:
    """Return keyword and tag of a standard attribute: "PatientWeight (0010,1030)"."""
    from pydicom.datadict import tag_for_keyword

    number = tag_for_keyword(keyword)
    if number is None:
        raise KeyError(keyword)
    return f"{keyword} ({number >> 16:04X},{number & 0xFFFF:04X})"
