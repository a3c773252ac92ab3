"""Features of grey level co-occurrence matrices (IBSI LFYI).

All but three follow from three histograms of a matrix: of the levels, of |i - j| and of i + j. They
are summed as whole numbers from the occupied cells above the diagonal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from array_api_compat import array_namespace, device, is_numpy_namespace

from petnet.radiomics.catalogue import features_of
from petnet.radiomics.texture.cells import ByMatrix, Cells, as_columns, joined, occupied, totals

__all__ = ["PairSums", "cooccurrence_features", "entropy", "pair_sums"]

NAMES = tuple(feature.name for feature in features_of("glcm"))
#: Bits below which an entropy is rounding: one count out of 1e9 already makes 3e-8.
NO_ENTROPY = 1e-12
#: Entries of matrices that are summed at once: 2 MiB, to stay in a cache; and elsewhere 1 GiB,
#: for a device wants few large steps.
ENTRIES_AT_ONCE = 1 << 18
ENTRIES_AT_ONCE_ON_DEVICE = 1 << 27


def entropy(xp: Any, total: Any, sum_of_logs: Any) -> Any:
    """-Σ p log2 p = log2 N - Σ n log2 n / N in bits, from N = `total` > 0 and Σ n log2 n."""
    value = xp.log2(total) - sum_of_logs / total
    return xp.where(value < NO_ENTROPY, 0.0, value)


def _nan_for_zero(xp: Any, value: Any) -> Any:
    """Return a divisor with which what is undefined becomes NaN."""
    return xp.where(value == 0, float("nan"), value)


def _difference_features(xp: Any, p: Any, n_levels: Any) -> dict[str, Any]:
    """Features of p (M, L), the distribution of |i - j|; n_levels (M,)."""
    k = xp.arange(p.shape[-1], dtype=p.dtype, device=device(p))
    square = k**2
    inverse_square = xp.where(k == 0, 0.0, 1 / xp.where(k == 0, 1.0, square))
    weights = as_columns(xp, [k, square, 1 / (1 + k), 1 / (1 + square), inverse_square])
    average, contrast, inverse, inverse_moment, inverse_variance = xp.unstack(p @ weights, axis=-1)
    normalised = k / n_levels[:, None]
    return {
        "difference_average": average,
        "difference_variance": xp.vecdot((k - average[:, None]) ** 2, p),
        "contrast": contrast,
        "dissimilarity": average,
        "inverse_difference": inverse,
        "normalised_inverse_difference": xp.vecdot(p, 1 / (1 + normalised)),
        "inverse_difference_moment": inverse_moment,
        "normalised_inverse_difference_moment": xp.vecdot(p, 1 / (1 + normalised**2)),
        "inverse_variance": inverse_variance,
    }


def _sum_features(xp: Any, p: Any) -> dict[str, Any]:
    """Features of p (M, 2L - 1), the distribution of i + j = 2..2L."""
    k = xp.arange(2, p.shape[-1] + 2, dtype=p.dtype, device=device(p))
    average = p @ k
    centred = k - average[:, None]  # the mean of i + j is twice the mean of i
    squared = centred**2
    weighted = squared * p
    tendency = xp.sum(weighted, axis=-1)
    return {
        "sum_average": average,
        "sum_variance": tendency,
        "cluster_tendency": tendency,
        "cluster_shade": xp.vecdot(weighted, centred),
        "cluster_prominence": xp.vecdot(weighted, squared),
    }


def _moment_features(xp: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Features that follow from sums and differences: 4 ij = (i + j)² - (i - j)²."""
    tendency, contrast = found["cluster_tendency"], found["contrast"]
    spread = tendency + contrast  # four times the variance of the levels
    return {
        "joint_average": found["sum_average"] / 2,
        "joint_variance": spread / 4,
        "correlation": (tendency - contrast) / _nan_for_zero(xp, spread),
        "autocorrelation": (tendency + found["sum_average"] ** 2 - contrast) / 4,
    }


def _information_features(xp: Any, h_xy: Any, h_x: Any) -> dict[str, Any]:
    """Information correlations from the entropies of a symmetric matrix and of its levels."""
    # -Σ p_ij log(p_i p_j) and -Σ p_i p_j log(p_i p_j) are both 2 h_x.
    mutual = xp.maximum(2 * h_x - h_xy, xp.zeros_like(h_x))
    return {
        "information_correlation_1": -mutual / _nan_for_zero(xp, h_x),
        "information_correlation_2": xp.sqrt(1 - xp.exp(-2 * mutual)),
    }


@dataclass(frozen=True, eq=False)
class PairSums:
    """What the features of M symmetric matrices are computed from.

    Attributes
    ----------
    by_level, by_difference : (M, L) float64
        Pairs of neighbours, each once from either side, by level and by |i - j|.
    by_sum : (M, 2L - 1) float64
        By i + j = 2..2L.
    squares, logs, largest : (M,) float64
        Σ n², Σ n log2 n and the greatest n over the cells.
    """

    by_level: Any
    by_difference: Any
    by_sum: Any
    squares: Any
    logs: Any
    largest: Any


