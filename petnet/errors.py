"""Errors that a user can mend: one message that names file, field, expected and found."""

from __future__ import annotations

__all__ = ["InputError", "PetnetError"]


class PetnetError(Exception):
    """A mistake that the user can mend; the command line prints it without a traceback."""


class InputError(PetnetError):
    """Something read from outside is not what was expected.

    Parameters
    ----------
    source : str
        File, table or setting at fault; or the file that cannot be written.
    field : str
        What in it: a column, a row, a header entry.
    expected, found : str
        What should be there and what is.
    remedy : str, optional
        What to do about it.
    """

    def __init__(
        self, source: str, field: str, expected: str, found: str, remedy: str | None = None
    ) -> None:
        self.source, self.field, self.expected, self.found = source, field, expected, found
        self.remedy = remedy
        text = f"{source}: {field}: expected {expected}, but got {found}"
        text = f"{text}. {remedy}" if remedy else text
        super().__init__(" ".join(text.split()))  # libraries' own words may run over lines

    def __reduce__(self) -> tuple[type[InputError], tuple[str | None, ...]]:
        """Survive the trip between worker processes."""
        return type(self), (self.source, self.field, self.expected, self.found, self.remedy)
