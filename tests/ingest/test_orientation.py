"""Orientation end to end: DICOM as SimpleITK and highdicom read it, NIfTI as `convert` wrote it.

PET, CT, contours and segments of four patients whose slices are axial, sagittal, coronal and
oblique go through `petnet convert`. The same physical point must have the same value, whoever
reads: no step here asks petnet where a voxel is.
"""

import csv
from dataclasses import dataclass
from datetime import datetime, timedelta

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk

from petnet.cli import main
from petnet.simulation.dicom.ct import write_ct
from petnet.simulation.dicom.files import Storage, oriented, tilted
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
from petnet.simulation.dicom.segments import write_seg
from petnet.volume import Volume

ORIENTATIONS = ("axial", "sagittal", "coronal", "oblique", "from_below")
SPACING = {"pet": (4.0, 3.0, 5.0), "ct": (2.0, 2.5, 3.0)}
SHAPE = {"pet": (11, 13, 9), "ct": (22, 16, 15)}  # odd and even, no two alike on one grid
CORNER = (-21.0, -18.5, 33.25)
# SUVbw of 1 Bq/ml: 70 kg, and 350 MBq of F-18 (6586.2 s) decayed for an hour
FACTOR = 70_000 / (3.5e8 * 2 ** (-3600 / 6586.2))


def laid(array, grid, unit, modality, orientation):
    """Lay an array on a grid, its axes towards right, front and head, and turn it as asked."""
    affine = np.diag([*SPACING[grid], 1.0])
    affine[:3, 3] = CORNER
    volume = Volume(array, affine, unit, modality)
    if orientation == "oblique":
        return tilted(volume, 23.0)
    if orientation == "from_below":  # slices run from head to feet
        affine = affine @ np.diag([1.0, 1.0, -1.0, 1.0])
        affine[2, 3] += SPACING[grid][2] * (array.shape[2] - 1)
        return Volume(array[:, :, ::-1], affine, unit, modality)
    return oriented(volume, orientation)


def blob(grid, orientation, part):
    """A region without any symmetry: two boxes of unlike sizes that touch."""
    mask = np.zeros(SHAPE[grid], dtype=bool)
    i, j, k = part
    mask[i : i + 4, j : j + 2, k : k + 3] = True
    mask[i + 1 : i + 3, j + 2 : j + 5, k + 1 : k + 2] = True
    return laid(mask, grid, "label", "MASK", orientation)


@dataclass(frozen=True, eq=False)
class Case:
    """One patient: folders of the series, the file of segments, masks as they were planted."""

    pet: str
    ct: str
    segments: str
    planted: dict
    written: dict  # column or region name -> path of the NIfTI file, and label


def write_patient(folder, orientation):
    start = datetime(2021, 3, 2, 10)
    injection = Injection(TRACERS["FDG"], start - timedelta(minutes=60), 3.5e8)
    person = Person(orientation, f"Doe^{orientation}")
    visit = Examination(person, "visit", start, SCANNERS["Siemens"], injection)
    generator = np.random.default_rng(len(orientation))
    suv = generator.uniform(0.2, 9.0, SHAPE["pet"]).astype(np.float32)
    hu = generator.integers(-1000, 1500, SHAPE["ct"]).astype(np.int16)
    backwards = Storage("{uid}", from_last=True)  # neither name nor number tells the order
    pet = write_pet(
        folder / "pet", laid(suv, "pet", "SUVbw", "PT", orientation), visit, storage=backwards
    )
    ct = write_ct(folder / "ct", laid(hu, "ct", "HU", "CT", orientation), visit, storage=backwards)
    drawn = {
        "pet tumour": blob("pet", orientation, (2, 3, 4)),
        "pet node": blob("pet", orientation, (6, 7, 1)),
        "ct tumour": blob("ct", orientation, (5, 4, 6)),
        "ct node": blob("ct", orientation, (13, 9, 10)),
        "ct mass": blob("ct", orientation, (1, 1, 1)),
    }
    on_pet = {name: mask for name, mask in drawn.items() if name.startswith("pet")}
    on_ct = {name: mask for name, mask in drawn.items() if name in ("ct tumour", "ct node")}
    write_rtstruct(folder / "pet.dcm", on_pet, visit, pet)
    write_seg(folder / "seg.dcm", on_ct, visit, ct)
    label = SeriesLabel("more", 31, "CT contours")
    write_rtstruct(folder / "ct.dcm", {"ct mass": drawn["ct mass"]}, visit, ct, label=label)
    return drawn


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    root = tmp_path_factory.mktemp("orientations")
    tree, out = root / "in", root / "out"
    planted = {name: write_patient(tree / name, name) for name in ORIENTATIONS}
    assert main(["convert", f"input='{tree}'", f"out='{out}'", "workers=1"]) == 0
    ids = {r["patient"]: r["PatientID"] for r in rows(root / "out-key" / "patients.csv")}
    made = {}
    for study in rows(out / "studies.csv"):
        mine = [r for r in rows(out / "rois.csv") if r["study"] == study["study"]]
        written = {grid: out / study[grid] for grid in ("pet", "ct")}
        written |= {r["roi"].replace("_", " "): (out / r["path"], int(r["label"])) for r in mine}
        folder = tree / ids[study["patient"]]
        parts = [str(folder / name) for name in ("pet", "ct", "seg.dcm")]
        made[ids[study["patient"]]] = Case(*parts, planted[ids[study["patient"]]], written)
    return made


