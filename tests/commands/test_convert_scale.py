"""`petnet convert`: structure sets of several series, two runs at once, memory."""

import errno
import fcntl
import socket
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from dicom_trees import (
    AFFINE,
    LESION,
    NODE,
    box_mask,
    contents,
    ct_volume,
    examination,
    named,
    pet_volume,
    rows,
    write_study,
)
from pydicom import dcmread

from petnet.cli import main
from petnet.simulation.dicom.ct import write_ct
from petnet.simulation.dicom.pet import write_pet
from petnet.simulation.dicom.rtstruct import write_rtstruct

VISIT = examination("A")


def convert(tree, out, *more):
    return main(["convert", f"input='{tree}'", f"out='{out}'", "workers=1", *more])


def masks(out):
    """Mask of each region, by its name and grid, read by nibabel alone."""
    found = {}
    for row in rows(out / "rois.csv"):
        labels = np.asarray(nib.load(out / row["path"]).dataobj)
        found[row["roi"], row["grid"]] = labels == int(row["label"])
    return found


# --- one structure set, drawn on several series --------------------------------------------------

FINE = AFFINE @ np.diag([0.5, 0.5, 1.0, 1.0])
FINE_SHAPE = (28, 24, 8)
ON_CT = box_mask((5, 12), (7, 9), (2, 5), shape=FINE_SHAPE, affine=FINE)


def joined(path, *others):
    """Put the structures of several files into the first, with all that they refer to."""
    first = dcmread(path)
    for other in map(dcmread, others):
        shift = len(first.StructureSetROISequence)
        for item in other.StructureSetROISequence:
            item.ROINumber += shift
        for item in (*other.ROIContourSequence, *other.RTROIObservationsSequence):
            item.ReferencedROINumber += shift
        for word in (
            "StructureSetROISequence",
            "ROIContourSequence",
            "RTROIObservationsSequence",
        ):
            getattr(first, word).extend(getattr(other, word))
        (study,) = first.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
        (more,) = other.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
        study.RTReferencedSeriesSequence.extend(more.RTReferencedSeriesSequence)
    return first


@pytest.fixture
def both(tmp_path):
    """A PET and a finer CT, and a file with structures of each."""
    tree = tmp_path / "tree"
    pet = write_pet(tree / "pet", pet_volume(), VISIT)
    ct = write_ct(tree / "ct", ct_volume(shape=FINE_SHAPE, affine=FINE), VISIT)
    of_pet = {"GTV_PET": LESION, "node 1": NODE}
    write_rtstruct(tmp_path / "of pet", of_pet, VISIT, pet)
    write_rtstruct(tmp_path / "of ct", {"GTV_CT": ON_CT}, VISIT, ct)
    return tree, joined(tmp_path / "of pet", tmp_path / "of ct")


def test_each_structure_goes_to_the_series_it_was_drawn_on(both, tmp_path):
    tree, file = both
    file.save_as(tree / "contours.dcm")
    out = tmp_path / "out"
    assert convert(tree, out) == 0
    found = masks(out)
    assert set(found) == {("GTV_PET", "pet"), ("node_1", "pet"), ("GTV_CT", "ct")}
    np.testing.assert_array_equal(found["GTV_PET", "pet"], LESION.array)
    np.testing.assert_array_equal(found["node_1", "pet"], NODE.array)
    np.testing.assert_array_equal(found["GTV_CT", "ct"], ON_CT.array)
    lesions = {row["roi"]: row["lesion_uid"] for row in rows(out / "rois.csv")}
    assert lesions["GTV_PET"] == lesions["GTV_CT"] != lesions["node_1"]
    assert not [
        row for row in rows(out / "warnings.csv") if row["region"] or "series" in row["warning"]
    ]
    assert not rows(out / "excluded.csv")


def test_a_structure_that_names_no_slice_goes_to_the_first_series_of_the_file(both, tmp_path):
    tree, file = both
    for contour in file.ROIContourSequence[2].ContourSequence:
        del contour.ContourImageSequence
    file.save_as(tree / "contours.dcm")
    out = tmp_path / "out"
    assert convert(tree, out) == 0
    assert {(row["roi"], row["grid"]) for row in rows(out / "rois.csv")} == {
        ("GTV_PET", "pet"), ("node_1", "pet"), ("GTV_CT", "pet"),
    }  # fmt: skip
    said = [row["warning"] for row in rows(out / "warnings.csv")]
    assert "it refers to several series: put on the first that is used" in said


