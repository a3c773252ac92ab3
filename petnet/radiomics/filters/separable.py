"""Convolution with products of one-dimensional kernels, each one-dimensional pass made once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.filters.boundary import NDIMAGE_MODES, Boundary
from petnet.radiomics.kernels.threads import cores, run_all

__all__ = [
    "Product",
    "Taps",
    "centred",
    "convolve",
    "each_response",
    "in_threads",
    "pass_in_threads",
    "weighted_sum",
]

#: Voxels that a thread should have to convolve at least.
PIECE_VOXELS = 100_000

#: A one-dimensional kernel of odd length; its middle tap is the one that falls on the voxel.
Taps = tuple[float, ...]
#: One kernel for each filtered axis: x, y in 2D; x, y, z in 3D.
Product = tuple[Taps, ...]


def centred(taps: Sequence[float]) -> Taps:
    """Give a kernel whose centre is at index n // 2 of its n taps an odd length."""
    plain = tuple(float(tap) for tap in taps)
    return plain if len(plain) % 2 else (*plain, 0.0)


def in_threads(work: Callable[[slice], None], n: int, pieces: int) -> None:
    """Call `work`, which must release the GIL, on slices that cover 0..n-1.

    There are as many slices as cores, but no more than `pieces`: threads cost more than they save
    where the work is small.
    """
    workers = max(1, min(cores(), n, pieces))
    edges = [n * i // workers for i in range(workers + 1)]
    run_all(work, [slice(start, stop) for start, stop in itertools.pairwise(edges)])


def pass_in_threads(
    one_pass: Callable[[NDArray[np.float64], NDArray[np.float64]], None],
    values: NDArray[np.float64],
    axis: int,
) -> NDArray[np.float64]:
    """Return what `one_pass(source, result)` along `axis` makes of slabs across another axis."""
    result = np.empty_like(values)
    across = 1 if axis == 0 else 0

    def one_slab(part: slice) -> None:
        slab = (slice(None),) * across + (part,)
        one_pass(values[slab], result[slab])

    in_threads(one_slab, values.shape[across], values.size // PIECE_VOXELS)
    return result


def convolve(
    values: NDArray[np.float64], taps: Taps, axis: int, boundary: Boundary
) -> NDArray[np.float64]:
    """Convolve (not correlate) along one axis."""
    from scipy import ndimage

    if len(taps) == 1:
        return values * taps[0]
    mode = NDIMAGE_MODES[boundary]

    def one_pass(source: NDArray[np.float64], result: NDArray[np.float64]) -> None:
        ndimage.convolve1d(source, taps, axis=axis, output=result, mode=mode)

    return pass_in_threads(one_pass, values, axis)


def each_response(
    values: NDArray[np.float64], products: Iterable[Product], boundary: Boundary, axis: int = 0
) -> Iterator[tuple[Product, NDArray[np.float64]]]:
    """Yield every distinct product of kernels with its response, by way of a tree of passes.

    Products that begin with the same kernels share those passes: 24 rotations of a wavelet cost
    44 passes instead of 72. Depth first, so that no more than one map per axis is held.
    """
    tails: dict[Taps, set[Product]] = {}
    for taps, *rest in products:
        tails.setdefault(taps, set()).add(tuple(rest))
    for taps, rest_of in tails.items():
        passed = convolve(values, taps, axis, boundary)
        if rest_of == {()}:
            yield (taps,), passed
            continue
        for tail, response in each_response(passed, rest_of, boundary, axis + 1):
            yield (taps, *tail), response


def weighted_sum(
    values: NDArray[np.float64], weights: Mapping[Product, float], boundary: Boundary
) -> NDArray[np.float64]:
    """Sum weighted responses of products of kernels; no products at all give zero.

    The last axis is convolved once per distinct last kernel, after the sum over the others.
    """
    heads: dict[Product, dict[Taps, float]] = {}
    for product, weight in weights.items():
        heads.setdefault(product[:-1], {})[product[-1]] = weight
    partial: dict[Taps, NDArray[np.float64]] = {}
    for head, response in each_response(values, heads, boundary):
        for taps, weight in heads[head].items():
            weighted = response if weight == 1 else response * weight
            partial[taps] = partial[taps] + weighted if taps in partial else weighted
    total = np.zeros_like(values)
    for taps, summed in partial.items():
        total += convolve(summed, taps, len(next(iter(heads))), boundary)
    return total
