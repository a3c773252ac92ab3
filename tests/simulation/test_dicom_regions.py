"""Outlines, RTSTRUCT and SEG of masks: by brute force, highdicom, SimpleITK and `petnet.ingest`."""

from datetime import datetime, timedelta

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from petnet.ingest.regions.rtstruct import read_rtstruct, structure_region
from petnet.simulation.dicom.enhanced import write_enhanced_pet
from petnet.simulation.dicom.files import oriented, tilted
from petnet.simulation.dicom.outlines import keyholed, outlines
from petnet.simulation.dicom.pet import write_pet
from petnet.simulation.dicom.records import SCANNERS, TRACERS, Examination, Injection, Person
from petnet.simulation.dicom.rtstruct import write_rtstruct
from petnet.simulation.dicom.segments import write_seg
from petnet.volume import Volume

START = datetime(2024, 3, 5, 10, 0, 0)
SHAPE = (11, 9, 5)
ORIENTATIONS = ("axial", "sagittal", "coronal", "oblique")
NAMES = ("GTV", "LN_4R", "Liver")


def turned(volume, how):
    return tilted(volume, -33.0) if how == "oblique" else oriented(volume, how)


def images(how="axial"):
    rng = np.random.default_rng(6)
    affine = np.diag([-4.0, -3.5, 3.0, 1.0])
    affine[:3, 3] = [20.0, 31.5, -60.0]
    pet = Volume(rng.gamma(2, 1, SHAPE), affine, "SUVbw", "PT")
    masks = {}
    for name, share in zip(NAMES, (0.2, 0.5, 0.8), strict=True):  # they overlap
        masks[name] = Volume((rng.random(SHAPE) < share).astype(np.uint8), affine, "label", "MASK")
    return turned(pet, how), {name: turned(mask, how) for name, mask in masks.items()}


def examination():
    injection = Injection(TRACERS["FDG"], START - timedelta(hours=1), 2e8)
    return Examination(Person("X1", "Doe^Jo"), "study", START, SCANNERS["Siemens"], injection)


def crossings(loops, x, y):
    """Count by the definition how often a ray towards growing x crosses the edges of loops."""
    count = 0
    for loop in loops:
        for (x0, y0), (x1, y1) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                count += 1
    return count


@pytest.mark.parametrize("way", ["nested", "keyhole"])
@pytest.mark.parametrize("seed", range(12))
def test_brute_force_outlines_hold_the_centres_of_the_mask(seed, way):
    mask = np.random.default_rng(seed).random((9, 7)) < (seed + 1) / 13
    parts = outlines(mask)
    loops = [loop for part in parts for loop in ([keyholed(part)] if way == "keyhole" else part)]
    for (i, j), inside in np.ndenumerate(mask):
        assert crossings(loops, i, j) % 2 == inside
    area = [x @ np.roll(y, -1) - y @ np.roll(x, -1) for x, y in (loop.T for loop in loops)]
    assert sum(area) / 2 == mask.sum()


def test_outlines_of_a_ring_and_of_voxels_that_touch_at_a_corner():
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    ((outer, hole),) = outlines(ring)
    corners = {(-0.5, -0.5), (2.5, -0.5), (2.5, 2.5), (-0.5, 2.5)}
    assert {tuple(point) for point in outer.tolist()} == corners
    assert len(hole) == 4
    assert [len(part) for part in outlines(np.eye(2, dtype=bool))] == [1, 1]
    assert outlines(np.zeros((3, 3), bool)) == []


@pytest.mark.parametrize("holes", ["nested", "keyhole"])
@pytest.mark.parametrize("how", ORIENTATIONS)
def test_contours_give_the_masks_back(how, holes, tmp_path):
    pet, masks = images(how)
    written = write_pet(tmp_path / "pet", pet, examination())
    path = tmp_path / "rs.dcm"
    write_rtstruct(path, masks, examination(), written, holes)
    found = read_rtstruct(path)
    assert found.series_uids == (written.series_uid,)
    assert [structure.name for structure in found.structures] == list(NAMES)
    for structure in found.structures:
        region = structure_region(structure, pet.array.shape, pet.affine)
        np.testing.assert_array_equal(region.mask, masks[structure.name].array > 0)


@pytest.mark.parametrize("how", ORIENTATIONS)
def test_simpleitk_finds_contours_half_way_between_voxels(how, tmp_path):
    pet, masks = images(how)
    write_rtstruct(
        tmp_path / "rs.dcm", masks, examination(), write_pet(tmp_path / "pet", pet, examination())
    )
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "pet"))
    seen = sitk.ReadImage(names)
    for contours in pydicom.dcmread(tmp_path / "rs.dcm").ROIContourSequence:
        for contour in contours.ContourSequence[::5]:
            for point in np.reshape(contour.ContourData, (-1, 3)).astype(float):
                i, j, k = seen.TransformPhysicalPointToContinuousIndex(point.tolist())
                halves = np.array([i + 0.5, j + 0.5, k])
                np.testing.assert_allclose(halves, np.rint(halves), atol=1e-4)


@pytest.mark.parametrize("kind", ["binary", "fractional", "labelmap"])
@pytest.mark.parametrize("how", ORIENTATIONS)
def test_highdicom_reads_the_masks_back(how, kind, tmp_path):
    pet, masks = images(how)
    if kind == "labelmap":  # which holds one segment a voxel
        free = ~np.any([masks[name].array > 0 for name in NAMES[1:]], axis=0)
        masks = {"GTV": masks["GTV"].with_array((masks["GTV"].array * free).astype(np.uint8))}
    written = write_pet(tmp_path / "pet", pet, examination())
    write_seg(tmp_path / "seg.dcm", masks, examination(), written, kind)
    found = hd.seg.segread(tmp_path / "seg.dcm")
    frames = found.get_pixels_by_source_instance(
        written.sop_uids, assert_missing_frames_are_empty=True
    )
    assert [found.get_segment_description(n).segment_label for n in found.segment_numbers] == list(
        masks
    )
    for n, mask in enumerate(masks.values()):
        expected = mask.array.transpose(2, 1, 0) * (0.75 if kind == "fractional" else 1)
        np.testing.assert_allclose(frames[..., n], expected)


def test_segments_of_an_enhanced_pet(tmp_path):
    pet, masks = images("oblique")
    written = write_enhanced_pet(tmp_path / "pet", pet, examination())
    write_seg(tmp_path / "seg.dcm", masks, examination(), written)
    found = hd.seg.segread(tmp_path / "seg.dcm")
    frames = found.get_pixels_by_source_frame(written.sop_uids[0], range(1, SHAPE[2] + 1))
    for n, mask in enumerate(masks.values()):
        np.testing.assert_array_equal(frames[..., n], mask.array.transpose(2, 1, 0))


def test_files_of_regions_are_the_same_each_time(tmp_path):
    pet, masks = images()
    written = write_pet(tmp_path / "pet", pet, examination())
    for run in ("a", "b"):
        write_seg(tmp_path / f"{run}.seg", masks, examination(), written)
        write_rtstruct(tmp_path / f"{run}.rs", masks, examination(), written)
    for kind in ("seg", "rs"):
        first, second = ((tmp_path / f"{run}.{kind}").read_bytes() for run in ("a", "b"))
        assert first == second
