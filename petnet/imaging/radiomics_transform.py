"""Radiomics inside a MONAI pipeline: features of the images of a dictionary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform

from petnet.errors import InputError
from petnet.radiomics.api import UNIT_OF
from petnet.radiomics.columns import columns
from petnet.radiomics.extractor import extract_regions
from petnet.radiomics.featureset import FeatureSet
from petnet.radiomics.presets import Features, sets_of
from petnet.volume import Modality, Unit, Volume

__all__ = ["ExtractRadiomicsd"]


class ExtractRadiomicsd(MapTransform):
    """Compute radiomics of images and add them as one vector.

    Parameters
    ----------
    keys : keys of the images
        (1, X, Y, Z) MetaTensors: PET in SUV or CT in HU, with their affine in the meta data. What
        a pipeline has done to them before (resampling, augmentation) is what is measured; features
        of the scanner's own voxels need the images as they were loaded.
    mask_key : key, or one for each image
        (1, X, Y, Z) on the grid of the image; the region is where it is not 0.
    features : features of `petnet.radiomics.extract`, or a list of them, one for each image
    modality : {"PT", "CT"}, or one for each image, optional
        Needed where a preset has sets of either.
    device : {"auto", "cpu", "cuda"}
        Where texture is counted, wherever the tensors lie.
    to : key
        Under which the (F,) float64 tensor is added; a loader stacks it to (B, F).

    Attributes
    ----------
    columns : tuple of str
        The F names, image by image.

    Raises
    ------
    InputError
        A column would be there twice; as `petnet.radiomics.extract` when called.
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        mask_key: str | Sequence[str],
        features: Features | Sequence[Features] = "pet",
        modality: str | Sequence[str | None] | None = None,
        device: str = "auto",
        to: str = "radiomics",
    ) -> None:
        super().__init__(keys)
        several = isinstance(features, list | tuple) and features
        single = not several or isinstance(several[0], FeatureSet)
        given = _each(features, single, self.keys, "features")
        kinds = _each(
            modality, modality is None or isinstance(modality, str), self.keys, "modality"
        )
        masks = _each(mask_key, isinstance(mask_key, str), self.keys, "mask_key")
        self.masks = dict(zip(self.keys, masks, strict=True))
        self.sets: dict[Hashable, tuple[FeatureSet, ...]] = {
            key: sets_of(one, kind) for key, one, kind in zip(self.keys, given, kinds, strict=True)
        }
        names = [name for sets in self.sets.values() for one in sets for name in columns(one)]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            expected = "sets of different names for different images"
            raise InputError("ExtractRadiomicsd", "features", expected, f"{twice[0]!r} twice")
        self.columns = tuple(names)
        self.device, self.to = device, to

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the vector."""
        made = dict(data)
        values = [self._values(made, key) for key in self.keys]
        made[self.to] = torch.from_numpy(np.concatenate(values))
        return made

    def _values(self, data: Mapping[Hashable, Any], key: Hashable) -> Any:
        sets = self.sets[key]
        modality: Modality = sets[0].modality
        image = _volume(data[key], str(key), UNIT_OF[modality], modality)
        mask = _volume(data[self.masks[key]], str(self.masks[key]), "label", "MASK")
        return extract_regions([image], [mask], sets, self.device, [key]).table.to_numpy()[0]


def _each(given: Any, single: bool, keys: Sequence[Hashable], what: str) -> list[Any]:
    """Return one for each key; a single one is for all."""
    values = [given] * len(keys) if single else list(given)
    if len(values) != len(keys):
        expected = f"one, or one for each of {len(keys)} keys"
        raise InputError("ExtractRadiomicsd", what, expected, f"{len(values)}")
    return values


def _volume(tensor: Any, key: str, unit: Unit, modality: Modality) -> Volume:
    if not isinstance(tensor, MetaTensor):
        raise InputError(key, "type", "a MetaTensor, which knows its affine", type(tensor).__name__)
    if tensor.ndim != 4 or tensor.shape[0] != 1:
        raise InputError(key, "shape", "(1, X, Y, Z)", str(tuple(tensor.shape)))
    array = tensor.as_tensor()[0].detach().cpu().numpy()
    affine = tensor.affine.detach().cpu().numpy().astype(np.float64)
    return Volume(array, affine, unit, modality)
