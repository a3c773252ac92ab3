"""One unit's studies: lesion quantities measured as they are read, and what texture still needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from petnet.errors import PetnetError
from petnet.ingest.quality import check_defined, implausible_hu, implausible_suv
from petnet.measure.layout import compartment_prefix, grouped, series_prefix
from petnet.measure.lesion import burden, lesion_quantities, nothing_delineated, reference_mean
from petnet.measure.regions import BoxedMask, Reader, lesion_masks, once, union
from petnet.task import Task
from petnet.units import Series, Unit
from petnet.volume import Volume, read_volume

__all__ = ["Image", "UnitImages", "read_unit"]


@dataclass(frozen=True, eq=False)
class Image:
    """One image of a unit and the masks of its compartments, by the prefix of their columns."""

    volume: Volume
    masks: dict[str, BoxedMask]

    @property
    def nbytes(self) -> int:
        """Bytes of the voxels."""
        return int(self.volume.array.nbytes + sum(m.array.nbytes for m in self.masks.values()))


@dataclass(frozen=True, eq=False)
class UnitImages:
    """What is known of one unit.

    Attributes
    ----------
    measured : dict of str to float
        Lesion quantities by column.
    images : list of Image
        Those that features are to be computed of.
    """

    measured: dict[str, float]
    images: list[Image]

    @property
    def nbytes(self) -> int:
        """Bytes of the voxels."""
        return sum(image.nbytes for image in self.images)


def read_unit(unit: Unit, task: Task, modalities: Collection[str]) -> UnitImages:
    """Read a unit's studies; each PET, CT and label map once for all compartments.

    A compartment without a region of interest in a study that has a PET is known to hold nothing:
    its count and volumes are 0 (`nothing_delineated`). Without the study, or without its PET, there
    is nothing known, and no value.

    Parameters
    ----------
    modalities : collection of {"PT", "CT"}
        Of the features that are wanted beside the lesion quantities.

    Raises
    ------
    PetnetError
        A file cannot be read or does not fit, or the PET is not in SUV or the CT not in
        HU.
    """
    measured: dict[str, float] = {}
    images: list[Image] = []
    for series in unit.series:
        read = once()
        if series.pet is not None and not series.regions:
            measured |= _named(task, series, {})
        elif series.pet is not None:
            pet = _read_pet(series, series.pet)
            lesions = _lesions(task, series, pet, "pet", read)
            references = _references(task, series, pet, read)
            measured |= _named(
                task,
                series,
                {
                    name: burden([lesion_quantities(*mask.cut(pet)) for mask in masks], references)
                    for name, masks in lesions.items()
                },
            )
            images += [_image(task, series, pet, lesions)] if "PT" in modalities else []
        if series.ct is not None and series.regions and "CT" in modalities:
            ct = _read_ct(series.ct)
            images.append(_image(task, series, ct, _lesions(task, series, ct, "ct", read)))
    return UnitImages(measured, images)


def _read_pet(series: Series, path: Path) -> Volume:
    pet = read_volume(path, "SUVbw", "PT", series.tracer)
    fault = implausible_suv(pet)
    if fault:
        raise PetnetError(f"{path}: {fault}")
    return pet


def _read_ct(path: Path) -> Volume:
    ct = read_volume(path, "HU", "CT")
    fault = implausible_hu(ct)
    if fault:
        raise PetnetError(f"{path}: {fault}")
    return ct


def _lesions(
    task: Task, series: Series, image: Volume, native: str, read: Reader
) -> dict[str, list[BoxedMask]]:
    """Return the lesions of each compartment that has a region of interest."""
    parts = grouped(task, series)
    found = {name: lesion_masks(rois, image, native, read) for name, rois in parts.items() if rois}
    for mask in (mask for masks in found.values() for mask in masks):
        check_defined(*mask.cut(image), str(series.pet if native == "pet" else series.ct))
    return found


def _references(task: Task, series: Series, pet: Volume, read: Reader) -> dict[str, float]:
    """Return the mean SUV of each of the task's reference regions; NaN for those not delineated."""
    made = dict.fromkeys(task.references, float("nan"))
    for name in task.references:
        rois = [r for r in series.references if r.region == name]
        if rois:
            part, mask = union(lesion_masks(rois, pet, "pet", read)).cut(pet)
            check_defined(part, mask, str(series.pet))
            made[name] = reference_mean(part, mask)
    return made


def _named(
    task: Task, series: Series, found: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """Return quantities by column; in compartments not in `found` nothing was delineated."""
    prefix = series_prefix(task, series.arm, series.timepoint)
    return {
        f"{prefix}{compartment_prefix(name)}measure__{quantity}": value
        for name in task.compartments
        for quantity, value in found.get(name, nothing_delineated(task.references)).items()
    }


def _image(
    task: Task, series: Series, volume: Volume, lesions: Mapping[str, Sequence[BoxedMask]]
) -> Image:
    prefix = series_prefix(task, series.arm, series.timepoint)
    masks = {prefix + compartment_prefix(name): union(masks) for name, masks in lesions.items()}
    return Image(volume, masks)
