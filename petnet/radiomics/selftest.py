"""The IBSI digital phantom, embedded: what this installation computes against the consensus.

Phantom and values: Zwanenburg et al., "The Image Biomarker Standardization Initiative", Radiology
2020, doi:10.1148/radiol.2020191145, and the reference manual, arXiv:1612.07003. The consensus
values are in `ibsi_digital_phantom.csv` beside this file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from petnet.devices import Device
from petnet.radiomics.catalogue import CATALOGUE, FAMILIES, TEXTURE_FAMILIES, Family, Feature
from petnet.radiomics.extractor import FeatureSet, compute, extract
from petnet.radiomics.kernels.counts import TextureCounts, ZoneCells
from petnet.radiomics.kernels.cuda import to_host
from petnet.radiomics.kernels.dispatch import LevelRegions, texture_batches
from petnet.radiomics.texture import Aggregation
from petnet.volume import Volume

__all__ = [
    "Agreement",
    "Consensus",
    "Result",
    "consensus",
    "counts_agree",
    "digital_phantom",
    "run",
]

# One row per (y, z), z slowest, x along the row: 5 x 4 x 4 voxels of 2 mm.
INTENSITY = """
1 4 4 1 1 / 1 4 6 1 1 / 4 1 6 4 1 / 4 4 6 4 1
1 4 4 1 1 / 1 1 6 1 1 / 1 1 3 1 1 / 4 4 6 1 1
1 4 4 1 1 / 1 1 1 1 1 / 1 1 9 1 1 / 1 1 6 1 1
1 4 4 1 1 / 1 1 1 1 1 / 1 1 1 1 1 / 1 1 6 1 1
"""
MASK = """
1 1 1 1 1 / 1 1 1 1 1 / 1 1 1 1 1 / 1 1 1 1 1
1 1 1 1 1 / 1 1 1 1 1 / 0 1 1 1 1 / 1 1 1 1 1
1 1 1 0 0 / 1 1 1 1 1 / 1 1 0 1 1 / 1 1 1 1 1
1 1 1 0 0 / 1 1 1 1 1 / 1 1 1 1 1 / 1 1 1 1 1
"""
SPACING_MM = 2.0
# The phantom's intensities are its grey levels: bins of one that begin at one.
AGGREGATIONS = get_args(Aggregation)
SETTINGS = FeatureSet(
    "ibsi",
    "CT",
    families=FAMILIES,
    discretisation="fixed_bin_size",
    bin_width=1,
    lower_bound=1,
    aggregations=AGGREGATIONS,
)
DIGITS = 3
#: Devices cut a batch into chunks by their own memory, and what is compared must be cut alike: so
#: few regions are counted uncut.
COUNTED_AT_ONCE = 10
UNCUT = 1 << 40


@dataclass(frozen=True)
class Consensus:
    """A row of the consensus: `aggregation` is None outside the texture families."""

    feature: Feature
    aggregation: str | None
    value: float
    tolerance: float


@dataclass(frozen=True)
class Result:
    """What this installation computes for one row of the consensus."""

    consensus: Consensus
    device: Device
    value: float

    @property
    def passed(self) -> bool:
        """Whether the value, to three significant digits, is within the tolerance (IBSI's rule)."""
        rounded = float(f"{self.value:.{DIGITS}g}")
        expected = self.consensus.value
        return abs(rounded - expected) <= self.consensus.tolerance + 1e-9 * abs(expected)


@dataclass(frozen=True)
class Agreement:
    """How many random regions were counted on two devices, and how many counts differ."""

    regions: int
    counts: int
    differing: int


def digital_phantom() -> tuple[Volume, Volume]:
    """Return the phantom's image and mask, (5, 4, 4)."""
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    image, mask = (_array(text) for text in (INTENSITY, MASK))
    return (
        Volume(image.astype(np.float32), affine, "HU", "CT"),
        Volume(mask.astype(bool), affine, "label", "MASK"),
    )


def _array(text: str) -> NDArray[np.int64]:
    planes = [[row.split() for row in line.split("/")] for line in text.strip().splitlines()]
    return np.array(planes, dtype=np.int64).transpose(2, 1, 0)


def consensus() -> tuple[Consensus, ...]:
    """Return the consensus of every feature that petnet computes, in the order of the catalogue."""
    known = {(feature.family, feature.name): feature for feature in CATALOGUE}
    text = files("petnet.radiomics").joinpath("ibsi_digital_phantom.csv").read_text("utf-8")
    return tuple(
        Consensus(
            known[row["family"], row["name"]],  # type: ignore[index]
            row["aggregation"] or None,
            float(row["value"]),
            float(row["tolerance"]),
        )
        for row in csv.DictReader(text.splitlines())
    )


def compute_family(family: Family) -> None:
    """Compute one family of the phantom on the CPU, in every aggregation, and forget it."""
    image, mask = digital_phantom()
    compute([image], [mask], [replace(SETTINGS, families=(family,))], "cpu")


def run(device: Device) -> tuple[Result, ...]:
    """Compute every row of the consensus on one device."""
    found = extract(*digital_phantom(), SETTINGS, device=device)
    results = []
    for row in consensus():
        suffix = f"_{row.aggregation}" if row.aggregation else ""
        column = f"{SETTINGS.name}__original_{row.feature.family}_{row.feature.name}{suffix}"
        results.append(Result(row, device, found[column]))
    return tuple(results)


def counts_agree(devices: Sequence[Device], regions: int = 200, seed: int = 1) -> Agreement:
    """Count every family of the same random regions on two devices and compare count by count.

    Parameters
    ----------
    devices : two of {"cpu", "cuda"}
    regions : int
        Random boxes of 1 to 12 voxels a side with holes and 1 to 64 grey levels.
    seed : int
    """
    rng = np.random.default_rng(seed)
    counts = differing = 0
    for start in range(0, regions, COUNTED_AT_ONCE):
        drawn = _random_regions(rng, min(COUNTED_AT_ONCE, regions - start))
        first, second = (_counts(drawn, device) for device in devices)
        for a, b in zip(first, second, strict=True):
            counts += a.size
            differing += int((a != b).sum()) if a.shape == b.shape else max(a.size, b.size)
    return Agreement(regions, counts, differing)


def _random_regions(rng: np.random.Generator, n: int) -> LevelRegions:
    levels, insides = [], []
    for _ in range(n):
        highest = int(rng.integers(1, 65))
        box = rng.integers(1, highest + 1, size=rng.integers(1, 13, size=3))
        inside = rng.random(box.shape) < 0.8
        levels.append(np.where(inside & (rng.random(box.shape) < 0.9), box, 0).astype(np.int32))
        insides.append(inside)
    n_levels = np.array([max(int(region.max()), 1) for region in levels], dtype=np.int64)
    return LevelRegions(levels, insides, n_levels, [f"region {k}" for k in range(n)])


def _counts(regions: LevelRegions, device: Device) -> list[NDArray[np.int64]]:
    """Return every array of counts of every family, slice by slice and in 3D, in host memory."""
    found: list[NDArray[np.int64]] = []
    families = sorted(TEXTURE_FAMILIES)
    for batch in texture_batches(regions, families, AGGREGATIONS, device, chunk_bytes=UNCUT):
        found += _arrays(batch.counts)
    return found


def _arrays(counts: TextureCounts | ZoneCells) -> Iterator[NDArray[np.int64]]:
    for field in fields(counts):
        value = getattr(counts, field.name)
        if isinstance(value, ZoneCells):
            yield from _arrays(value)
        elif value is not None:
            yield to_host(value)
