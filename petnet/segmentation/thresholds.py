"""Methods that take every voxel from some SUV on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.segmentation.background import Statistic, settled, shell_level
from petnet.segmentation.field import Field
from petnet.segmentation.method import Level, Method, References, at_least, one_of
from petnet.segmentation.peak import SPHERE_RADIUS_MM, PeakKind, suv_peak
from petnet.segmentation.reference import reference_statistics
from petnet.segmentation.start import NotSegmented
from petnet.volume import Volume

__all__ = [
    "BackgroundCorrected",
    "ContrastOriented",
    "FixedThreshold",
    "PercentOfMax",
    "PercentOfPeak",
    "Percist",
]


@dataclass(frozen=True, kw_only=True)
class FixedThreshold(Method):
    """SUV >= `suv`."""

    suv: float

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, "suv", 0.0, above=True)

    def _said(self) -> tuple[str, str]:
        return f"SUV {self.suv:g}", f"suv_{self.suv:g}"

    def _level(self, seen: Field, volume: Volume, references: References) -> Level:
        return Level(float(self.suv), {"SUVmax": seen.suv_max})


@dataclass(frozen=True, kw_only=True)
class PercentOfMax(Method):
    """SUV >= percent / 100 · SUVmax of the start.

    41 % and 50 %: EANM guideline 2.0, doi:10.1007/s00259-014-2961-x.
    """

    percent: float

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, "percent", 0.0, 100.0, above=True)

    def _said(self) -> tuple[str, str]:
        return f"{self.percent:g}% of SUVmax", f"percent_{self.percent:g}"

    def _level(self, seen: Field, volume: Volume, references: References) -> Level:
        basis = {"SUVmax": seen.suv_max}
        return Level(self.percent / 100 * _above_zero(seen.suv_max, "SUVmax"), basis)


@dataclass(frozen=True, kw_only=True)
class PercentOfPeak(Method):
    """SUV >= percent / 100 · SUVpeak of the start (`petnet.segmentation.peak`)."""

    percent: float
    peak: PeakKind = "global"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, "percent", 0.0, 100.0, above=True)
        one_of(self, "peak", get_args(PeakKind))

    def _said(self) -> tuple[str, str]:
        return f"{self.percent:g}% of {_peak_said(self.peak)}", f"percent_peak_{self.percent:g}"

    def _around_mm(self) -> float:
        return SPHERE_RADIUS_MM

    def _level(self, seen: Field, volume: Volume, references: References) -> Level:
        peak = _above_zero(suv_peak(seen, self.peak), "SUVpeak")
        return Level(self.percent / 100 * peak, {"SUVpeak": peak})


@dataclass(frozen=True, kw_only=True)
class _WithBackground(Method):
    """A threshold that depends on the background around the region that it makes.

    The background is that of `shell_level` about the region of the present threshold; the threshold
    that follows from it makes the next region, until it stays the same (`settled`).

    Attributes
    ----------
    shell_mm : (2,) tuple of float
        The background lies further than the first and up to the second distance from the region.
        By default 10 to 20 mm: beyond the blur of the scanner, still in the same tissue.
    statistic : {"median", "mean"}
        A hot organ in the shell does not move the median.
    """

    shell_mm: tuple[float, float] = (10.0, 20.0)
    statistic: Statistic = "median"

    def __post_init__(self) -> None:
        super().__post_init__()
        shell = tuple(self.shell_mm)
        object.__setattr__(self, "shell_mm", shell)
        one_of(self, "statistic", get_args(Statistic))
        if len(shell) != 2 or not 0 <= shell[0] < shell[1] < np.inf:
            expected = "two distances in mm, the second larger"
            raise InputError(type(self).__name__, "shell_mm", expected, f"{list(shell)}")

    def _around_mm(self) -> float:
        return float(max(self.shell_mm[1], SPHERE_RADIUS_MM))

    def _background_said(self) -> str:
        inner, outer = self.shell_mm
        return f"background: {self.statistic} {inner:g} to {outer:g} mm around"

    def _settle(self, seen: Field, high: float, first: float, shares: tuple[float, float]) -> Level:
        """Return threshold = a · high + b · background, the background that of its own region."""
        a, b = shares

        def level(mask: NDArray[np.bool_]) -> float:
            background = shell_level(seen, mask, self.shell_mm, self.statistic)
            if background >= high:
                found = f"{background:.4g}, the lesion at {high:.4g}"
                raise NotSegmented(f"no contrast: the background is at SUV {found}")
            return a * high + b * background

        threshold, note = settled(first, lambda t: self._grown(seen, t), level)
        background = (threshold - a * high) / b
        return Level(threshold, {"background": background}, (note,) if note else ())


@dataclass(frozen=True, kw_only=True)
class BackgroundCorrected(_WithBackground):
    """SUV >= background + percent / 100 · (SUVpeak − background).

    Halfway between background and plateau lies the edge of a blurred object that is large beside
    the blur. Known as A50P at 50 %; the adaptive 50 % of SUVpeak, corrected for local background,
    of Kolinger et al. 2019, doi:10.1186/s13550-019-0481-1. The first region is that of percent /
    100 · SUVpeak.
    """

    percent: float = 50.0
    peak: PeakKind = "global"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, "percent", 0.0, 99.0, above=True)
        one_of(self, "peak", get_args(PeakKind))

    def _said(self) -> tuple[str, str]:
        said = f"{self.percent:g}% between background and {_peak_said(self.peak)}"
        return f"{said} ({self._background_said()})", f"background_{self.percent:g}"

    def _level(self, seen: Field, volume: Volume, references: References) -> Level:
        peak = _above_zero(suv_peak(seen, self.peak), "SUVpeak")
        share = self.percent / 100
        level = self._settle(seen, peak, share * peak, (share, 1 - share))
        return Level(level.threshold, {"SUVpeak": peak, **level.basis}, level.notes)


@dataclass(frozen=True, kw_only=True)
class ContrastOriented(_WithBackground):
    """SUV >= a · mean70 + b · background, mean70 the mean of the region of 70 % of SUVmax.

    a = 0.15, b = 1: Nestle et al. 2005, J Nucl Med 46:1342. Other a and b belong to a scanner and
    its reconstruction: Schaefer et al. 2008, doi:10.1007/s00259-008-0875-1. The first region is
    that of 70 % of SUVmax.
    """

    a: float = 0.15
    b: float = 1.0
    core_percent: float = 70.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, "a", 0.0, above=True)
        at_least(self, "b", 0.0, above=True)
        at_least(self, "core_percent", 0.0, 100.0, above=True)

    def _said(self) -> tuple[str, str]:
        high = f"mean from {self.core_percent:g}% of SUVmax"
        said = f"{self.a:g} × {high} + {self.b:g} × background ({self._background_said()})"
        nestle = (self.a, self.b) == (0.15, 1.0)
        return said, "contrast_nestle" if nestle else f"contrast_{self.a:g}_{self.b:g}"

    def _level(self, seen: Field, volume: Volume, references: References) -> Level:
        first = self.core_percent / 100 * _above_zero(seen.suv_max, "SUVmax")
        high = float(seen.suv[self._grown(seen, first)].mean())
        level = self._settle(seen, high, first, (self.a, self.b))
        name = f"mean{self.core_percent:g}"
        return Level(level.threshold, {name: high, **level.basis}, level.notes)


@dataclass(frozen=True, kw_only=True)
class Percist(Method):
    """SUV >= 1.5 · mean + 2 · SD of the liver, else 2 · mean + 2 · SD of the blood pool.

    The lowest uptake that is measurable by PERCIST 1.0, which asks for SUV by lean body mass: Wahl
    et al. 2009, doi:10.2967/jnumed.108.057307. SD is that of the voxels, with n − 1.

    Attributes
    ----------
    reference : {"auto", "liver", "blood_pool"}
        "auto": the liver, and the blood pool where none is delineated.
    sphere_mm : float or None
        Diameter of the sphere in the liver that is looked at (`reference_statistics`), or None for
        all of the delineated liver. The blood pool is always looked at as it is delineated.
    """

    needs: ClassVar[tuple[str, ...]] = ("liver", "blood_pool")

    reference: Literal["auto", "liver", "blood_pool"] = "auto"
    sphere_mm: float | None = 30.0

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self, "reference", ("auto", "liver", "blood_pool"))
        if self.sphere_mm is not None:
            at_least(self, "sphere_mm", 0.0, above=True)

    def _said(self) -> tuple[str, str]:
        whole = "" if self.sphere_mm is None else f" in a sphere of {self.sphere_mm:g} mm"
        liver, blood = f"1.5 × liver mean + 2 SD{whole}", "2 × blood pool mean + 2 SD"
        said = {"auto": f"{liver}, else {blood}", "liver": liver, "blood_pool": blood}
        key = "percist_blood_pool" if self.reference == "blood_pool" else "percist_liver"
        key += "_only" if self.reference == "liver" else ""
        return f"PERCIST: {said[self.reference]}", key

    def _level(self, seen: Field, volume: Volume, references: References) -> Level:
        wanted = ("liver", "blood_pool") if self.reference == "auto" else (self.reference,)
        name = next((n for n in wanted if n in references), None)
        if name is None:
            text = " or ".join(n.replace("_", " ") for n in wanted)
            raise NotSegmented(f"no {text} is delineated as a reference region")
        liver = name == "liver"
        of = reference_statistics(volume, references[name], self.sphere_mm if liver else None)
        notes = [*of.notes]
        if volume.unit != "SUVlbm":
            notes.append(f"PERCIST asks for SUVlbm, the image is in {volume.unit}")
        basis = {f"{name} mean": of.mean, f"{name} SD": of.sd}
        return Level((1.5 if liver else 2.0) * of.mean + 2 * of.sd, basis, tuple(notes))


def _peak_said(kind: PeakKind) -> str:
    return "SUVpeak" if kind == "global" else "local SUVpeak"


def _above_zero(value: float, what: str) -> float:
    if not value > 0:
        raise NotSegmented(f"{what} of the start is {value:.4g}: a share of it is no threshold")
    return value