def pair_sums(blocks: Sequence[Any]) -> PairSums:
    """Sum all symmetric matrices: blocks of (..., L, L) counts, or of cells of the upper half."""
    xp = array_namespace(blocks[0].count if isinstance(blocks[0], Cells) else blocks[0])
    parts = [_sums(xp, joined(xp, cells)) for cells in _groups(xp, blocks)]
    if len(parts) == 1:
        return parts[0]
    columns = ([getattr(part, field.name) for part in parts] for field in fields(PairSums))
    return PairSums(*(xp.concat(column) for column in columns))


def _groups(xp: Any, blocks: Sequence[Any]) -> Iterator[list[Cells]]:
    """Yield the blocks' cells, in order, as many at once as suit the processor's cache."""
    at_once = ENTRIES_AT_ONCE if is_numpy_namespace(xp) else ENTRIES_AT_ONCE_ON_DEVICE
    group: list[Cells] = []
    entries = 0
    for piece in _pieces(xp, blocks, at_once):
        n_entries = piece.n_matrices * piece.n_levels**2
        if group and entries + n_entries > at_once:
            yield group
            group, entries = [], 0
        group.append(piece)
        entries += n_entries
    yield group


def _pieces(xp: Any, blocks: Sequence[Any], at_once: int) -> Iterator[Cells]:
    for block in blocks:
        if isinstance(block, Cells):
            yield block
            continue
        counts = xp.reshape(block, (-1, *block.shape[-2:]))
        n = max(1, at_once // max(1, block.shape[-1] ** 2))
        for start in range(0, max(1, counts.shape[0]), n):
            stop = min(start + n, counts.shape[0])
            yield occupied(xp, counts[start:stop, :, :], upper=True)


def _sums(xp: Any, cells: Cells) -> PairSums:
    """Sum the cells on and above the diagonal of symmetric matrices."""
    n_matrices, n_levels, n = cells.n_matrices, cells.n_levels, cells.count
    n_rows, width = n_matrices * n_levels, 2 * n_levels - 1
    i, column = cells.rows_and_columns()
    matrix = i // n_levels
    first = matrix * n_levels  # row of level 1
    j = first + column
    of = ByMatrix(xp, matrix, n_matrices)
    # Half of the symmetric counts: a cell stands for its mirror image, but for the diagonal.
    half = xp.where(i == j, n / 2, n)
    by_level = totals(xp, i, half, n_rows) + totals(xp, j, half, n_rows)
    by_difference = 2 * totals(xp, j - i + first, half, n_rows)
    by_sum = 2 * totals(xp, i + j - matrix, half, n_matrices * width)  # i + j holds 2 first
    return PairSums(
        xp.reshape(by_level, (n_matrices, n_levels)),
        xp.reshape(by_difference, (n_matrices, n_levels)),
        xp.reshape(by_sum, (n_matrices, width)),
        2 * of.total(half * n),
        2 * of.total(half * xp.log2(n)),
        of.largest(n),
    )


def cooccurrence_features(sums: PairSums, n_levels: Any) -> Any:
    """Compute the 25 co-occurrence features of M matrices.

    Parameters
    ----------
    sums : PairSums
    n_levels : (M,) float64
        Number of grey levels of each matrix's region.

    Returns
    -------
    (M, 25) float64
        In the order of the catalogue. Undefined is NaN: every feature of an empty matrix;
        correlation and information correlation 1 of a matrix with one occupied grey level (0 / 0).
    """
    xp = array_namespace(n_levels)
    total = _nan_for_zero(xp, xp.sum(sums.by_level, axis=-1))
    found = _difference_features(xp, sums.by_difference / total[:, None], n_levels)
    found |= _sum_features(xp, sums.by_sum / total[:, None])
    found |= _moment_features(xp, found)
    counts = xp.concat([sums.by_level, sums.by_difference, sums.by_sum], axis=-1)
    logs = xp.log2(xp.where(counts == 0, 1.0, counts))
    n = sums.by_level.shape[-1]
    parts = [(counts[:, a:b], logs[:, a:b]) for a, b in ((0, n), (n, 2 * n), (2 * n, 4 * n - 1))]
    of_logs = as_columns(xp, [sums.logs, *(xp.vecdot(*part) for part in parts)])
    h_xy, h_x, h_difference, h_sum = xp.unstack(entropy(xp, total[:, None], of_logs), axis=-1)
    found |= _information_features(xp, h_xy, h_x)
    found |= {
        "joint_maximum": sums.largest / total,
        "joint_entropy": h_xy,
        "angular_second_moment": sums.squares / total**2,
        "difference_entropy": h_difference,
        "sum_entropy": h_sum,
    }
    return as_columns(xp, [found[name] for name in NAMES])
