"""Trees of files with known content: what is found of them."""

import os
import shutil

import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from written_series import datasets, ramp, save

from petnet.errors import InputError
from petnet.ingest.dicom.scan import scan_tree
from petnet.ingest.dicom.series import read_series

SYNTAXES = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}


@pytest.fixture
def one():
    return datasets(ramp())[0]


def without_prefix(path):
    path.write_bytes(path.read_bytes()[132:])


def without_meta(path):
    """Leave the dataset alone, as old files and some exports have it."""
    data = path.read_bytes()
    length = int.from_bytes(data[140:144], "little")  # value of FileMetaInformationGroupLength
    path.write_bytes(data[144 + length :])


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
def test_what_identifies_a_file_is_read_in_every_encoding(tmp_path, one, syntax):
    one.PatientID = " Ärzte^1 "
    one.SpecificCharacterSet = "ISO_IR 100"
    save(one, tmp_path / "deep" / "er" / "IM 1;1", syntax)
    tree = scan_tree(tmp_path)
    (file,) = tree.files
    assert (file.sop_class, file.sop_uid) == (one.SOPClassUID, one.SOPInstanceUID)
    assert (file.study_uid, file.series_uid) == (one.StudyInstanceUID, one.SeriesInstanceUID)
    assert (file.frame_of_reference, file.modality) == (one.FrameOfReferenceUID, "CT")
    assert file.patient_id == "Ärzte^1"
    assert file.path == tmp_path / "deep" / "er" / "IM 1;1"
    assert (tree.unreadable, tree.masks, tree.others) == ((), (), 0)


@pytest.mark.parametrize("name", ["implicit", "explicit", "big"])
@pytest.mark.parametrize("strip", [without_prefix, without_meta])
def test_files_without_prefix_are_dicom_too(tmp_path, name, strip):
    stored = ramp()
    for k, ds in enumerate(datasets(stored)):
        strip(save(ds, tmp_path / f"{k}", SYNTAXES[name]))
    series = read_series(scan_tree(tmp_path).files)
    from petnet.ingest.dicom.images import load_ct

    np.testing.assert_array_equal(load_ct(series).array, stored.transpose(2, 1, 0) - 24)


def test_a_tree_is_accounted_for_file_by_file(tmp_path, one):
    save(one, tmp_path / "b" / "image")
    save(one, tmp_path / "a.dcm")
    (tmp_path / "report.txt").write_text("ICAD")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "page.DCM").write_text("<html>moved</html>")
    (tmp_path / "thumb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    (tmp_path / ".hidden.dcm").write_bytes(b"x")
    (tmp_path / "._a.dcm").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(100))
    save(one, tmp_path / ".trash" / "old.dcm")
    for name in ("m.nii", "m.NII.gz", "m.nrrd", "m.seg.nrrd", "m.nhdr", "m.raw"):
        (tmp_path / name).write_bytes(b"mask")
    tree = scan_tree(tmp_path)
    assert [file.path for file in tree.files] == [tmp_path / "a.dcm", tmp_path / "b" / "image"]
    assert {path.name for path in tree.masks} == {
        "m.nii", "m.NII.gz", "m.nrrd", "m.seg.nrrd", "m.nhdr"
    }  # fmt: skip
    assert tree.others == 4  # report, empty, thumb, raw
    assert {one.path.name for one in tree.unreadable} == {"empty.dcm", "page.DCM"}
    assert list(tree.masks) == sorted(tree.masks)


def test_a_file_without_a_series_is_named(tmp_path, one):
    del one.SeriesInstanceUID
    save(one, tmp_path / "a")
    (unreadable,) = scan_tree(tmp_path).unreadable
    assert unreadable.tag == "SeriesInstanceUID (0020,000E)"
    assert unreadable.reason == "expected a UID, but got none"


def test_a_dicomdir_is_no_image(tmp_path, one):
    one.SOPClassUID = "1.2.840.10008.1.3.10"
    save(one, tmp_path / "DICOMDIR")
    tree = scan_tree(tmp_path)
    assert (tree.files, tree.unreadable, tree.others) == ((), (), 1)


