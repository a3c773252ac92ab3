"""Rotation invariance: pooling the responses of a separable kernel over its right-angle rotations.

In 3D there are 24, in 2D four. No volume is rotated: a rotated product of kernels is again one,
with its kernels permuted over the axes and some of them reversed.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.filters.boundary import Boundary
from petnet.radiomics.filters.checks import Pooling
from petnet.radiomics.filters.separable import Product, Taps, each_response, weighted_sum

__all__ = ["average_weights", "distinct_rotations", "pool_rotations"]


def pool_rotations(
    values: NDArray[np.float64], product: Product, pooling: Pooling | None, boundary: Boundary
) -> NDArray[np.float64]:
    """Return the response to `product`: as it stands, or its average or maximum over rotations.

    Parameters
    ----------
    values : (X, Y, Z) float64
    product : two or three kernels
        Two make a filter of the slices, rotated within them.
    pooling : {"average", "max"}, optional
        None for no rotation. The maximum is of signed responses.
    """
    if pooling is None:
        return weighted_sum(values, {product: 1}, boundary)
    if pooling == "average":
        return weighted_sum(values, average_weights(product), boundary)
    signs = distinct_rotations(product)
    pooled = np.full_like(values, -np.inf)
    for rotated, response in each_response(values, signs, boundary):
        if signs[rotated] == {1, -1}:
            np.abs(response, out=response)
        elif signs[rotated] == {-1}:
            np.negative(response, out=response)
        np.maximum(pooled, response, out=pooled)
    return pooled


def distinct_rotations(product: Product) -> dict[Product, set[int]]:
    """Return the rotations of a product, less those that differ from another by sign only.

    Returns
    -------
    dict of Product to set of {1, -1}
        The signs with which each occurs. Laws kernels are even or odd, so that their 24 rotations
        are six products or fewer, each with both signs if one of the kernels is odd.
    """
    found: dict[Product, set[int]] = {}
    for permutation, parity in _permutations(len(product)):
        for flips in itertools.product((1, -1), repeat=len(product)):
            if math.prod(flips) != parity:
                continue  # a mirror image
            sign, kernels = 1, []
            for axis, flip in zip(permutation, flips, strict=True):
                taps = product[axis]
                if flip == -1 and _is_odd(taps):
                    sign = -sign
                elif flip == -1:
                    taps = taps[::-1]
                kernels.append(taps)
            found.setdefault(tuple(kernels), set()).add(sign)
    return found


def average_weights(product: Product) -> dict[Product, float]:
    """Return the products of kernels whose weighted sum is the average over all rotations.

    With e and o the even and the odd part of a kernel, the average over the D-dimensional
    rotations is (1/D!) Σ_p [Π e_p(i) + sgn(p) Π o_p(i)], p running through the permutations of
    the axes: a reversal turns o into -o, and of all reversals a rotation has those whose number
    has the parity of p. Where two kernels are equal, as in every 3D wavelet, the second sum is
    zero: three products at most replace 24.
    """
    even = [tuple((a + b) / 2 for a, b in _both_ways(taps)) for taps in product]
    odd = [tuple((a - b) / 2 for a, b in _both_ways(taps)) for taps in product]
    weights: Counter[Product] = Counter()
    for permutation, parity in _permutations(len(product)):
        weights[tuple(even[axis] for axis in permutation)] += 1
        weights[tuple(odd[axis] for axis in permutation)] += parity
    n = math.factorial(len(product))
    return {
        kernels: weight / n
        for kernels, weight in weights.items()
        if weight and all(any(taps) for taps in kernels)
    }


def _permutations(n: int) -> list[tuple[tuple[int, ...], int]]:
    """All permutations of 0..n-1, each with its sign."""
    result = []
    for permutation in itertools.permutations(range(n)):
        inversions = sum(a > b for a, b in itertools.combinations(permutation, 2))
        result.append((permutation, -1 if inversions % 2 else 1))
    return result


def _both_ways(taps: Taps) -> zip[tuple[float, float]]:
    return zip(taps, reversed(taps), strict=True)


def _is_odd(taps: Taps) -> bool:
    return all(a == -b for a, b in _both_ways(taps))
