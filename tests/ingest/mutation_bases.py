"""Small series that `mutations` breaks: as bytes of files, with what reading them must give.

The truth is what was handed to the writers of `petnet.simulation`, which share no code with
`petnet.ingest`; that unbroken files are read as that is tested, too.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from petnet.simulation.dicom.ct import write_ct
from petnet.simulation.dicom.enhanced import write_enhanced_pet
from petnet.simulation.dicom.files import Storage
from petnet.simulation.dicom.pet import write_pet
from petnet.simulation.dicom.pet_values import PetStyle
from petnet.simulation.dicom.records import (
    SCANNERS,
    TRACERS,
    Examination,
    Injection,
    Person,
    SeriesLabel,
)
from petnet.simulation.dicom.rtstruct import write_rtstruct
from petnet.simulation.dicom.segments import write_seg
from petnet.volume import Volume

SHAPE = (9, 7, 6)
AFFINE = np.array([[-4.0, 0, 0, 16.0], [0, -4.0, 0, 12.0], [0, 0, 4.0, -10.0], [0, 0, 0, 1.0]])
HIGHEST = 6.0  # SUV
#: Half a step of the 16 bits in which the writers store.
PET_TOLERANCE = HIGHEST / 32767 / 2 * 1.01
PERSON = Person("id of the patient", "Doe^Planted", "19600131", "F", 71.0, 1.63)
SCAN = datetime(2020, 5, 4, 11, 3, 7)

#: Classic PET: vendor, tracer, how it is written, how it is stored.
PET = {
    "ge": ("GE", "FDG", PetStyle(beds=3), "none"),
    "ge late": ("GE", "FDG", PetStyle(beds=2, reprocessed=True), "implicit"),
    "siemens": ("Siemens", "FDG", PetStyle(beds=2, injected="time"), "none"),
    "siemens late": ("Siemens", "FDG", PetStyle(injected="time", reprocessed=True), "none"),
    "rle": ("Siemens", "FDG", PetStyle(injected="time", one_slope=True), "rle"),
    "activity": ("Philips", "FDG", PetStyle("CNTS", philips="activity"), "none"),
    "philips": ("Philips", "FDG", PetStyle("CNTS"), "none"),
    "gml": ("GE", "FDG", PetStyle("GML"), "jpeg-ls"),
    "cm2ml": ("GE", "FDG", PetStyle("CM2ML"), "none"),
    "none": ("GE", "FDG", PetStyle(decay="NONE", beds=3, injected="datetime"), "none"),
    "fapi": ("Siemens", "FAPI", PetStyle(decay="ADMIN", mbq=True), "none"),
}
ENHANCED = "enhanced"
CT = {"ct": "implicit", "ct jpeg-ls": "jpeg-ls"}
REGIONS = ("rtstruct", "seg", "seg fractional", "seg labelmap")
NAMES = (*PET, ENHANCED, *CT, *REGIONS)


@dataclass(frozen=True, eq=False)
class Base:
    """Files of one series, and what they hold.

    Attributes
    ----------
    use : {"pet", "ct", "rtstruct", "seg"}
    files : tuple of bytes
        In the order of the slices.
    truth : dict
        Arrays by number: an image's has the number 0, a region's its own.
    tolerance : float
    """

    name: str
    use: str
    files: tuple[bytes, ...]
    truth: dict
    tolerance: float = 0.0


@cache
def base(name):
    """Return the series of that name."""
    with TemporaryDirectory() as made:
        return _made(name, Path(made))


def masks():
    """Two regions that touch neither each other nor the edge."""
    one, other = np.zeros((2, *SHAPE), bool)
    one[2:5, 1:4, 1:5] = True
    one[3, 2, 2] = False
    other[6:8, 4:6, 2:4] = True
    return {1: one, 2: other}


def visit(vendor, tracer="FDG"):
    """The examination of the one patient."""
    injection = Injection(TRACERS[tracer], SCAN - timedelta(minutes=62), 3.4e8)
    return Examination(PERSON, "visit", SCAN, SCANNERS[vendor], injection)


def suv_volume():
    values = np.random.default_rng(5).uniform(0.05, 1.0, SHAPE) * HIGHEST
    values[4, 3] = HIGHEST  # in every slice, so that all have one step
    return Volume(values.astype(np.float32), AFFINE, "SUVbw", "PT")


def hu_volume():
    values = np.random.default_rng(6).integers(-1000, 1500, SHAPE).astype(np.int16)
    return Volume(values, AFFINE, "HU", "CT")


def _made(name, folder):
    label = SeriesLabel(name, 1 + NAMES.index(name), "WB")
    if name in PET:
        vendor, tracer, style, syntax = PET[name]
        storage = Storage(syntax=syntax, from_last=vendor == "GE")
        made = write_pet(folder, suv_volume(), visit(vendor, tracer), style, label, storage)
        return Base(name, "pet", _bytes(made.paths), {0: suv_volume().array}, PET_TOLERANCE)
    if name == ENHANCED:
        made = write_enhanced_pet(folder, suv_volume(), visit("GE"), PetStyle(beds=2), label)
        return Base(name, "pet", _bytes(made.paths[:1]), {0: suv_volume().array}, PET_TOLERANCE)
    if name in CT:
        storage = Storage(syntax=CT[name])
        made = write_ct(folder, hu_volume(), visit("GE"), label, storage)
        return Base(name, "ct", _bytes(made.paths), {0: hu_volume().array})
    pet = write_pet(folder, suv_volume(), visit("GE"))
    regions = {f"region {n}": Volume(m, AFFINE, "label", "MASK") for n, m in masks().items()}
    path = folder / "regions.dcm"
    if name == "rtstruct":
        write_rtstruct(path, regions, visit("GE"), pet)
        return Base(name, "rtstruct", _bytes([path]), masks())
    write_seg(path, regions, visit("GE"), pet, name.removeprefix("seg").strip() or "binary")
    return Base(name, "seg", _bytes([path]), masks())


def _bytes(paths):
    return tuple(path.read_bytes() for path in paths)
