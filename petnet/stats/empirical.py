"""What repeated runs of the same experiment say: mean and standard error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from petnet.errors import InputError
from petnet.stats._checks import column

__all__ = ["MeanError", "mean_and_error"]


@dataclass(frozen=True)
class MeanError:
    """Mean of independent repeats with its empirical standard error.

    Attributes
    ----------
    mean, standard_error : float
    count : int
        Number of repeats.
    """

    mean: float
    standard_error: float
    count: int

    def errors_from(self, expected: float) -> float:
        """Return how many standard errors the mean lies from `expected`, with sign.

        Without spread it is 0 at `expected` and infinite elsewhere.
        """
        distance = self.mean - expected
        if self.standard_error == 0:
            return float(np.copysign(np.inf, distance)) if distance else 0.0
        return distance / self.standard_error


def mean_and_error(values: ArrayLike) -> MeanError:
    """Return mean and standard error, s / √n with s from n − 1 degrees of freedom.

    For runs that are independent, such as label permutations or seeds of a simulation. Repeats of
    cross-validation on one cohort are not: their spread says nothing of another cohort.

    Raises
    ------
    InputError
        Fewer than two values, or values not finite.
    """
    array = column("repeats", "values", values)
    if array.size < 2:
        raise InputError("repeats", "values", "at least two", str(array.size))
    error = float(array.std(ddof=1) / np.sqrt(array.size))
    return MeanError(float(array.mean()), error, array.size)
