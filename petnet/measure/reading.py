"""Units and studies as they are read: lesion quantities, and the regions that features need."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from petnet.errors import PetnetError
from petnet.ingest.quality import check_defined, implausible_hu
from petnet.measure.layout import compartment_prefix, grouped, series_prefix
from petnet.measure.lesion import burden, lesion_quantities, nothing_delineated, reference_mean
from petnet.measure.pet import read_pet
from petnet.measure.regions import BoxedMask, Reader, lesion_masks, once, union
from petnet.measure.rows import Job, Reading
from petnet.task import Task
from petnet.units import Series, Study, Unit
from petnet.volume import Volume, read_volume

__all__ = ["read_study", "read_unit"]


def read_unit(unit: Unit, task: Task, modalities: Collection[str]) -> Reading:
    """Read a unit's studies, its one row; each PET, CT and label map once for all compartments.

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
    jobs: list[Job] = []
    for series in unit.series:
        read = once()
        if series.pet is not None and not series.regions:
            measured |= _named(task, series, {})
        elif series.pet is not None:
            pet = read_pet(series.pet, series.tracer)
            lesions = _lesions(task, series, pet, "pet", read)
            references = _references(task.references, series, pet, read)
            measured |= _named(
                task,
                series,
                {
                    name: burden([lesion_quantities(*mask.cut(pet)) for mask in masks], references)
                    for name, masks in lesions.items()
                },
            )
            jobs += _jobs(unit.id, task, series, pet, lesions) if "PT" in modalities else []
        if series.ct is not None and series.regions and "CT" in modalities:
            ct = _read_ct(series.ct)
            jobs += _jobs(unit.id, task, series, ct, _lesions(task, series, ct, "ct", read))
    return Reading({unit.id: measured}, jobs)


def read_study(
    study: Study, references: Sequence[str], modalities: Collection[str], quantities: bool = True
) -> Reading:
    """Read a study; each PET, CT and label map once for all rows.

    A row whose mask or values are at fault fails by itself. A PET, CT or reference region that
    cannot be read is the fault of all.

    Parameters
    ----------
    references : sequence of str
        Regions of the body whose mean uptake the rows' is set against.
    modalities : collection of {"PT", "CT"}
        Of the features that are wanted beside the lesion quantities.
    quantities : bool
        Whether lesion quantities are wanted at all; without them, and without features of PET, the
        PET is not looked at.

    Raises
    ------
    PetnetError
        As `read_unit`.
    """
    series, read = study.series, once()
    images: dict[str, Volume] = {}
    means: dict[str, float] = {}
    if series.pet is not None and (quantities or "PT" in modalities):
        images["pet"] = read_pet(series.pet, series.tracer)
        means = _references(references, series, images["pet"], read)
    if series.ct is not None and "CT" in modalities:
        images["ct"] = _read_ct(series.ct)
    made = Reading({}, [])
    for row in study.rows:
        jobs: list[Job] = []
        measured: dict[str, float] = {}
        try:
            for grid, image in images.items():
                masks = lesion_masks(row.regions, image, grid, read)
                _check_defined(masks, image, series)
                if grid == "pet" and quantities:
                    found = burden([lesion_quantities(*mask.cut(image)) for mask in masks], means)
                    measured = {f"measure__{name}": value for name, value in found.items()}
                if image.modality in modalities:
                    jobs.append(Job(row.name, "", image, union(masks)))
        except PetnetError as error:
            made.failed[row.name] = str(error)
            continue
        made.measured[row.name] = measured
        made.jobs.extend(jobs)
    return made


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
    for masks in found.values():
        _check_defined(masks, image, series)
    return found


def _check_defined(masks: Sequence[BoxedMask], image: Volume, series: Series) -> None:
    for mask in masks:
        check_defined(*mask.cut(image), str(series.pet if image.modality == "PT" else series.ct))


def _references(
    names: Sequence[str], series: Series, pet: Volume, read: Reader
) -> dict[str, float]:
    """Return the mean SUV of each reference region; NaN for those not delineated."""
    made = dict.fromkeys(names, float("nan"))
    for name in names:
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


def _jobs(
    unit: str,
    task: Task,
    series: Series,
    image: Volume,
    lesions: Mapping[str, Sequence[BoxedMask]],
) -> list[Job]:
    prefix = series_prefix(task, series.arm, series.timepoint)
    return [
        Job(unit, prefix + compartment_prefix(name), image, union(masks))
        for name, masks in lesions.items()
    ]
