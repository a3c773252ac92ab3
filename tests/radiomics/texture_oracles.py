"""Texture features by the letter of the IBSI manual: double loops in plain Python, no batches."""

import math

import numpy as np

from petnet.radiomics.catalogue import DIRECTIONAL_FAMILIES, features_of
from petnet.radiomics.kernels.counts import TextureCounts, ZoneCells

NAN = float("nan")


def _cells(matrix):
    """(i, j, n) of the occupied cells, counted from 1."""
    return [(int(i) + 1, int(j) + 1, float(matrix[i, j])) for i, j in np.argwhere(matrix)]


def _bits(numbers):
    return -sum(x * math.log2(x) for x in numbers if x > 0)


def _sums(pairs):
    found = {}
    for key, value in pairs:
        found[key] = found.get(key, 0.0) + value
    return found


def glcm_definition(matrix, n_levels):
    cells, total = _cells(matrix), float(matrix.sum())
    names = [feature.name for feature in features_of("glcm")]
    if not total:
        return dict.fromkeys(names, NAN)
    p = [(i, j, n / total) for i, j, n in cells]
    p_i = _sums((i, q) for i, _, q in p)
    mu = sum(i * q for i, _, q in p)
    variance = sum((i - mu) ** 2 * q for i, _, q in p)
    differences = _sums((abs(i - j), q) for i, j, q in p)
    sums = _sums((i + j, q) for i, j, q in p)
    mean_difference = sum(k * q for k, q in differences.items())
    mean_sum = sum(k * q for k, q in sums.items())
    h_xy = _bits(q for _, _, q in p)
    h_x = _bits(p_i.values())
    h_xy_1 = -sum(q * math.log2(p_i[i] * p_i[j]) for i, j, q in p)
    h_xy_2 = _bits(a * b for a in p_i.values() for b in p_i.values())
    one = len(p_i) == 1
    covariance = sum((i - mu) * (j - mu) * q for i, j, q in p)
    return {
        "joint_maximum": max(q for _, _, q in p),
        "joint_average": mu,
        "joint_variance": variance,
        "joint_entropy": h_xy,
        "difference_average": mean_difference,
        "difference_variance": sum((k - mean_difference) ** 2 * q for k, q in differences.items()),
        "difference_entropy": _bits(differences.values()),
        "sum_average": mean_sum,
        "sum_variance": sum((k - mean_sum) ** 2 * q for k, q in sums.items()),
        "sum_entropy": _bits(sums.values()),
        "angular_second_moment": sum(q**2 for _, _, q in p),
        "contrast": sum((i - j) ** 2 * q for i, j, q in p),
        "dissimilarity": sum(abs(i - j) * q for i, j, q in p),
        "inverse_difference": sum(q / (1 + abs(i - j)) for i, j, q in p),
        "normalised_inverse_difference": sum(q / (1 + abs(i - j) / n_levels) for i, j, q in p),
        "inverse_difference_moment": sum(q / (1 + (i - j) ** 2) for i, j, q in p),
        "normalised_inverse_difference_moment": sum(
            q / (1 + (i - j) ** 2 / n_levels**2) for i, j, q in p
        ),
        "inverse_variance": sum(q / (i - j) ** 2 for i, j, q in p if i != j),
        "correlation": NAN if one else covariance / variance,
        "autocorrelation": sum(i * j * q for i, j, q in p),
        "cluster_tendency": sum((i + j - 2 * mu) ** 2 * q for i, j, q in p),
        "cluster_shade": sum((i + j - 2 * mu) ** 3 * q for i, j, q in p),
        "cluster_prominence": sum((i + j - 2 * mu) ** 4 * q for i, j, q in p),
        "information_correlation_1": NAN if one else (h_xy - h_xy_1) / h_x,
        "information_correlation_2": math.sqrt(max(0.0, 1 - math.exp(-2 * (h_xy_2 - h_xy)))),
    }


def size_definition(matrix, voxels, family):
    """Features of run length, size zone, distance zone and dependence, in their common order."""
    names = [feature.name for feature in features_of(family)]
    cells, total = _cells(matrix), float(matrix.sum())
    if not total:
        return dict.fromkeys(names, NAN)
    of_level = _sums((i, n) for i, _, n in cells)
    of_size = _sums((s, n) for _, s, n in cells)
    mean_level = sum(i * n for i, _, n in cells) / total
    mean_size = sum(s * n for _, s, n in cells) / total
    values = [
        sum(n / s**2 for i, s, n in cells) / total,
        sum(n * s**2 for i, s, n in cells) / total,
        sum(n / i**2 for i, s, n in cells) / total,
        sum(n * i**2 for i, s, n in cells) / total,
        sum(n / (s**2 * i**2) for i, s, n in cells) / total,
        sum(n * i**2 / s**2 for i, s, n in cells) / total,
        sum(n * s**2 / i**2 for i, s, n in cells) / total,
        sum(n * s**2 * i**2 for i, s, n in cells) / total,
        sum(n**2 for n in of_level.values()) / total,
        sum(n**2 for n in of_level.values()) / total**2,
        sum(n**2 for n in of_size.values()) / total,
        sum(n**2 for n in of_size.values()) / total**2,
        total / voxels,
        sum((i - mean_level) ** 2 * n for i, _, n in cells) / total,
        sum((s - mean_size) ** 2 * n for _, s, n in cells) / total,
        _bits(n / total for _, _, n in cells),
        sum((n / total) ** 2 for _, _, n in cells),
    ]
    return dict(zip(names, values, strict=False))


