"""`petnet convert` where disks are full, processes die, and trees, names and ids are odd."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import unicodedata

import nibabel as nib
import numpy as np
import pytest
from dicom_trees import (
    AFFINE,
    LESION,
    NODE,
    box_mask,
    change,
    contents,
    ct_volume,
    examination,
    fates,
    named,
    pet_volume,
    plain_bytes,
    rows,
    write_study,
)
from pydicom import dcmread

from petnet.cli import main
from petnet.cohort import read_cohort
from petnet.ingest.conversion import images as convert_images
from petnet.simulation.dicom.ct import write_ct
from petnet.simulation.dicom.extras import write_capture
from petnet.simulation.dicom.pet import write_pet
from petnet.simulation.dicom.segments import write_seg

MR = "1.2.840.10008.5.1.4.1.1.4"


def asked(tree, out, *more):
    return ["convert", f"input='{tree}'", f"out='{out}'", *more]


def convert(tree, out, *more, workers=1):
    return main(asked(tree, out, f"workers={workers}", *more))


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def stamps(out):
    """Image files by patient: name and inode."""
    made = {}
    for path in out.glob("images/*/*"):
        made.setdefault(path.parent.name, set()).add((path.name, path.stat().st_ino))
    return made


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    tree = tmp_path_factory.mktemp("template")
    write_study(tree / "ann", examination("ann"), seed=1)
    write_study(tree / "bob", examination("bob"), seed=2)
    return tree


@pytest.fixture
def two(template, tmp_path):
    return shutil.copytree(template, tmp_path / "in")


def warnings(out):
    return {(row["patient"], row["warning"]) for row in rows(out / "warnings.csv")}


# Processes and disks


def test_workers_end_with_a_conversion_that_is_killed_alone(tmp_path):
    """Whoever lives on keeps the pipe open, so that reading it to its end would not come back."""
    tree, out = tmp_path / "in", tmp_path / "out"
    for number in range(6):
        write_study(tree / str(number), examination(f"id {number}"))
    process = subprocess.Popen(
        [sys.executable, "-m", "petnet.cli", *asked(tree, out)],
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        while process.poll() is None and not list(out.glob(".convert/P*.json")):
            pass
        process.kill()
        process.communicate(timeout=120)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def full_disk():
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))


def test_a_full_disk_is_said_and_what_is_there_is_whole(two, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "petnet.cli", *asked(two, out, "workers=2")]
    done = subprocess.run(command, preexec_fn=full_disk, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 2
    assert "with room for it, but got File too large" in said
    assert "Traceback" not in said
    assert not [path for path in files_in(out) if ".tmp-" in path.name or path.suffix == ".gz"]
    assert convert(two, out) == 0
    assert convert(two, tmp_path / "whole") == 0
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize("out", ["/proc/cohort", "/dev/null/cohort"])
def test_a_folder_that_cannot_be_written_is_refused_first(two, out, capsys):
    assert convert(two, out) == 2
    assert "out: expected a folder" in capsys.readouterr().err


# Only what must be done again is, and all of that


def test_a_run_that_broke_off_leaves_no_image_of_other_input_behind(two, tmp_path, monkeypatch):
    """The input changes, a run on it breaks off, the input is as it was: so must be the images.

    One voxel of a CT of nothing else is 78 instead of 77: the file has the very same size.
    """
    out, spare = tmp_path / "out", tmp_path / "spare"
    plain = ct_volume().with_array(np.zeros((14, 12, 8), np.int16))
    plain.array[5, 5, 2] = 77
    write_ct(two / "ann" / "ct", plain, examination("ann"))
    assert convert(two, out) == 0
    before = contents(out)
    shutil.copytree(two / "ann", spare)
    plain.array[5, 5, 2] = 78
    write_ct(two / "ann" / "ct", plain, examination("ann"))

    def broken(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(convert_images, "_write_rows", broken)
        assert convert(two, out) == 130
    name = "images/P0001/P0001_baseline_fdg_ct.nii.gz"
    assert contents(out)[name] != before[name]
    assert len(contents(out)[name]) == len(before[name])
    shutil.rmtree(two / "ann")
    shutil.move(spare, two / "ann")
    assert convert(two, out) == 0
    assert contents(out) == before


CHANGED = {
    "rules": "regions.otherwise=null",
    "kind of SUV": "suv=SUVbsa",
    "components": "split_components=true",
}


@pytest.mark.parametrize(
    "case", [c if c == "rules" else pytest.param(c, marks=pytest.mark.full) for c in CHANGED]
)
def test_other_settings_give_what_they_would_have_given_at_first(case, two, tmp_path):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    write_study(two / "ann 2", examination("ann", day=50), regions={"odd": LESION, "GTV": NODE})
    assert convert(two, out) == 0
    first = contents(out)
    assert convert(two, out, CHANGED[case]) == 0
    assert contents(out) != first
    shutil.copytree(tmp_path / "out-key", tmp_path / "fresh-key")
    assert convert(two, fresh, CHANGED[case]) == 0
    assert contents(out) == contents(fresh)
    assert convert(two, out) == 0
    assert contents(out) == first


def test_a_slice_that_goes_and_a_mask_that_comes_concern_one_patient_each(two, tmp_path):
    out = tmp_path / "out"
    assert convert(two, out) == 0
    before = stamps(out)
    first, *_ = files_in(two / "ann" / "pet")
    first.unlink()
    assert convert(two, out) == 0
    after = stamps(out)
    assert after["P0002"] == before["P0002"]
    assert after["P0001"] != before["P0001"]
    assert any(who == "P0001" and "7 slices" in said for who, said in warnings(out))
    mask = nib.Nifti1Image(NODE.array.astype(np.uint8), AFFINE)
    nib.save(mask, two / "bob" / "spot.nii")
    assert convert(two, out) == 0
    assert stamps(out)["P0001"] == after["P0001"]
    assert fates(out)["F0001"] == "regions"
    shutil.copytree(tmp_path / "out-key", tmp_path / "fresh-key")
    assert convert(two, tmp_path / "fresh") == 0
    assert contents(tmp_path / "fresh") == contents(out)


# Trees as they come


def test_one_flat_folder_of_everything_gives_the_same(tmp_path):
    """Visits, tracers and patients in one folder, under names that say and sort nothing."""
    tree, flat = tmp_path / "in", tmp_path / "flat"
    write_study(tree / "1", examination("ann"), seed=1)
    write_study(tree / "2", examination("ann", day=70), seed=2)
    write_study(tree / "3", examination("ann", day=71, tracer="FAPI"), seed=3, ct=False)
    write_study(tree / "4", examination("bob"), seed=4)
    flat.mkdir()
    paths = files_in(tree)
    for number, path in enumerate(paths):
        shutil.copy(path, flat / str((number * 37) % len(paths)))
    assert len(files_in(flat)) == len(paths)
    assert convert(tree, tmp_path / "a") == convert(flat, tmp_path / "b") == 0
    assert len(rows(tmp_path / "a" / "studies.csv")) == 4
    images = [{k: v for k, v in contents(tmp_path / run / "images").items() if k.endswith("gz")}
              for run in "ab"]  # fmt: skip
    assert images[0] == images[1]
    assert rows(tmp_path / "a" / "studies.csv") == rows(tmp_path / "b" / "studies.csv")


def test_of_two_pet_and_two_ct_in_a_study_one_pair_is_made(tmp_path):
    tree, out = tmp_path / "in", tmp_path / "out"
    visit = examination("ann")
    write_study(tree / "1", visit)
    second = write_pet(tree / "2", pet_volume(2), visit, label=named(7, "PET again"))
    write_ct(tree / "3", ct_volume(3), visit, named(8, "CT again"))
    change(second.paths, ImageType=["DERIVED", "PRIMARY"])
    assert convert(tree, out) == 0
    assert sorted(fates(out).values()) == ["choice", "choice", "ct", "pet", "regions"]
    (study,) = rows(out / "studies.csv")
    made = np.asarray(nib.load(out / study["pet"]).dataobj)
    assert np.abs(made - pet_volume().array).max() < 1e-3  # the ORIGINAL, on which was drawn
    assert any("another CT fits as well" in said for _, said in warnings(out))


def test_pet_mr_is_a_pet_without_ct(tmp_path):
    tree, out = tmp_path / "in", tmp_path / "out"
    write_study(tree, examination("ann"))
    change(files_in(tree / "ct"), SOPClassUID=MR, Modality="MR")
    assert convert(tree, out) == 0
    (study,) = rows(out / "studies.csv")
    assert (study["modality"], study["ct"]) == ("PT", "")
    assert "SOPClassUID (0008,0016)" in fates(out).values()


@pytest.mark.full
def test_hundreds_of_pictures_are_a_row_each(tmp_path):
    tree, out = tmp_path / "in", tmp_path / "out"
    visit = examination("ann")
    write_study(tree, visit)
    for number in range(300):
        label = named(100 + number, f"Key image {number}")
        write_capture(tree / "pictures" / f"{number}", pet_volume(), visit, label)
    assert convert(tree, out) == 0
    assert sum(fate == "SOPClassUID (0008,0016)" for fate in fates(out).values()) == 300
    assert len(fates(out)) == 303


def test_links_bring_nothing_twice_and_no_endless_way(two, tmp_path):
    out = tmp_path / "out"
    assert convert(two, out) == 0
    before = contents(out)
    (two / "loop").symlink_to(two)
    (two / "ann" / "up").symlink_to("..")
    (two / "copy").symlink_to(two / "ann" / "pet")
    (two / "file").symlink_to(files_in(two / "bob" / "pet")[0])
    assert convert(two, out) == 0
    assert contents(out) == before
    (two / "away").symlink_to(tmp_path / "nowhere")
    assert convert(two, out) == 0
    assert fates(out)["F0001"] == "file or folder"


def test_a_tree_and_a_cohort_may_have_any_name(tmp_path):
    tree = tmp_path / "in Münch'en = [1], {2} 放射"
    write_study(tree / "deep down" / "#1%20", examination("ann"))
    out = tmp_path / "out = {1} ü"
    quoted = [f"{k}='{str(v).replace(chr(39), chr(92) + chr(39))}'"
              for k, v in (("input", tree), ("out", out))]  # fmt: skip
    assert main(["convert", *quoted, "workers=1"]) == 0
    assert len(rows(out / "studies.csv")) == 1


def test_names_that_are_no_utf8_are_names(two, tmp_path):
    """Latin-1, as old systems leave it; beside the same name in UTF-8."""
    mask = tmp_path / "mask.nii"
    nib.save(nib.Nifti1Image(NODE.array.astype(np.uint8), AFFINE), mask)
    ann, out = os.fsencode(two / "ann"), tmp_path / "out"
    for name in (b"/L\xe4sion.nii", "/Läsion.nii".encode()):
        shutil.copy(os.fsencode(mask), ann + name)
    for number, path in enumerate(files_in(two / "ann" / "ct")):
        os.rename(os.fsencode(path), ann + b"/Sch\xe4del %d" % number)
    (two / "x.dcm").write_bytes(b"")
    os.rename(os.fsencode(two / "x.dcm"), os.fsencode(two) + b"/gel\xf6scht.dcm")
    assert convert(two, out) == 0
    before = contents(out), contents(tmp_path / "out-key")
    assert convert(two, out) == 0
    assert (contents(out), contents(tmp_path / "out-key")) == before
    names = {r["roi"] for r in rows(out / "rois.csv") if r["series"].startswith("F")}
    assert {name.split("_")[0] for name in names} == {"Läsion"}
    assert len(names) == 2
    assert {name: fate for name, fate in fates(out).items() if name.startswith("F")} == {
        "F0001": "regions", "F0002": "regions", "F0003": "file",
    }  # fmt: skip


# Who is who


IDS = {
    "line break": "a\nb", "quotes": 'a,"b";c', "formula": "=1+1", "path": "../../etc/passwd",
    "dots": "..", "nul": "a\0b", "several": "a\\b", "long": "x" * 300, "foreign": "患者 1",
}  # fmt: skip


@pytest.mark.parametrize("keep", [False, True])
def test_any_id_makes_a_patient_and_no_file_elsewhere(keep, tmp_path):
    tree, out = tmp_path / "a" / "in", tmp_path / "a" / "out"
    for number, one in enumerate(IDS.values()):
        write_study(tree / str(number), examination(f"id {number}"), ct=False, seed=number)
        change(files_in(tree / str(number)), PatientID=one)
    setting = f"keep_identifiers={str(keep).lower()}"
    assert convert(tree, out, setting) == 0
    cohort = read_cohort(out)
    assert len(cohort.rois) == 2 * len(IDS)
    expected = set(IDS.values()) if keep else {f"P{n:04d}" for n in range(1, len(IDS) + 1)}
    assert set(cohort.studies["patient"]) == expected
    assert {path.name for path in tmp_path.iterdir()} == {"a"}
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"in", "out", "out-key"}
    folders = [path.name for path in (out / "images").iterdir()]
    assert len(folders) == len(IDS)
    assert max(map(len, folders)) <= 64
    key = tmp_path / "a" / "out-key"
    assert {row["PatientID"] for row in rows(key / "patients.csv")} == set(IDS.values())
    first = contents(out), contents(key)
    assert convert(tree, out, setting) == 0
    assert (contents(out), contents(key)) == first


@pytest.mark.parametrize("keep", ["false", "true"])
def test_ids_that_differ_in_case_and_blanks_are_patients_under_suspicion(keep, tmp_path):
    tree, out = tmp_path / "in", tmp_path / "out"
    ids = ["bob", "BOB", "Bob", "b ob"]
    for number, one in enumerate(ids):
        write_study(tree / str(number), examination(one, name=f"N{number}^x"), seed=number)
    assert convert(tree, out, f"keep_identifiers={keep}") == 0
    patients = {row["patient"] for row in rows(out / "studies.csv")}
    assert len(patients) == 4
    assert {who for who, said in warnings(out) if said.startswith("duplicate")} == patients
    folders = {path.name.casefold() for path in (out / "images").iterdir()}
    assert len(folders) == 4  # also where file systems see no case


def test_a_series_of_two_patients_is_two_series_under_suspicion(two, tmp_path):
    out = tmp_path / "out"
    shutil.rmtree(two / "bob")
    shutil.copytree(two / "ann", two / "zoe")
    change(files_in(two / "zoe"), PatientID="zoe", PatientName="Roe^Zoe")
    assert convert(two, out) == 0
    assert sorted(fates(out).values()) == ["ct", "ct", "pet", "pet", "regions", "regions"]
    suspected = {who: said for who, said in warnings(out) if said.startswith("duplicate")}
    assert set(suspected) == {"P0001", "P0002"}
    assert "P0002" in suspected["P0001"]


def test_series_without_an_id_are_no_ones_but_those_of_a_known_study(two, tmp_path):
    out = tmp_path / "out"
    change(files_in(two / "ann" / "ct"), PatientID="")
    change(files_in(two / "bob"), PatientID="")
    assert convert(two, out) == 0
    found = fates(out)
    assert sorted(f for name, f in found.items() if name.startswith("P0001")) == [
        "ct", "pet", "regions",
    ]  # fmt: skip
    assert [f for name, f in found.items() if name.startswith("nobody")] == [
        "PatientID (0010,0020)"
    ] * 3


# Privacy, beside what test_convert.py plants


THREE_GROUPS = "Müller-Größ^Zoë=山田^太郎=やまだ^たろう"
TOLD = (
    "müller", "mueller", "muller", "größ", "groess", "gross", "zoë", "zoe", "山田", "太郎",
    "やまだ", "たろう", "03.12.39", "391203", "03121939", "geheim",
)  # fmt: skip


def test_names_in_any_spelling_and_place_stay_in_the_key(tmp_path, capfd):
    tree, out = tmp_path / "in", tmp_path / "out"
    folder = tree / "Mueller, Zoe (geheim)"
    visit = examination("PAT-9", name=THREE_GROUPS)
    labels = {"GTV MUELLER": LESION, "Tumor Groess 03.12.39": NODE}
    pet = write_study(folder / "1", visit, regions=labels)
    inner = box_mask((4, 5), (5, 6), (3, 3))
    write_seg(folder / "s.dcm", {"GTV 山田": LESION, "Zoe\u0308 mass": inner}, visit, pet)
    change(files_in(tree), PatientBirthDate="19391203", StationName="geheim")
    for path in files_in(tree):
        dataset = dcmread(path)
        block = dataset.private_block(0x0011, "GEHEIM", create=True)
        block.add_new(0x01, "LO", "Müller")
        dataset.save_as(path)
    image = nib.Nifti1Image(NODE.array.astype(np.uint8), AFFINE)
    nib.save(image, folder / unicodedata.normalize("NFD", "Müller tumour.nii.gz"))
    nib.save(image, folder / "zoe_391203_node.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), folder / "Gross.nii")
    unweighed = write_pet(folder / "2", pet_volume(3), visit, label=named(9, "Müller NAC"))
    change(unweighed.paths, Units="MÜLLER", DecayCorrection="ZOE 391203")
    (folder / "Müller.dcm").write_bytes(b"Zoe")
    nib.save(image, folder / "odd.nii.gz")
    os.rename(os.fsencode(folder / "odd.nii.gz"), os.fsencode(folder) + b"/M\xfcller 2.nii.gz")
    assert convert(tree, out, "debug=true", workers=2) == 0
    shown = capfd.readouterr()
    assert len([row for row in rows(out / "rois.csv") if "removed" in row["roi"]]) == 7
    texts = {name: plain_bytes(out / name).decode("utf-8", "ignore") for name in contents(out)}
    texts |= {"screen": (shown.out + shown.err).replace(str(tmp_path), "")}
    for name, text in texts.items():
        plain = unicodedata.normalize("NFC", name + text).casefold()
        assert not [word for word in TOLD if word in plain], name
