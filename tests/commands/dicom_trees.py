"""Small trees of DICOM files for tests of `petnet convert`, and readers of what it wrote."""

import csv
import gzip
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from pydicom import dcmread
from pydicom.config import disable_value_validation

from petnet.simulation.dicom.ct import write_ct
from petnet.simulation.dicom.pet import write_pet
from petnet.simulation.dicom.records import (
    SCANNERS,
    TRACERS,
    Examination,
    Injection,
    Person,
    SeriesLabel,
)
from petnet.simulation.dicom.rtstruct import write_rtstruct
from petnet.volume import Volume

SHAPE = (14, 12, 8)
AFFINE = np.array([[-4.0, 0, 0, 26.0], [0, -4.0, 0, 22.0], [0, 0, 4.0, -16.0], [0, 0, 0, 1]])


def pet_volume(seed=0, shape=SHAPE, affine=AFFINE):
    values = np.random.default_rng(seed).uniform(0.5, 6.0, shape).astype(np.float32)
    return Volume(values, affine, "SUVbw", "PT")


def ct_volume(seed=0, shape=SHAPE, affine=AFFINE):
    values = np.random.default_rng(seed).integers(-1000, 900, shape)
    return Volume(values.astype(np.int16), affine, "HU", "CT")


def box_mask(*corners, shape=SHAPE, affine=AFFINE):
    """A mask of the voxels from the first to the last corner, both included."""
    array = np.zeros(shape, dtype=bool)
    array[tuple(slice(a, b + 1) for a, b in corners)] = True
    return Volume(array, affine, "label", "MASK")


LESION = box_mask((3, 6), (4, 7), (2, 4))
NODE = box_mask((8, 9), (2, 3), (5, 6))


def examination(patient_id, day=0, tracer="FDG", name=None, institution="Simulated Hospital"):
    """A visit so many days after the fourth of May 2020, an hour after the injection."""
    start = datetime(2020, 5, 4, 11) + timedelta(days=day)
    person = Person(patient_id, name or f"Doe^{patient_id}")
    injection = Injection(TRACERS[tracer], start - timedelta(minutes=60), 3.5e8)
    visit = f"{tracer} {day}"
    scanner = SCANNERS["GE"]
    return Examination(person, visit, start, scanner, injection, institution=institution)


def write_study(folder, visit, ct=True, regions=None, seed=0):
    """Write PET, CT and contours of a visit; returns what was written of the PET."""
    pet = write_pet(folder / "pet", pet_volume(seed), visit)
    if ct:
        write_ct(folder / "ct", ct_volume(seed), visit)
    if regions is None:
        regions = {"GTV": LESION, "node 1": NODE}
    if regions:
        write_rtstruct(folder / "contours.dcm", regions, visit, pet)
    return pet


def named(number, description):
    return SeriesLabel(description, number, description)


def change(files, **values):
    """Set attributes of written files; None deletes one."""
    with disable_value_validation():
        for path in files:
            dataset = dcmread(path)
            for keyword, value in values.items():
                if value is None:
                    delattr(dataset, keyword)
                else:
                    setattr(dataset, keyword, value)
            dataset.save_as(path)


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def contents(folder):
    """Every file below a folder: its path and its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def plain_bytes(path):
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def fates(cohort):
    """What became of each series, mask and file: used_as, or the attribute that excludes it."""
    return {row["series"]: row["used_as"] or row["tag"] for row in rows(cohort / "series.csv")}


__all__ = [
    "AFFINE", "LESION", "NODE", "SHAPE", "box_mask", "change", "contents", "ct_volume",
    "examination", "fates", "named", "pet_volume", "plain_bytes", "replace", "rows", "write_study",
]  # fmt: skip
