"""MONAI dictionary transforms from stored images to one grid, on the chosen device.

The CPU only decompresses; the stored dtype is uploaded. Everything after is done on the device,
on the part of the image that the target grid touches. MONAI's own transforms orient, crop, filter
and resample; those here add what MONAI lacks: the header's slope and intercept, label sets, a grid
defined by the lesion, and values outside of the field of view.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.networks.layers.convutils import gaussian_1d
from monai.networks.layers.simplelayers import separable_filtering
from monai.transforms.croppad.array import SpatialCrop
from monai.transforms.spatial.array import SpatialResample
from monai.transforms.transform import MapTransform
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.imaging.grid import Grid
from petnet.volume import StoredImage, read_stored

__all__ = [
    "Antialiasd",
    "BoxAroundGridd",
    "Indicatord",
    "LesionGridd",
    "LoadStoredd",
    "ResampleToGridd",
    "Scaled",
    "Uniond",
    "apply",
]

Data = dict[Hashable, Any]
Reader = Callable[[Path], StoredImage]
TRUNCATE = 4.0  # standard deviations of the anti-alias filter; as scipy.ndimage
# Types that torch cannot compute with, and the smallest that holds all their values.
WIDER = {"uint16": np.int32, "uint32": np.int64, "uint64": np.int64, "float128": np.float64}


def apply(transforms: Iterable[Callable[[Data], Data]], data: Data) -> Data:
    """Apply transforms in turn; errors pass as they are (Compose turns them to RuntimeError)."""
    for transform in transforms:
        data = transform(data)
    return data


class LoadStoredd(MapTransform):
    """Replace paths by (1, X, Y, Z) MetaTensors of the stored dtype on the device.

    The header's `slope` and `intercept`, and the `source` path, are in the meta data.

    Parameters
    ----------
    keys : keys of the paths
    device : torch.device or str
    reader : callable
        Path to StoredImage; petnet.volume.read_stored, or one that has read ahead.
    """

    def __init__(
        self,
        keys: Sequence[str],
        device: torch.device | str,
        reader: Reader = read_stored,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.device, self.reader = torch.device(device), reader

    def __call__(self, data: Mapping[Hashable, Any]) -> Data:
        """Load each key."""
        made = dict(data)
        for key in self.key_iterator(made):
            path = Path(made[key])
            stored = self.reader(path)
            tensor = _as_tensor(stored.array, path).to(self.device)[None]
            made[key] = MetaTensor(
                tensor,
                affine=torch.from_numpy(stored.affine),
                meta={
                    "slope": stored.slope,
                    "intercept": stored.intercept,
                    "source": str(path),
                },
            )
        return made


def _as_tensor(array: NDArray[Any], path: Path) -> torch.Tensor:
    if array.dtype.kind not in "iufb":
        raise InputError(str(path), "voxel type", "real numbers", str(array.dtype))
    array = array.astype(array.dtype.newbyteorder("="), copy=not array.flags.writeable)
    wider = WIDER.get(array.dtype.name)
    return torch.from_numpy(array if wider is None else array.astype(wider))


class Scaled(MapTransform):
    """Turn stored numbers into quantities: stored · slope + intercept, as float32.

    Where the result is not finite, as in the padding of some reconstructions, it becomes `outside`.

    Parameters
    ----------
    keys : keys of the images
    outside : for each key, the value outside of the field of view
    masks : keys of the indicators, not yet resampled

    Raises
    ------
    InputError
        A value inside a mask is not finite.
    """

    def __init__(
        self,
        keys: Sequence[str],
        outside: Sequence[float],
        masks: Sequence[str] = (),
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.outside, self.masks = dict(zip(keys, outside, strict=True)), tuple(masks)

    def __call__(self, data: Mapping[Hashable, Any]) -> Data:
        """Scale each key."""
        made = dict(data)
        for key in self.key_iterator(made):
            image = made[key]
            meta = image.meta
            image = (image.double() * meta["slope"] + meta["intercept"]).float()
            undefined: MetaTensor = ~torch.isfinite(image)  # type: ignore[assignment]
            if bool(undefined.any()):
                if any(_overlap(undefined, made[mask]) for mask in self.masks):
                    raise InputError(
                        meta["source"],
                        "voxel values",
                        "finite numbers inside the mask",
                        "NaN or inf",
                    )
                image = torch.where(undefined, self.outside[str(key)], image)
            made[key] = image
        return made


def _overlap(a: MetaTensor, b: MetaTensor) -> bool:
    """Tell whether a voxel of either indicator has its centre in a voxel of the other."""
    return _centre_within(a, b) or _centre_within(b, a)


def _centre_within(a: MetaTensor, b: MetaTensor) -> bool:
    to_b = torch.linalg.solve(b.affine.double(), a.affine.double()).to(a.device)
    index = a.as_tensor()[0].nonzero().double() @ to_b[:3, :3].T + to_b[:3, 3]
    nearest = index.round().long()
    size = torch.tensor(b.shape[1:], device=a.device)
    x, y, z = nearest[((nearest >= 0) & (nearest < size)).all(1)].unbind(1)
    return bool(b.as_tensor()[0][x, y, z].any())


class Indicatord(MapTransform):
    """Turn label maps into indicators: 1 where the label is one of a set, else 0 (uint8).

    Parameters
    ----------
    keys : keys of the label maps
    labels : for each key, a set of integers; None takes every voxel above 0

    Raises
    ------
    InputError
        None of the labels occurs.
    """

    def __init__(self, keys: Sequence[str], labels: Sequence[frozenset[int] | None]) -> None:
        super().__init__(keys)
        self.labels = dict(zip(keys, labels, strict=True))

    def __call__(self, data: Mapping[Hashable, Any]) -> Data:
        """Make each key an indicator."""
        made = dict(data)
        for key in self.key_iterator(made):
            values, labels = made[key], self.labels[str(key)]
            slope, intercept = values.meta["slope"], values.meta["intercept"]
            if (slope, intercept) != (1.0, 0.0):
                values = values.double() * slope + intercept
            if labels is None:
                chosen = values > 0
            else:
                chosen = torch.zeros_like(values, dtype=torch.bool)
                for label in sorted(labels):
                    chosen = chosen | (values == label)
            if not bool(chosen.any()):
                wanted = "a voxel above 0" if labels is None else f"a voxel of label {set(labels)}"
                raise InputError(values.meta["source"], "mask", wanted, "none")
            made[key] = chosen.to(torch.uint8)
        return made


class LesionGridd(MapTransform):
    """Lay the crop's grid around the union of masks; before any resampling.

    Its middle is the lattice position nearest to the middle of the box, in world millimetres,
    around the centres of all voxels of the masks. Adds `grid` (Grid), `lesion_mm` (3,) (centroid)
    and `covered` (the part of the delineated volume that lies in the grid).
    """

    def __init__(self, keys: Sequence[str], shape: Sequence[int], spacing_mm: float) -> None:
        super().__init__(keys)
        self.shape, self.spacing_mm = tuple(shape), spacing_mm

    def __call__(self, data: Mapping[Hashable, Any]) -> Data:
        """Add grid, lesion_mm and covered."""
        points, volumes = [], []
        for key in self.key_iterator(dict(data)):
            affine = data[key].affine.double()
            index = data[key].as_tensor()[0].nonzero().double()
            affine = affine.to(index.device)
            points.append(index @ affine[:3, :3].T + affine[:3, 3])
            volumes.append(torch.linalg.det(affine[:3, :3]).abs().expand(len(index)))
        world, volume = torch.cat(points), torch.cat(volumes)
        middle = (world.amin(0) + world.amax(0)) / 2
        grid = Grid.around(middle.cpu().numpy(), self.shape, self.spacing_mm)
        low, high = (torch.as_tensor(v, device=world.device) for v in grid.outer_mm())
        inside = ((world >= low) & (world <= high)).all(1)
        centroid = (world * volume[:, None]).sum(0) / volume.sum()
        covered = float(volume[inside].sum() / volume.sum())
        return {
            **data,
            "grid": grid,
            "lesion_mm": centroid.cpu().numpy(),
            "covered": min(covered, 1.0),
        }


class BoxAroundGridd(MapTransform):
    """Cut images to the voxels that `grid` touches, with a margin for filters.

    The whole image's affine and shape stay in the meta data (`field_affine`, `field_shape`), as
    the field of view is that of the whole image.

    Parameters
    ----------
    antialias_mm : float
        Spacing that `Antialiasd` will be given; 0 for none.
    """

    def __init__(
        self, keys: Sequence[str], antialias_mm: float = 0.0, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.antialias_mm = antialias_mm

    def __call__(self, data: Mapping[Hashable, Any]) -> Data:
        """Cut each key."""
        made = dict(data)
        for key in self.key_iterator(made):
            image = made[key]
            affine = image.affine.numpy()
            size = np.array(image.shape[1:])
            low, high = data["grid"].bounds_in(affine)
            margin = 2 + np.array([_reach(s) for s in _sigmas(affine, self.antialias_mm)])
            start = np.clip(low - margin, 0, size - 1)
            stop = np.clip(high + margin + 1, start + 1, size)
            image.meta["field_affine"] = affine
            image.meta["field_shape"] = tuple(image.shape[1:])
            made[key] = SpatialCrop(roi_start=start.tolist(), roi_end=stop.tolist())(image)
        return made


class Antialiasd(MapTransform):
    """Smooth images along the axes that are finer than the grid they will be sampled on.

    A Gaussian (sampled, cut at 4 standard deviations, border values repeated) of standard
    deviation (spacing_mm / native − 1) / 2 native voxels, as scikit-image does for resizing.
    """

    def __init__(
        self, keys: Sequence[str], spacing_mm: float, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.spacing_mm = spacing_mm

    def __call__(self, data: Mapping[Hashable, Any]) -> Data:
        """Smooth each key."""
        made = dict(data)
        for key in self.key_iterator(made):
            image = made[key]
            sigmas = _sigmas(image.affine.numpy(), self.spacing_mm)
            if not any(sigmas):
                continue
            # In float64: CUDA convolves float32 in TF32 by default, which is 1 HU in 1000.
            wide = image.as_tensor().double()[None]
            smooth = separable_filtering(wide, [_kernel(s) for s in sigmas], mode="replicate")
            made[key] = MetaTensor(smooth[0].float(), meta=image.meta)
        return made


def _sigmas(affine: NDArray[np.float64], spacing_mm: float) -> list[float]:
    native = np.linalg.norm(affine[:3, :3], axis=0)
    return [max(0.0, (spacing_mm / float(n) - 1.0) / 2.0) for n in native]


def _reach(sigma: float) -> int:
    return math.ceil(sigma * TRUNCATE + 0.5)


def _kernel(sigma: float) -> torch.Tensor:
    if sigma == 0:
        return torch.ones(1)
    kernel: torch.Tensor = gaussian_1d(torch.tensor(sigma), TRUNCATE, "sampled", normalize=True)
    return kernel


class ResampleToGridd(MapTransform):
    """Sample images on `grid` by trilinear interpolation, in float64; the result is float32.

    Inside the field of view border values go on for the last half voxel; outside of it (more
    than half a voxel beyond the outermost voxel centres) stands `outside`. This is the rule of
    ITK's ResampleImageFilter.

    Parameters
    ----------
    keys : keys of the images
    outside : for each key, the value outside of the field of view
    """

    def __init__(
        self, keys: Sequence[str], outside: Sequence[float], allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.outside = dict(zip(keys, outside, strict=True))
        self.resample = SpatialResample("bilinear", "border", align_corners=False, dtype=np.float64)

    def __call__(self, data: Mapping[Hashable, Any]) -> Data:
        """Resample each key."""
        made = dict(data)
        grid: Grid = data["grid"]
        for key in self.key_iterator(made):
            image = made[key]
            field, shape = image.meta["field_affine"], image.meta["field_shape"]
            sampled = self.resample(image, torch.from_numpy(grid.affine), grid.shape)
            inside = _inside(grid, field, shape, image.device)
            made[key] = torch.where(inside, sampled, self.outside[str(key)])
        return made


def _inside(
    grid: Grid, field: NDArray[np.float64], shape: Sequence[int], device: torch.device
) -> torch.Tensor:
    """Return (X, Y, Z) bool: whether each voxel centre of `grid` lies in an image's voxels."""
    to_index = np.linalg.solve(field, grid.affine)
    steps = torch.meshgrid(
        *[torch.arange(n, device=device, dtype=torch.float64) for n in grid.shape], indexing="ij"
    )
    inside = torch.ones(grid.shape, dtype=torch.bool, device=device)
    for axis in range(3):
        x, y, z, offset = (float(v) for v in to_index[axis])
        at = x * steps[0] + y * steps[1] + z * steps[2] + offset
        inside &= (at >= -0.5 - 1e-9) & (at <= shape[axis] - 0.5 + 1e-9)
    return inside


class Uniond(MapTransform):
    """Join resampled indicators to one binary mask (uint8): 1 where any is at least 0.5.

    A lesion smaller than the grid's voxels may reach 0.5 nowhere; then the one voxel nearest to
    `lesion_mm` is 1, and `point_mask` in the data is True.
    """

    def __init__(self, keys: Sequence[str], to: str = "mask") -> None:
        super().__init__(keys)
        self.to = to

    def __call__(self, data: Mapping[Hashable, Any]) -> Data:
        """Add the union."""
        made = dict(data)
        parts = [made.pop(key) for key in self.key_iterator(dict(data))]
        union = torch.stack([part.as_tensor() >= 0.5 for part in parts]).any(0)
        grid: Grid = data["grid"]
        made["point_mask"] = not bool(union.any())
        if made["point_mask"]:
            index = np.rint(data["lesion_mm"] / grid.spacing_mm).astype(int) - grid.first
            i, j, k = np.clip(index, 0, np.array(grid.shape) - 1).tolist()
            union[0, i, j, k] = True
        made[self.to] = MetaTensor(union.to(torch.uint8), affine=torch.from_numpy(grid.affine))
        return made
