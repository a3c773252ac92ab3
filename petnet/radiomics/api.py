"""One call for notebooks: features of an image and its mask as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.extractor import Extraction, extract_labels, extract_regions
from petnet.radiomics.featureset import FeatureSet
from petnet.radiomics.gate import SEPARATOR, flag_notes
from petnet.radiomics.presets import Features, sets_of
from petnet.volume import Modality, Unit, Volume, read_mask, read_volume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Picture", "as_image", "as_mask", "extract"]

#: An image or a mask: the path of a NIfTI file, a Volume, or an (X, Y, Z) array.
Picture = str | Path | Volume | NDArray[Any]
UNIT_OF: dict[str, Unit] = {"PT": "SUVbw", "CT": "HU"}


def extract(
    image: Picture,
    mask: Picture,
    features: Features = "pet",
    *,
    modality: str | None = None,
    spacing_mm: Sequence[float] | None = None,
    labels: bool | Sequence[int] = False,
    flagged: bool = False,
    device: str = "auto",
) -> pd.DataFrame:
    """Compute the features of one region, or of every label of a map.

    Parameters
    ----------
    image : path, Volume or (X, Y, Z) array
        A NIfTI file or an array is taken to be PET in SUV or CT in HU, by `modality`.
    mask : path, Volume or (X, Y, Z) array
        On the grid of the image; an array takes over that grid. The region is where it is not 0.
    features : str, path, FeatureSet or sequence of FeatureSet
        A preset of `configs/features` ("pet", "ct", "core", "all", ...), a YAML file like those, or
        sets. Sets of the other modality are left out.
    modality : {"PT", "CT"}, optional
        By default that of the Volume, or of the sets if they are all of one.
    spacing_mm : three floats, optional
        Voxel edges of an image that is an array; needed there, refused elsewhere.
    labels : bool or sequence of int
        Whether the mask is a map of labels with a row each: all of them, or those wanted, each
        once.
    flagged : bool
        Whether to append the column "flagged": which sets and families the region is too small or
        too flat for (`petnet.radiomics.gate`).
    device : {"auto", "cpu", "cuda"}

    Returns
    -------
    DataFrame
        Float64, a row per region. Indexed by label where there are labels, else by 0.

    Raises
    ------
    InputError
        As `extract_regions`; a file that cannot be read, or features that do not fit the image.

    Examples
    --------
    >>> import numpy as np
    >>> from petnet.radiomics import extract
    >>> suv, labels = np.ones((4, 4, 4)), np.zeros((4, 4, 4), int)
    >>> labels[:2], labels[2:] = 1, 2
    >>> table = extract(suv, labels, "first_order", spacing_mm=(4, 4, 4), labels=True, device="cpu")
    >>> table["pt_first__original_morph_volume_voxel_counting"].to_dict()
    {1: 2048.0, 2: 2048.0}
    """
    given = image.modality if isinstance(image, Volume) else None
    sets = sets_of(features, modality or given)
    volume = as_image(image, sets[0].modality, spacing_mm)
    if labels is False:
        region = as_mask(mask, volume)
        done = extract_regions([volume], [region], sets, device)
    else:
        wanted = None if labels is True else _wanted(labels)
        region = as_mask(mask, volume, labels=True)
        done = extract_labels(volume, region, sets, device, wanted)
        done.table.index.name = "label"
    return _with_notes(done, sets) if flagged else done.table


def _wanted(labels: Any) -> list[int]:
    """Return labels as whole numbers, each once."""
    asked = np.asarray(labels)
    if asked.size == 0:
        asked = asked.astype(np.int64)
    if asked.ndim != 1 or asked.dtype.kind not in "iu" or len(set(asked.tolist())) < len(asked):
        expected = "true, false or a list of whole numbers, each once"
        raise InputError("extract", "labels", expected, repr(labels))
    made: list[int] = asked.tolist()
    return made


def _with_notes(done: Extraction, sets: Sequence[FeatureSet]) -> pd.DataFrame:
    notes = [SEPARATOR.join(row) for row in flag_notes(done.flagged, sets)]
    return done.table.assign(flagged=notes)


def as_image(
    image: Picture,
    modality: Modality,
    spacing_mm: Sequence[float] | None,
    what: str = "extract",
) -> Volume:
    """Return an image as a Volume.

    Parameters
    ----------
    what : str
        Begins messages.

    Raises
    ------
    InputError
        As `read_volume`; an array that is not of real numbers or without its spacing, or spacing of
        what has its own.
    """
    if isinstance(image, Volume | str | Path):
        if spacing_mm is not None:
            raise InputError(what, "spacing_mm", "none, as the image has its own", str(spacing_mm))
        return (
            image
            if isinstance(image, Volume)
            else read_volume(Path(image), UNIT_OF[modality], modality)
        )
    if spacing_mm is None:
        raise InputError(what, "spacing_mm", "three voxel edges of the array in mm", "none")
    edges = np.asarray(spacing_mm)
    positive = edges.dtype.kind in "iuf" and np.isfinite(edges).all() and (edges > 0).all()
    if edges.shape != (3,) or not positive:
        raise InputError(what, "spacing_mm", "three positive numbers", repr(spacing_mm))
    array = _real(image, what, "image")
    return Volume(array, np.diag([*edges.astype(float), 1.0]), UNIT_OF[modality], modality)


def as_mask(mask: Picture, image: Volume, labels: bool = False, what: str = "extract") -> Volume:
    """Return a mask, or a map of labels, as a Volume; an array lies on the grid of the image.

    Parameters
    ----------
    what : str
        Begins messages.

    Raises
    ------
    InputError
        As `read_mask`; an array of another shape than the image, or not of real numbers.
    """
    if isinstance(mask, Volume):
        return mask
    if isinstance(mask, str | Path):
        return read_volume(Path(mask), "label", "MASK") if labels else read_mask(Path(mask))
    array = _real(mask, what, "mask")
    if array.shape != image.array.shape:
        expected = f"{image.array.shape}, as the image"
        raise InputError(what, "shape of the mask", expected, str(array.shape))
    return Volume(array, image.affine, "label", "MASK")


def _real(picture: Any, what: str, field: str) -> NDArray[Any]:
    """Return an array of real numbers, of any of NumPy's types for them."""
    array = np.asarray(picture)
    if array.dtype.kind not in "biuf":
        expected = "a path, a Volume, or an array of real numbers"
        found = f"{type(picture).__name__} of {array.dtype}"
        raise InputError(what, field, expected, found)
    return array