def ngtdm_definition(counts):
    """Features of (L, K, 2) counts: voxels with k neighbours, sums of |k i - Σ neighbours|."""
    names = [feature.name for feature in features_of("ngtdm")]
    rows = []
    for level, of_level in enumerate(counts.tolist(), start=1):
        n = sum(number for number, _ in of_level[1:])
        s = sum(total / k for k, (_, total) in enumerate(of_level) if k > 0)
        if n:
            rows.append((level, float(n), s))
    if not rows:
        return dict.fromkeys(names, NAN)
    voxels = sum(n for _, n, _ in rows)
    p = [(i, n / voxels, s) for i, n, s in rows]
    pairs = [(a, b) for a in p for b in p]
    of_all = sum(s for _, _, s in p)
    weighted = sum(q * s for _, q, s in p)
    several = len(p) > 1
    contrast = sum(q * r * (i - j) ** 2 for (i, q, _), (j, r, _) in pairs)
    # in whole numbers, so that levels with the same i n differ by nothing
    busy = sum(abs(i * n - j * m) for i, n, _ in rows for j, m, _ in rows) / voxels
    complexity = sum(abs(i - j) * (q * s + r * t) / (q + r) for (i, q, s), (j, r, t) in pairs)
    strength = sum((q + r) * (i - j) ** 2 for (i, q, _), (j, r, _) in pairs)
    values = [
        1 / weighted if weighted else 1e6,
        contrast / (len(p) * (len(p) - 1)) * of_all / voxels if several else 0.0,
        (weighted / busy if busy else NAN) if several else 0.0,
        complexity / voxels,
        strength / of_all if of_all else 0.0,
    ]
    return dict(zip(names, values, strict=True))


def _directional_matrices(planes, through, aggregation):
    """Matrices of one region, and how many directions each holds; planes (Z, 4, L, N)."""
    dimension, how = aggregation.rsplit("_", 1)
    stacks = {
        "2D": [[m[d] for d in range(4)] for m in planes],
        "2_5D": [[planes[:, d].sum(axis=0) for d in range(4)]],
        "3D": [[planes[:, d].sum(axis=0) for d in range(4)] + list(through[0])],
    }[dimension]
    slices = range(len(planes)) if dimension == "2D" else [None] * len(stacks)
    for z, stack in zip(slices, stacks, strict=True):
        if how == "comb":
            yield z, len(stack), sum(stack)
        else:
            yield from ((z, 1, matrix) for matrix in stack)


def _dense_zones(zones, n_levels):
    width = int(zones.size.max()) if zones.size.size else 1
    found = np.zeros((len(zones.starts) - 1, n_levels, width), dtype=np.int64)
    for m, (start, stop) in enumerate(zip(zones.starts[:-1], zones.starts[1:], strict=True)):
        for k in range(int(start), int(stop)):
            found[m, zones.level[k] - 1, zones.size[k] - 1] += zones.count[k]
    return found


def _mean(rows):
    found = {}
    for name in rows[0]:
        defined = [row[name] for row in rows if not math.isnan(row[name])]
        found[name] = sum(defined) / len(defined) if defined else NAN
    return found


def definition(counts, n_levels, family, aggregation):
    """Features of one region, counted by slice: name to value."""
    of_slices, of_all = counts.plane_histogram.sum(axis=1), int(counts.histogram.sum())

    def voxels(z):
        return of_all if z is None else int(of_slices[z])

    if family in DIRECTIONAL_FAMILIES:
        planes = getattr(counts, f"{family}_planes")
        through = getattr(counts, f"{family}_through")
        rows = [
            glcm_definition(m, n_levels)
            if family == "glcm"
            else size_definition(m, directions * voxels(z), family)
            for z, directions, m in _directional_matrices(planes, through, aggregation)
        ]
        return _mean(rows)
    pair = [getattr(counts, f"{family}_{part}") for part in ("planes", "volume")]
    if family == "glszm":
        pair = [_dense_zones(zones, n_levels) for zones in pair]
    planes, volume = pair
    matrices = {
        "2D": list(enumerate(planes)),
        "2_5D": [(None, planes.sum(axis=0))],
        "3D": [(None, volume[0])],
    }[aggregation]
    if family == "ngtdm":
        return _mean([ngtdm_definition(m) for _, m in matrices])
    return _mean([size_definition(m, voxels(z), family) for z, m in matrices])


def stacked(parts):
    """Counts of single regions as one batch; shorter last axes are filled up with zeros."""
    found = {}
    for name in TextureCounts.__dataclass_fields__:
        values = [getattr(part, name) for part in parts]
        if values[0] is not None:
            join = _joined_zones if isinstance(values[0], ZoneCells) else _joined_arrays
            found[name] = join(values)
    return TextureCounts(**found)


def _joined_arrays(values):
    shape = np.max([value.shape[1:] for value in values], axis=0)
    widened = []
    for value in values:
        missing = [(0, int(n - m)) for n, m in zip(shape, value.shape[1:], strict=True)]
        widened.append(np.pad(value, [(0, 0), *missing]))
    return np.concatenate(widened)


def _joined_zones(values):
    sizes = np.concatenate([np.diff(value.starts) for value in values])
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    cells = [np.concatenate([getattr(v, n) for v in values]) for n in ("level", "size", "count")]
    return ZoneCells(starts, *cells)
