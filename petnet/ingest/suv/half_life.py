"""The half-life of a series' nuclide, checked against all that the header says of it."""

from __future__ import annotations

from petnet.ingest.refusal import Refused
from petnet.ingest.suv.nuclides import BY_NAME, nuclide_by_code, nuclides_fitting, nuclides_in
from petnet.ingest.suv.pet_header import PetHeader
from petnet.ingest.suv.tracers import nuclides_of
from petnet.ingest.suv.values import Ledger, number

__all__ = ["half_life_s", "nuclide_of"]

EXPECTED = "a half-life in s"


def half_life_s(header: PetHeader, ledger: Ledger) -> float:
    """Return the half-life of the header, or that of the coded nuclide where it has none (or zero).

    Code, its meaning, the tracer (its name may name a nuclide; else those with which it can be
    labelled) and RadionuclideHalfLife must have a nuclide in common, half-lives to within 2 %.

    Raises
    ------
    Refused
        They have none; or there is neither half-life nor nuclide.
    """
    written = number(header.half_life, EXPECTED)
    ledger.use(header.half_life)
    named = _named(header, ledger)
    if not written:
        return _coded(header, named, ledger)
    fitting = nuclides_fitting(written)
    if not fitting & named if named else not fitting:
        whose = " or ".join(f"{name} ({BY_NAME[name].half_life_s:.6g} s)" for name in sorted(named))
        raise Refused(
            header.half_life.tag,
            f"the half-life of {whose or 'a known positron emitter'}",
            f"{written:.6g} s",
        )
    return written


def nuclide_of(header: PetHeader) -> str | None:
    """Return the one nuclide that the header can mean; None where it says none, or several."""
    try:
        seconds = half_life_s(header, Ledger())
        named = _named(header, Ledger()) or nuclides_fitting(seconds)
    except Refused:
        return None
    fitting = named & nuclides_fitting(seconds)
    return next(iter(fitting)) if len(fitting) == 1 else None


def _named(header: PetHeader, ledger: Ledger) -> frozenset[str]:
    """Return the nuclides on which code, meaning and tracer agree; empty where none says one."""
    coded = nuclide_by_code(header.nuclide.text)
    says = (
        (header.nuclide, frozenset([coded.name]) if coded else frozenset()),
        (header.nuclide_meaning, nuclides_in(header.nuclide_meaning.text)),
        (header.tracer, nuclides_of(header)),
    )
    agreed: frozenset[str] = frozenset()
    for attribute, nuclides in says:
        if not nuclides:
            continue
        if agreed and not agreed & nuclides:
            raise Refused(
                attribute.tag,
                f"what fits {' or '.join(sorted(agreed))}, as the code of the nuclide says",
                f"what means {' or '.join(sorted(nuclides))}",
            )
        agreed = agreed & nuclides if agreed else nuclides
        ledger.use(attribute)
    return agreed


def _coded(header: PetHeader, named: frozenset[str], ledger: Ledger) -> float:
    """Return the half-life of the nuclide that the header's code, or its meaning, says."""
    coded = nuclide_by_code(header.nuclide.text)
    said = frozenset([coded.name]) if coded else nuclides_in(header.nuclide_meaning.text)
    if len(said) != 1:
        expected = f"{EXPECTED}, or a known code of the nuclide"
        raise Refused(header.half_life.tag, expected, "none")
    nuclide = BY_NAME[next(iter(said & named))]
    ledger.warn(
        f"{header.half_life.tag} is missing: that of {nuclide.name} was taken,"
        f" {nuclide.half_life_s:.6g} s"
    )
    return nuclide.half_life_s