@pytest.fixture(params=ORIENTATIONS)
def case(request, cases):
    return cases[request.param]


def series(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
    reader.SetOutputPixelType(sitk.sitkFloat64)
    return reader.Execute()


def seen_from(grid, image):
    """Values of `image` at the voxel centres of `grid`; NaN-like -9999 where it has none."""
    put = sitk.Resample(
        sitk.Cast(image, sitk.sitkFloat64), grid, sitk.Transform(), sitk.sitkNearestNeighbor,
        -9999.0,
    )  # fmt: skip
    return sitk.GetArrayFromImage(put)


def test_pet_has_the_scanners_values_at_every_point_simpleitk(case):
    truth, image = series(case.pet), sitk.ReadImage(str(case.written["pet"]))
    expected = sitk.GetArrayFromImage(truth) * FACTOR
    np.testing.assert_allclose(seen_from(truth, image), expected, rtol=1e-6, atol=1e-6)
    assert sorted(image.GetSize()) == sorted(truth.GetSize()) == sorted(SHAPE["pet"])
    assert len(np.unique(expected)) > 0.9 * expected.size  # so no two axes can be swapped unseen


def test_ct_has_the_scanners_values_at_every_point_simpleitk(case):
    truth, image = series(case.ct), sitk.ReadImage(str(case.written["ct"]))
    np.testing.assert_array_equal(seen_from(truth, image), sitk.GetArrayFromImage(truth))
    assert sorted(image.GetSize()) == sorted(truth.GetSize()) == sorted(SHAPE["ct"])


def points_of(mask):
    """Centres of the voxels of a planted mask, in the axes of DICOM."""
    index = np.argwhere(mask.array)
    return (index @ mask.affine[:3, :3].T + mask.affine[:3, 3]) * [-1.0, -1.0, 1.0]


@pytest.mark.parametrize("roi", ["pet tumour", "pet node", "ct tumour", "ct node", "ct mass"])
def test_labels_lie_at_the_points_that_were_drawn_simpleitk(case, roi):
    path, label = case.written[roi]
    image = sitk.ReadImage(str(path))
    points = points_of(case.planted[roi])
    found = [image[image.TransformPhysicalPointToIndex(point)] for point in points]
    assert set(found) == {label}
    assert int((sitk.GetArrayFromImage(image) == label).sum()) == len(points)


@pytest.mark.parametrize(("roi", "number"), [("ct tumour", 1), ("ct node", 2)])
def test_segments_are_where_highdicom_reads_them(case, roi, number):
    volume = hd.seg.segread(case.segments).get_volume(segment_numbers=[number])
    index = np.argwhere(volume.array[..., 0] > 0)
    points = volume.map_indices_to_reference(index)
    path, label = case.written[roi]
    image = sitk.ReadImage(str(path))
    found = {image.TransformPhysicalPointToIndex([float(x) for x in point]) for point in points}
    labels = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    assert found == {tuple(int(n) for n in at) for at in np.argwhere(labels == label)}
