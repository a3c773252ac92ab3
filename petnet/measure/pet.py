"""PET images as they are read: with the kind of SUV that stands beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from petnet.errors import InputError, PetnetError
from petnet.ingest.quality import implausible_suv
from petnet.ingest.quality.acquisition_facts import read_sidecar, stated_unit
from petnet.volume import Unit, Volume, read_volume

__all__ = ["common_suv_unit", "read_pet", "suv_unit"]


def read_pet(path: Path, tracer: str | None = None) -> Volume:
    """Read a PET in the kind of SUV that its sidecar states.

    Raises
    ------
    PetnetError
        As `read_volume` and `suv_unit`, or the values cannot be SUV.
    """
    pet = read_volume(path, suv_unit(path), "PT", tracer)
    fault = implausible_suv(pet)
    if fault:
        raise PetnetError(f"{path}: {fault}")
    return pet


def suv_unit(pet: Path) -> Unit:
    """Return the kind of SUV that stands beside a PET; SUVbw where nothing does.

    Raises
    ------
    InputError
        It is none that petnet knows.
    """
    stated = stated_unit(read_sidecar(pet))
    for unit in get_args(Unit):
        if stated == unit and stated.startswith("SUV"):
            known: Unit = unit
            return known
    raise InputError(str(pet), "unit in the sidecar", "a kind of SUV", repr(stated))


def common_suv_unit(pets: Iterable[Path | None]) -> Unit:
    """Return the kind of SUV of several PETs, whose values are to stand in one column.

    Parameters
    ----------
    pets : iterable of Path or None
        None, and what is no file, count for nothing.

    Raises
    ------
    InputError
        There are several kinds, or one is none that petnet knows.
    """
    found: dict[Unit, int] = {}
    for path in {path for path in pets if path is not None and path.is_file()}:
        unit = suv_unit(path)
        found[unit] = found.get(unit, 0) + 1
    if len(found) > 1:
        said = ", ".join(f"{unit} in {count}" for unit, count in sorted(found.items()))
        remedy = "Convert them anew with one kind, or choose among the studies"
        raise InputError("cohort", "pet", "one kind of SUV in all images", said, remedy)
    return next(iter(found), "SUVbw")
