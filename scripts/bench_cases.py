"""What `bench_texture.py` measures on: volumes made from a seed, and real PET and CT."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from petnet.volume import Volume, write_volume

__all__ = ["Case", "batch", "big_map", "label_map", "single_cases"]

Array = NDArray[np.generic]
SEED = 20240914
#: Real lesions of the soft-tissue-sarcoma studies: 817 and 20,222 voxels of PET, 234,198 of CT.
REAL = (("STS_003", "PET"), ("STS_009", "PET"), ("STS_011", "CT"))
SMALL = 5_000
N_BATCH = 64
N_LABELS = 300


@dataclass(frozen=True)
class Case:
    """Files of an image and its mask; `flip` names axes along which both are mirrored."""

    name: str
    image: Path
    mask: Path
    voxels: int
    modality: str = "PT"
    flip: tuple[int, ...] = ()
    labels: bool = False

    def request(self) -> dict[str, object]:
        """Return what opens it in a runner."""
        return {
            "do": "open",
            "case": self.name,
            "image": str(self.image),
            "mask": str(self.mask),
            "modality": self.modality,
            "flip": list(self.flip),
            "labels": self.labels,
        }


def _smooth(shape: tuple[int, int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw smooth random values between 1 and 64, whole numbers and the rest of them."""
    from scipy import ndimage

    noise = rng.standard_normal(shape, dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, 1.5, mode="wrap") + 0.02 * noise
    low, high = np.quantile(smooth.ravel()[:: max(1, smooth.size // 10**6)], [0.001, 0.999])
    return np.clip(1 + 63 * (smooth - low) / (high - low), 1, 64).astype(np.float32)


def _ball(edge: int) -> NDArray[np.bool_]:
    """Return the ball that half the cube's volume lies in."""
    axis = np.arange(edge) - (edge - 1) / 2
    squares = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    return squares <= edge**2 * (3 / (8 * np.pi)) ** (2 / 3)


def _made(
    folder: Path, name: str, make: Callable[[], tuple[Array, Array]], labels: bool = False
) -> Case:
    """Write image and mask (or label map) on a 2 mm grid, unless they are there already."""
    image, region = folder / f"{name}_image.nii", folder / f"{name}_mask.nii"
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    if not (image.is_file() and region.is_file()):
        values, mask = make()
        write_volume(image, Volume(values, affine, "SUVbw", "PT"))
        dtype = np.uint16 if labels else np.uint8
        write_volume(region, Volume(mask.astype(dtype), affine, "label", "MASK"), dtype)
    return Case(name, image, region, _voxels(region), labels=labels)


def _voxels(mask: Path) -> int:
    import nibabel as nib

    return int(np.count_nonzero(np.asanyarray(nib.load(mask).dataobj)))


def single_cases(folder: Path, reference: Path | None) -> Iterator[Case]:
    """Yield the two made volumes and, where the reference data are at hand, the real lesions."""
    for edge in (64, 128):
        yield _made(folder, f"{edge}^3", partial(_cube, edge))
    for study, modality in REAL if reference else ():
        where = reference / "sts" / study
        yield _real(where, f"{modality} {study}", modality)


def _real(where: Path, name: str, modality: str, flip: tuple[int, ...] = ()) -> Case:
    mask = where / f"{modality}_mask.nii.gz"
    kind = {"PET": "PT", "CT": "CT"}[modality]
    return Case(name, where / f"{modality}_image.nii.gz", mask, _voxels(mask), kind, flip)


def batch(folder: Path, reference: Path | None) -> list[Case]:
    """Return 64 lesions under 5,000 voxels.

    Real ones where the reference data are at hand: those of the studies that are small enough,
    taken again mirrored along one axis or more until there are 64. Else balls of about 800 voxels.
    """
    if reference:
        found = [
            _real(mask.parent, mask.parent.name, "PET")
            for mask in sorted((reference / "sts").glob("STS_*/PET_mask.nii.gz"))
        ]
        small = [case for case in found if case.voxels < SMALL]
        flips = [tuple(a for a in range(3) if bits[a]) for bits in product((0, 1), repeat=3)]
        mirrored = (
            _real(case.image.parent, f"{case.name}{''.join(map(str, flip))}", "PET", flip)
            for flip in flips
            for case in small
        )
        return list(islice(mirrored, N_BATCH))
    return [_made(folder, f"lesion_{k}", partial(_small_cube, k)) for k in range(N_BATCH)]


def _cube(edge: int) -> tuple[Array, Array]:
    return _smooth((edge, edge, edge), np.random.default_rng(SEED + edge)), _ball(edge)


def _small_cube(number: int) -> tuple[Array, Array]:
    rng = np.random.default_rng((SEED, number))
    return _smooth((24, 24, 24), rng), _lesion(24, 5.8, rng)


def _lesion(edge: int, radius: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a ball with an uneven surface in the middle of a cube."""
    from scipy import ndimage

    axis = np.arange(edge) - (edge - 1) / 2
    grid = np.meshgrid(axis, axis, axis, indexing="ij")
    distance = np.sqrt(sum(part**2 for part in grid))
    bumps = ndimage.gaussian_filter(rng.standard_normal((edge, edge, edge)), 2.0)
    return distance <= radius * (1 + 1.5 * bumps)


def label_map(folder: Path) -> Case:
    """Return a map of 300 lesions of about 1,000 voxels on the grid of a body in PET."""
    return _made(folder, "labels", partial(_labels, (160, 160, 300), 6.2), labels=True)


def big_map(folder: Path) -> Case:
    """Return a map of 300 lesions, two million voxels together, on a grid of 400 × 400 × 600."""
    return _made(folder, "big", partial(_labels, (400, 400, 600), 11.7), labels=True)


def _labels(shape: tuple[int, int, int], radius: float) -> tuple[Array, Array]:
    """Scatter 300 lesions over the cells of a lattice."""
    rng = np.random.default_rng(SEED)
    edge = int(2 * radius + 4)
    cells = [range(0, n - edge, edge) for n in shape]
    corners = rng.permutation(np.array(list(product(*cells))))
    mask = np.zeros(shape, dtype=np.uint16)
    for label, corner in enumerate(corners[:N_LABELS], start=1):
        part = tuple(slice(c, c + edge) for c in corner)
        mask[part][_lesion(edge, radius, rng)] = label
    return _tiled(shape, rng), mask


def _tiled(shape: tuple[int, int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Fill a large grid with copies of one smooth block, which wraps around at its ends."""
    block = _smooth((100, 100, 100), rng)
    repeats = [-(-n // 100) for n in shape]
    return np.tile(block, repeats)[: shape[0], : shape[1], : shape[2]]