def test_the_series_of_many_patients_are_told_apart(tmp_path, one):
    for patient in "AB":
        one.PatientID, one.SeriesInstanceUID = patient, f"1.2.{ord(patient)}"
        save(one, tmp_path / "mixed" / f"{patient}1")
        save(one, tmp_path / "mixed" / f"{patient}2")
    found = [(file.patient_id, file.series_uid) for file in scan_tree(tmp_path).files]
    assert found == [("A", "1.2.65")] * 2 + [("B", "1.2.66")] * 2


def test_links_are_followed_and_loops_end(tmp_path, one):
    root = tmp_path / "root"
    save(one, root / "z" / "real")
    save(one, tmp_path / "elsewhere" / "afar")
    (root / "a_loop").symlink_to(root)
    (root / "z" / "up").symlink_to("..")
    (root / "self").symlink_to("self")
    (root / "again").symlink_to(root / "z" / "real")
    (root / "afar").symlink_to(tmp_path / "elsewhere")
    (root / "afar2").symlink_to(tmp_path / "elsewhere" / "afar")
    (root / "gone").symlink_to(tmp_path / "nowhere")
    tree = scan_tree(root)
    assert [file.path for file in tree.files] == [root / "afar" / "afar", root / "z" / "real"]
    assert {one.path.name for one in tree.unreadable} == {"self", "gone"}
    assert tree == scan_tree(root)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.dcm")
    assert scan_tree(tmp_path).others == 1


def test_a_huge_file_is_not_read_whole(tmp_path):
    """A sparse file of 64 GB, once of zeros and once beginning as DICOM does."""
    for name, head in (
        ("zeros", b"\0"),
        ("prefix", bytes(128) + b"DICM"),
        ("group", b"\x08\0\x05\0"),
    ):
        with (tmp_path / name).open("wb") as file:
            file.write(head)
            file.truncate(2**36)
    tree = scan_tree(tmp_path)
    assert tree.files == ()
    assert {one.path.name for one in tree.unreadable} >= {"prefix"}


def test_headers_longer_than_what_is_read_at_first(tmp_path, one):
    """A long private element before the UIDs, and one that ends just where the first read ends."""
    for size in (2**12, 2**13, 2**16, 2**20, *range(7600, 8300, 2)):
        one.private_block(0x0009, "LONG", create=True).add_new(0x01, "OB", bytes(size))
        save(one, tmp_path / f"{size}")
    tree = scan_tree(tmp_path)
    assert tree.unreadable == ()
    assert {file.series_uid for file in tree.files} == {"1.2.3.2"}
    assert {file.frame_of_reference for file in tree.files} == {"1.2.3.3"}
    assert len(tree.files) == 353


def test_every_cut_of_a_file_is_told(tmp_path, one):
    path = save(one, tmp_path / "whole.dcm")
    data = path.read_bytes()
    cuts = tmp_path / "cuts"
    cuts.mkdir()
    for size in range(0, len(data), 7):
        (cuts / f"{size:05d}.dcm").write_bytes(data[:size])
    tree = scan_tree(cuts)
    assert len(tree.files) + len(tree.unreadable) == len(range(0, len(data), 7))
    for file in tree.files:
        assert file.series_uid == "1.2.3.2"[: len(file.series_uid)]


def test_the_result_does_not_depend_on_the_workers(tmp_path, one):
    for k in range(2100):
        one.SOPInstanceUID = f"1.2.{k}"
        if k < 3:
            source = save(one, tmp_path / f"{k}")
        else:
            shutil.copy(source, tmp_path / f"{k}")
    alone = scan_tree(tmp_path)
    assert len(alone.files) == 2100
    assert scan_tree(tmp_path, workers=2) == alone


def test_progress_sees_every_file(tmp_path, one):
    for k in range(5):
        save(one, tmp_path / f"{k}")
    seen = []

    def watch(found, total):
        for item in found:
            seen.append(total)
            yield item

    assert len(scan_tree(tmp_path, watch=watch).files) == 5
    assert seen == [5] * 5


@pytest.mark.parametrize("name", ["absent", "file"])
def test_no_folder_is_an_error(tmp_path, name):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="expected a folder"):
        scan_tree(tmp_path / name)
