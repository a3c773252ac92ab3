"""The background around a lesion, and thresholds that depend on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from petnet.segmentation.field import Field
from petnet.segmentation.start import NotSegmented

__all__ = ["Statistic", "settled", "shell_level"]

Statistic = Literal["median", "mean"]
ROUNDS = 100


def shell_level(
    field: Field, mask: NDArray[np.bool_], shell_mm: tuple[float, float], statistic: Statistic
) -> float:
    """Return the SUV of the background around a mask.

    The background are the voxels whose centre lies more than `shell_mm[0]` and up to `shell_mm[1]`
    from that of the nearest voxel of the mask, in or out of the limit; those without a value are
    left out.

    Raises
    ------
    NotSegmented
        The image holds none.
    """
    from scipy.ndimage import distance_transform_edt

    distances = distance_transform_edt(~mask, sampling=field.spacing_mm)
    inner, outer = shell_mm
    shell = field.suv[(distances > inner) & (distances <= outer) & field.known]
    if shell.size == 0:
        raise NotSegmented(f"no background: the image ends within {inner:g} mm of the lesion")
    return float(np.median(shell) if statistic == "median" else shell.mean())


def settled(
    first: float,
    grown: Callable[[float], NDArray[np.bool_]],
    following: Callable[[NDArray[np.bool_]], float],
) -> tuple[float, str]:
    """Repeat threshold → mask → threshold until the mask stays as it is.

    Masks of a threshold hold those of a higher one, so that as many voxels are the same mask. Where
    the masks come round in a circle, the highest of its thresholds is taken: the smallest mask.

    Parameters
    ----------
    first : float
        Threshold to begin with.
    grown, following : callable
        The mask of a threshold; the threshold that follows from a mask.

    Returns
    -------
    float, str
        The threshold, and a note where it went round in a circle (else empty).

    Raises
    ------
    NotSegmented
        No end after `ROUNDS` rounds.
    """
    thresholds, counts = [first], [-1]  # voxels of the mask that each threshold follows from
    for _ in range(ROUNDS):
        mask = grown(thresholds[-1])
        count = int(mask.sum())
        if count in counts:
            circle = thresholds[counts.index(count) :]
            note = f"threshold between {min(circle):.4g} and {max(circle):.4g}: the highest taken"
            return max(circle), note if len(circle) > 1 else ""
        thresholds.append(following(mask))
        counts.append(count)
    raise NotSegmented(f"the threshold has not settled after {ROUNDS} rounds")
