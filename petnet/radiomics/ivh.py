"""Intensity-volume histogram features (IBSI P88C), discretised in their own way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.catalogue import features_of

__all__ = ["IvhDiscretisation", "ivh_features"]

IvhDiscretisation = Literal["none", "fixed_bin_size", "fixed_bin_number"]
NAN = float("nan")
MAX_LEVELS = 10_000_000
TIE = 1e-9  # of an intensity fraction, so that rounding does not decide whether it is 10 %


@dataclass(frozen=True, eq=False)
class _Histogram:
    """Voxels per discretised intensity.

    Attributes
    ----------
    intensities : (L,) float64
        Ascending, absent ones of the range included.
    counts : (L,) int64
    first, last : float
        The total range G of the manual: intensity fractions run from 0 to 1 between them.
    beyond : float
        The intensity above all, which no voxel reaches.
    """

    intensities: NDArray[np.float64]
    counts: NDArray[np.int64]
    first: float
    last: float
    beyond: float


def ivh_features(
    values: NDArray[np.float64],
    discretisation: IvhDiscretisation = "none",
    *,
    bin_width: float | None = None,
    bins: int = 1000,
    step: float | None = None,
    range_: tuple[float, float] | None = None,
    what: str = "ivh",
) -> dict[str, float]:
    """Compute the 7 features of the intensity-volume histogram of a region.

    Parameters
    ----------
    values : (N,) float64
        Intensities of the voxels of the intensity mask, N >= 0; finite.
    discretisation : {"none", "fixed_bin_size", "fixed_bin_number"}
        IBSI has a rule per kind of intensity. "none" with `step=1`: discrete calibrated units (HU).
        "fixed_bin_size": continuous calibrated units (SUV, 0.1 is recommended); bins begin at the
        lower end of the range and stand for their centres. "fixed_bin_number": arbitrary units, as
        a filter gives them; intensities are the numbers of the bins. "none" without a step is
        outside the manual: each value that occurs is an intensity of its own, as is exact for PET
        without binning.
    bin_width : float
        Of a fixed bin size, in the unit of `values`.
    bins : int
        Of a fixed bin number; 1000 is recommended.
    step : float, optional
        Between the intensities of "none".
    range_ : two floats, optional
        The re-segmentation range; an end that is infinite, or no range at all, is taken from the
        values. A fixed bin number always takes the values'.
    what : str
        Name of the region in messages.

    Returns
    -------
    dict of str to float
        Volume and intensity fractions as fractions, intensities in the unit of `values` or in bins.
        Undefined is NaN: everything for N = 0; volume fractions where the range has no width.

    Raises
    ------
    InputError
        A fixed bin size without a positive bin width, a step that is not positive, or more than ten
        million intensities.

    Notes
    -----
    With ν(i) the fraction of voxels of at least intensity i, and γ(i) the place of i in the range:
    volume at intensity fraction x is the greatest ν(i) with γ(i) >= x; intensity at volume fraction
    x is the least i with ν(i) <= x, and where even the highest intensity fills more than that, the
    next one above it (without a step: that intensity itself). The area under the curve is that of
    ν over γ by the trapezoidal rule, and 0 for one intensity.
    Source: doi:10.1148/radiol.2020191145.
    """
    if values.shape[0] == 0:
        return {feature.name: NAN for feature in features_of("ivh")}
    if discretisation == "fixed_bin_number":
        return _features(_binned_by_number(values, bins))
    low, high = _ends(values, range_)
    if discretisation == "fixed_bin_size":
        width = _positive(what, "bin_width", bin_width)
        histogram = _stepped(what, values, low, high, width, width / 2)
    elif step is not None:
        histogram = _stepped(what, values, low, high, _positive(what, "step", step), 0.0)
    else:
        found, counts = np.unique(values, return_counts=True)
        histogram = _Histogram(found, counts, low, high, float(found[-1]))
    return _features(histogram)


def _positive(what: str, name: str, value: float | None) -> float:
    if value is None or not 0 < value < math.inf:
        raise InputError(what, f"ivh {name}", "a positive number", str(value))
    return float(value)


def _ends(values: NDArray[np.float64], range_: tuple[float, float] | None) -> tuple[float, float]:
    low, high = range_ or (-math.inf, math.inf)
    return (
        float(low) if math.isfinite(low) else float(values.min()),
        float(high) if math.isfinite(high) else float(values.max()),
    )


def _stepped(
    what: str, values: NDArray[np.float64], low: float, high: float, step: float, shift: float
) -> _Histogram:
    """Lay intensities low + k · step + shift over the range, whose ends both move inwards."""
    top = max(high, float(values.max()))
    if (top - low) / step > MAX_LEVELS:
        expected = f"at most {MAX_LEVELS} steps from {low:g} to {top:g}"
        raise InputError(what, "ivh width of a bin", expected, f"{step:g}")
    first, last = low + shift, high - shift
    n_levels = max(
        math.floor((last - first) / step + TIE) + 1,  # of the range
        math.floor((top - low) / step) + 1,  # occupied
    )
    intensities = first + step * np.arange(n_levels, dtype=np.float64)
    counts = _counts(values, low, 1.0, step, n_levels)
    return _Histogram(intensities, counts, first, last, first + step * n_levels)


def _binned_by_number(values: NDArray[np.float64], bins: int) -> _Histogram:
    """Number the bins 1..bins between least and greatest value; equal values have one bin."""
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return _Histogram(np.ones(1), np.array([values.size]), 1.0, 1.0, 2.0)
    counts = _counts(values, low, float(bins), high - low, bins)
    return _Histogram(np.arange(1.0, bins + 1), counts, 1.0, float(bins), bins + 1.0)


def _counts(
    values: NDArray[np.float64], low: float, factor: float, width: float, n_levels: int
) -> NDArray[np.int64]:
    """Count values per bin floor(factor · (x - low) / width), the ends taking what is beyond."""
    from petnet.radiomics.kernels.intensities import count_levels

    counts = np.zeros(n_levels, dtype=np.int64)
    count_levels(np.ascontiguousarray(values, dtype=np.float64), low, factor, width, counts)
    return counts


def _features(histogram: _Histogram) -> dict[str, float]:
    total = int(histogram.counts.sum())
    at_least = total - np.cumsum(histogram.counts) + histogram.counts
    extent = histogram.last - histogram.first
    gamma = (histogram.intensities - histogram.first) / (extent if extent > 0 else NAN)

    def volume(percent: int) -> float:
        if not extent > 0:
            return NAN
        # ν falls with γ, so that the first that reaches it is the greatest
        reaching = np.flatnonzero(gamma >= percent / 100 - TIE)
        return int(at_least[reaching[0]]) / total if reaching.size else 0.0

    def intensity(percent: int) -> float:
        few = np.flatnonzero(at_least * 100 <= total * percent)
        return float(histogram.intensities[few[0]]) if few.size else histogram.beyond

    v10, v90, i10, i90 = volume(10), volume(90), intensity(10), intensity(90)
    one = np.count_nonzero(histogram.counts) == 1
    return {
        "volume_at_intensity_fraction_10": v10,
        "volume_at_intensity_fraction_90": v90,
        "intensity_at_volume_fraction_10": i10,
        "intensity_at_volume_fraction_90": i90,
        "volume_fraction_difference_between_intensity_fractions": v10 - v90,
        "intensity_fraction_difference_between_volume_fractions": i10 - i90,
        "area_under_the_ivh_curve": 0.0 if one else float(np.trapezoid(at_least / total, gamma)),
    }