def test_structures_in_a_frame_of_their_own_are_left_out_by_name(both, tmp_path):
    """Those of a CT of another frame, which is not used, cannot be put onto another image."""
    tree, file = both
    other = examination("A", day=400, tracer="FAPI")
    far = write_ct(tree / "far", ct_volume(3), other, named(40, "CT elsewhere"))
    write_rtstruct(tmp_path / "far", {"GTV far": LESION, "liver": NODE}, other, far)
    file.save_as(tmp_path / "joined")
    joined(tmp_path / "joined", tmp_path / "far").save_as(tree / "contours.dcm")
    away = dcmread(tree / "contours.dcm")
    for item in away.StructureSetROISequence[3:]:
        item.ReferencedFrameOfReferenceUID = dcmread(far.paths[0]).FrameOfReferenceUID
    away.save_as(tree / "contours.dcm")
    out = tmp_path / "out"
    assert convert(tree, out) == 0
    assert len(masks(out)) == 3
    left = [row for row in rows(out / "excluded.csv") if row["region"]]
    assert [(row["region"], row["tag"]) for row in left] == [
        ("GTV far", "referenced series"),
        ("liver", "referenced series"),
    ]
    used = {row["modality"]: row["used_as"] for row in rows(out / "series.csv")}
    assert used["RTSTRUCT"] == "regions"


# --- two runs at once -------------------------------------------------------------------------

HOLD = """
import sys, time
from pathlib import Path
from petnet.ingest.conversion.folder_lock import folder_lock
with folder_lock(Path(sys.argv[1]), "out"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def held():
    """Return a function that lets another process hold a folder; it is killed in the end."""
    started = []

    def hold(folder):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def tree(tmp_path):
    write_study(tmp_path / "tree", VISIT)
    return tmp_path / "tree"


@pytest.mark.parametrize("folder", ["out", "key"])
def test_two_runs_at_once_are_refused(folder, tree, held, tmp_path, capfd):
    out = tmp_path / "out"
    other = held({"out": out / ".convert", "key": tmp_path / "out-key"}[folder])
    before = contents(tmp_path)
    assert convert(tree, out) == 2
    said = capfd.readouterr().err
    assert f"{folder}: expected a folder that no other run is writing into" in said
    assert f"process {other.pid} on {socket.gethostname()}" in said
    assert contents(tmp_path) == before


def test_what_a_killed_run_holds_is_taken_over(tree, held, tmp_path):
    out = tmp_path / "out"
    for folder in (out / ".convert", tmp_path / "out-key"):
        other = held(folder)
        other.kill()
        other.wait()
        assert (folder / ".lock").read_text() == f"process {other.pid} on {socket.gethostname()}"
    assert convert(tree, out) == 0
    assert len(rows(out / "studies.csv")) == 1
    assert not list(tmp_path.rglob(".lock"))


def test_of_many_processes_one_at_a_time_holds_a_folder(tmp_path):
    """Each adds one to a number that it has read before, as often as it gets the lock."""
    script = """
import sys, time
from pathlib import Path
from petnet.errors import InputError
from petnet.ingest.conversion.folder_lock import folder_lock
folder, number, done = Path(sys.argv[1]), Path(sys.argv[1]) / "number", 0
while done < 25:
    try:
        with folder_lock(folder, "out"):
            found = int(number.read_text())
            time.sleep(0.001)
            number.write_text(str(found + 1))
            done += 1
    except InputError:
        time.sleep(0.0005)
"""
    (tmp_path / "number").write_text("0")
    command = [sys.executable, "-c", script, str(tmp_path)]
    for process in [subprocess.Popen(command) for _ in range(4)]:
        assert process.wait(120) == 0
    assert (tmp_path / "number").read_text() == "100"


def test_without_locks_the_log_says_so(tree, tmp_path, monkeypatch, capfd):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    assert convert(tree, tmp_path / "out") == 0
    assert "no locks on this system" in capfd.readouterr().err


def test_a_folder_that_is_no_folder_leaves_nothing(tmp_path, capfd):
    assert convert(tmp_path / "nowhere", tmp_path / "out") == 2
    assert "no such folder" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())
