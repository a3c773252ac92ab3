"""From the stored values of a PET series to SUV, by the header's own rules.

SUV = c B / (D f): concentration c (Bq/ml), body size B (g; for SUVbsa cm^2), injected dose D (Bq)
and the share f of it that is left at the moment to which c is corrected. What is stored is c (BQML;
CNTS of Philips by a factor), or SUV of one kind (GML, CM2ML; CNTS of Philips by another factor),
which becomes another kind by the ratio of their B.

Reference: Vacha et al., Comprehensive Manual for SUV Computation and Digital Reference Objects for
its Verification (github.com/oncoray/suv_computation); DICOM PS3.3 C.8.9.1; QIBA FDG-PET/CT profile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from petnet.errors import InputError
from petnet.ingest.refusal import Refused
from petnet.ingest.suv.body_size import Norm, norm_of
from petnet.ingest.suv.decay import DISAGREEMENT, check_unneeded, decay_of, deviation
from petnet.ingest.suv.injection import dose_bq
from petnet.ingest.suv.moments import relative_dates
from petnet.ingest.suv.pet_header import Attribute, PetHeader
from petnet.ingest.suv.tracers import UNKNOWN, tracer_by_code, tracer_in
from petnet.ingest.suv.values import Ledger, number, quoted, required

__all__ = ["Candidate", "SuvKind", "SuvOptions", "SuvScale", "suv_scale"]

SuvKind = Literal["SUVbw", "SUVlbm", "SUVbsa", "SUVibw"]
LeanBodyMass = Literal["janmahasatian", "james120", "james128"]

# SUVType (0054,1006) of Units GML; empty is BW (PS3.3 C.8.9.1.1)
STORED_NORMS: dict[str, Norm] = {
    "": "bw",
    "BW": "bw",
    "LBM": "james120",
    "LBMJAMES128": "james128",
    "LBMJANMA": "janmahasatian",
    "IBW": "ibw",
}
ASKED_NORMS: dict[str, Norm] = {"SUVbw": "bw", "SUVbsa": "bsa", "SUVibw": "ibw"}
LARGEST_PRIVATE = 1e9  # of Philips' factors; real ones lie within a few powers of ten of 1
# Units (0054,1001) that are known and cannot become SUV, and why
UNUSABLE = {
    "CPS": "counts per second, whose calibration to Bq/ml the header does not say",
    "PROPCNTS": "proportional to counts, by a factor that the header does not say",
    "PROPCPS": "proportional to counts per second, by a factor that the header does not say",
    "1CM": "attenuation coefficients, not activity",
}


@dataclass(frozen=True, slots=True)
class SuvOptions:
    """Which SUV is asked for.

    Parameters
    ----------
    kind : {"SUVbw", "SUVlbm", "SUVbsa", "SUVibw"}
        By body weight, lean body mass, body surface (cm^2/ml) or ideal body weight.
    lean_body_mass : {"janmahasatian", "james120", "james128"}
        Formula for SUVlbm.

    Raises
    ------
    InputError
        Another term.
    """

    kind: SuvKind = "SUVbw"
    lean_body_mass: LeanBodyMass = "janmahasatian"

    def __post_init__(self) -> None:
        for field, term, terms in (
            ("suv", self.kind, get_args(SuvKind)),
            ("lean_body_mass", self.lean_body_mass, get_args(LeanBodyMass)),
        ):
            if term not in terms:
                raise InputError("settings", field, f"one of {', '.join(terms)}", repr(term))

    @property
    def norm(self) -> Norm:
        """What the concentration is normalised by."""
        return self.lean_body_mass if self.kind == "SUVlbm" else ASKED_NORMS[self.kind]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One valid way to the moment of decay correction, and the factors that it gives per slice."""

    rule: str
    factors: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SuvScale:
    """How the values of a PET series become SUV.

    Attributes
    ----------
    unit : str
        "SUVbw", ...
    factors : tuple of float
        One per slice; multiplies the rescaled value (RescaleSlope already applied).
    rule : str
        "BQML, START: from the series time".
    used : dict of str to str
        Every header value that was used or checked: attribute's name and tag, and its text; what
        differs between slices with all its values.
    candidates : tuple of Candidate
        Every valid way to the moment of decay correction; the first is used.
    warnings : tuple of str
        Free of dates, names and UIDs.
    """

    unit: SuvKind
    factors: tuple[float, ...]
    rule: str
    used: dict[str, str]
    candidates: tuple[Candidate, ...]
    warnings: tuple[str, ...]

    def record(self, dates: bool = False) -> dict[str, Any]:
        """Return the sidecar, of JSON types.

        Parameters
        ----------
        dates : bool
            Whether dates stay as they are; else each is the number of days since the earliest.
        """
        return {
            "unit": self.unit,
            "rule": self.rule,
            "factor": _short(self.factors),
            "header": dict(self.used) if dates else relative_dates(self.used),
            "candidates": [
                {"rule": one.rule, "factor": _short(one.factors)} for one in self.candidates
            ],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the rescaled values are, times `factor`: SUV of a kind, or (None) a concentration."""

    rule: str
    norm: Norm | None
    factor: float = 1.0


def suv_scale(header: PetHeader, options: SuvOptions) -> SuvScale:
    """Return the factors that make SUV of a PET series' rescaled values.

    Parameters
    ----------
    header : PetHeader
    options : SuvOptions

    Returns
    -------
    SuvScale

    Raises
    ------
    Refused
        Names the attribute that is missing, malformed, implausible or contradicted by another;
        only what the rule at hand needs is asked for.
    """
    ledger = Ledger()
    _check_frames(header, ledger)
    _check_corrections(header, ledger)
    stored = _stored(header, ledger)
    _check_tracer(header, ledger)
    if stored.norm is None:
        scale = _of_concentration(header, options, stored, ledger)
    else:
        scale = _of_suv(header, options, stored, ledger)
    for factor in scale.factors:
        if not (math.isfinite(factor) and factor > 0):
            raise Refused(header.units.tag, "a finite factor to SUV", f"{factor:g}")
    return scale


def _of_concentration(
    header: PetHeader, options: SuvOptions, stored: _Stored, ledger: Ledger
) -> SuvScale:
    decay = decay_of(header, ledger)
    size = norm_of(header, options.norm, ledger)
    per_dose = stored.factor * size / dose_bq(header, ledger)
    return SuvScale(
        unit=options.kind,
        factors=_factors(per_dose, decay.left),
        rule=f"{stored.rule}, {decay.rule}",
        used=ledger.used,
        candidates=tuple(Candidate(n, _factors(per_dose, x)) for n, x in decay.candidates),
        warnings=tuple(ledger.warnings),
    )


def _factors(per_dose: float, left: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(per_dose / share for share in left)


def _of_suv(header: PetHeader, options: SuvOptions, stored: _Stored, ledger: Ledger) -> SuvScale:
    factor, rule = stored.factor, stored.rule
    if stored.norm is not None and stored.norm != options.norm:
        asked, had = (norm_of(header, norm, ledger) for norm in (options.norm, stored.norm))
        factor *= asked / had
        rule += f", by {options.norm} instead of {stored.norm}"
    check_unneeded(header, ledger)
    _check_philips(header, options, factor, ledger)
    n = len(header.frames)
    return SuvScale(options.kind, (factor,) * n, rule, ledger.used, (), tuple(ledger.warnings))


def _check_frames(header: PetHeader, ledger: Ledger) -> None:
    """Refuse slopes that are missing or not above zero, and intercepts other than zero."""
    if not header.frames:
        raise Refused("slices", "at least one", "none")
    for frame in header.frames:
        required(frame.slope, "a slope above zero", Ledger())
        if number(frame.intercept, "0, as in all PET"):
            raise Refused(
                frame.intercept.tag, "0, as in all PET", quoted(frame.intercept.text or "")
            )
    slopes = [frame.slope.text or "" for frame in header.frames]
    text = slopes[0] if len(set(slopes)) == 1 else "\\".join(slopes)
    ledger.use(Attribute(header.frames[0].slope.tag, text), header.frames[0].intercept)


def _check_corrections(header: PetHeader, ledger: Ledger) -> None:
    """Refuse what is not corrected for attenuation, and thus no concentration."""
    attribute = header.corrected_image
    if attribute.text is None:
        ledger.warn(f"{attribute.tag} is missing: whether attenuation was corrected is not said")
        return
    if "ATTN" not in attribute.text.upper().split("\\"):
        raise Refused(attribute.tag, "values corrected for attenuation (ATTN)", "none of that")
    ledger.use(attribute)


def _stored(header: PetHeader, ledger: Ledger) -> _Stored:
    """Return what the values are, by Units (0054,1001)."""
    units = (header.units.text or "").upper()
    ledger.use(header.units)
    if units == "BQML":
        return _Stored("BQML", None)
    if units == "GML":
        return _gml(header, ledger)
    if units == "CM2ML":
        if (header.suv_type.text or "BSA").upper() != "BSA":
            raise Refused(header.suv_type.tag, "BSA, as Units is CM2ML", "another term")
        return _Stored("CM2ML", "bsa")
    if units == "CNTS":
        return _counts(header, ledger)
    known = f"{units}: {UNUSABLE[units]}" if units in UNUSABLE else "another term"
    raise Refused(header.units.tag, "BQML, GML, CM2ML or CNTS", known if units else "none")


def _gml(header: PetHeader, ledger: Ledger) -> _Stored:
    suv_type = (header.suv_type.text or "").upper()
    if suv_type not in STORED_NORMS:
        expected = f"{', '.join(term for term in STORED_NORMS if term)} or none"
        raise Refused(header.suv_type.tag, expected, "another term")
    ledger.use(header.suv_type)
    return _Stored(f"GML, SUVType {suv_type or 'empty: BW'}", STORED_NORMS[suv_type])


def _counts(header: PetHeader, ledger: Ledger) -> _Stored:
    """Return what counts of Philips become by its private factors; zero is as good as none."""
    suv = _private_factor(header.philips_suv)
    activity = _private_factor(header.philips_activity)
    if suv:
        ledger.use(header.philips_suv)
        return _Stored(f"CNTS by {header.philips_suv.tag}", "bw", suv)
    if activity:
        ledger.use(header.philips_activity)
        return _Stored(f"CNTS by {header.philips_activity.tag}", None, activity)
    tags = f"{header.philips_suv.tag} or {header.philips_activity.tag}"
    raise Refused(tags, "a factor above zero, as Units is CNTS", "none")


def _private_factor(attribute: Attribute) -> float | None:
    expected = f"a factor from 0 to {LARGEST_PRIVATE:g}"
    factor = number(attribute, expected)
    if factor is not None and not 0 <= factor <= LARGEST_PRIVATE:
        raise Refused(attribute.tag, expected, f"{factor:g}")
    return factor


def _check_philips(header: PetHeader, options: SuvOptions, factor: float, ledger: Ledger) -> None:
    """Warn where Philips' two factors lead to SUV that differ by more than 1 %."""
    units = (header.units.text or "").upper()
    if units != "CNTS" or not number(header.philips_activity, "a factor from zero"):
        return
    stored = _Stored("CNTS", None, float(header.philips_activity.text or 0))
    try:
        other = _of_concentration(header, options, stored, Ledger())
    except Refused:  # the SUV factor needs none of what the other one lacks
        return
    if any(deviation(one / factor) > DISAGREEMENT for one in other.factors):
        ledger.warn(f"SUV by {header.philips_activity.tag} would differ by more than 1 %")


def _check_tracer(header: PetHeader, ledger: Ledger) -> None:
    named, coded = tracer_in(header.tracer.text), tracer_by_code(header.tracer_code.text)
    if UNKNOWN not in (named, coded) and named != coded:
        ledger.warn(
            f"{header.tracer.tag} names {named.name}, {header.tracer_code.tag} {coded.name}: the"
            " name was taken"
        )


def _short(factors: tuple[float, ...]) -> float | list[float]:
    """Return one number where all are equal."""
    return factors[0] if len(set(factors)) == 1 else list(factors)
