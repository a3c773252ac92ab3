"""An estimate with its interval; intervals of a proportion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.errors import InputError
from petnet.stats._checks import level_of

__all__ = [
    "CONDITIONAL",
    "REFITTED",
    "Estimate",
    "Scale",
    "clopper_pearson",
    "transformed_interval",
    "wilson",
    "wilson_bounds",
]

Scale = Literal["logit", "wald"]
# what the `method` of an estimate says of the models behind the scores
CONDITIONAL = "conditional on the fitted models"
REFITTED = "includes refitting"


@dataclass(frozen=True)
class Estimate:
    """A number with its confidence interval.

    Attributes
    ----------
    value : float
        NaN where undefined (a proportion of nothing).
    low, high : float
        NaN where the method gives no interval.
    level : float
        Confidence level, such as 0.95.
    method : str
        How the interval was made, and on what it is conditional.
    """

    value: float
    low: float
    high: float
    level: float
    method: str

    def __format__(self, spec: str) -> str:
        """Format as `value (low–high)`; `spec` applies to each number, two decimals if empty."""
        spec = spec or ".2f"
        return f"{self.value:{spec}} ({self.low:{spec}}–{self.high:{spec}})"

    def __str__(self) -> str:
        """Return `value (low–high)` with two decimals."""
        return format(self, "")


def _counts(where: str, successes: int, trials: int, level: float) -> tuple[int, int]:
    k, n = int(successes), int(trials)
    if k != successes or n != trials or not 0 <= k <= n:
        raise InputError(
            where, "counts", "whole numbers with 0 <= successes <= trials", f"{successes}/{trials}"
        )
    level_of(where, level)
    return k, n


def wilson_bounds(
    successes: ArrayLike, trials: ArrayLike, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return Wilson's score bounds for arrays of counts; NaN where there are no trials.

    .. math:: \frac{p + z^2/2n \pm z\sqrt{p(1-p)/n + z^2/4n^2}}{1 + z^2/n}
    """
    from scipy.special import ndtri

    k, n = np.asarray(successes, np.float64), np.asarray(trials, np.float64)
    z = float(ndtri(0.5 + level / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = k / n
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # where all or none succeed the bound is the end itself, not the end less a rounding error
    low = np.where((k == 0) & (n > 0), 0.0, centre - half)
    high = np.where((k == n) & (n > 0), 1.0, centre + half)
    return low, high


def wilson(successes: int, trials: int, level: float = 0.95) -> Estimate:
    """Return a proportion with Wilson's score interval (doi 10.1080/01621459.1927.10502953).

    Without trials the value and the bounds are NaN.
    """
    k, n = _counts("Wilson interval", successes, trials, level)
    low, high = wilson_bounds(k, n, level)
    return Estimate(k / n if n else np.nan, float(low), float(high), level, "Wilson")


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> Estimate:
    """Return a proportion with the exact interval (doi 10.1093/biomet/26.4.404).

    Without trials the value and the bounds are NaN.
    """
    from scipy.special import betaincinv

    k, n = _counts("Clopper-Pearson interval", successes, trials, level)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, level, "Clopper-Pearson")
    tail = (1 - level) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return Estimate(k / n, low, high, level, "Clopper-Pearson")


def transformed_interval(
    value: float,
    error: float,
    quantile: float,
    scale: Scale,
) -> tuple[float, float]:
    """Return the bounds of a value in 0..1 from its standard error.

    `wald` is value ± quantile · error, clipped to 0..1. `logit` makes the interval on the log-odds
    by the delta method, error / (value (1 − value)), and carries it back. A value of exactly 0 or
    1 has no interval on either scale (its estimated error is 0 whatever the sample): NaN.
    """
    if scale not in ("logit", "wald"):
        raise InputError("interval", "method", "'logit' or 'wald'", repr(scale))
    if not 0 < value < 1 or not np.isfinite(error):
        return np.nan, np.nan
    if scale == "wald":
        return max(0.0, value - quantile * error), min(1.0, value + quantile * error)
    centre = np.log(value) - np.log1p(-value)
    half = quantile * error / (value * (1 - value))
    low, high = 1 / (1 + np.exp(-(centre - half))), 1 / (1 + np.exp(-(centre + half)))
    return float(low), float(high)
