"""`petnet convert`: real and simulated trees, what becomes of every series, kills."""

import shutil
import subprocess
import sys
import tarfile
from types import SimpleNamespace

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
    rows,
    write_study,
)
from pydicom import dcmread

from petnet.cli import main
from petnet.cohort import read_cohort
from petnet.simulation.dicom.ct import write_ct
from petnet.simulation.dicom.extras import write_capture, write_dose_report, write_mip
from petnet.simulation.dicom.pet import write_pet
from petnet.simulation.dicom.pet_values import PetStyle
from petnet.simulation.dicom.rtstruct import write_rtstruct
from petnet.simulation.dicom.segments import write_seg

DRO_MEMBERS = ("DRO_3_4/PT", "DRO_3_4/RS", "DRO_3_4/mask", "DRO_0_0/PT", "DRO_0_0/RS")
NOT_CORRECTED = PetStyle(attenuation_corrected=False)


def convert(tree, out, *more, workers=1):
    return main(["convert", f"input='{tree}'", f"out='{out}'", f"workers={workers}", *more])


def voxels(path):
    return np.asarray(nib.load(path).dataobj)


@pytest.fixture(scope="module")
def real_tree(reference, tmp_path_factory):
    """Real patients, two SUV reference objects of one phantom, and what else lies about."""
    tree = tmp_path_factory.mktemp("real tree")
    for folder in (reference / "dicom").iterdir():
        (tree / folder.name).symlink_to(folder)
    with tarfile.open(reference / "suv_dro" / "dro.tar.xz") as archive:
        wanted = [m for m in archive if any(f"{d}/" in f"{m.name}/" for d in DRO_MEMBERS)]
        archive.extractall(tree / "phantom", wanted, filter="data")
    (tree / "phantom" / "broken.dcm").write_bytes(bytes(128) + b"DICM" + b"\1\2\3\4" * 9)
    out = tree.with_name("real cohort")
    assert convert(tree, out, workers=2) == 0
    return SimpleNamespace(tree=tree, out=out)


@pytest.fixture(scope="module")
def real(real_tree):
    return real_tree.out


def test_real_tree_has_a_place_for_every_series(real):
    assert fates(real) == {
        "P0001_S001": "pet", "P0001_S002": "regions",
        "P0001_S003": "choice", "P0001_S004": "regions", "F0001": "regions",
        "P0002_S001": "pet", "P0002_S002": "regions",
        "P0003_S001": "ct", "P0003_S002": "regions", "P0003_S003": "pet", "P0003_S004": "regions",
        "F0002": "SeriesInstanceUID (0020,000E)",
    }  # fmt: skip
    counted = sum(int(row["files"]) for row in rows(real / "series.csv"))
    assert counted == 267 + 1 + 48 + 1 + 48 + 1 + 2 * (20 + 1) + 1 + 1
    excluded = {(r["series"], r["region"], r["tag"]) for r in rows(real / "excluded.csv")}
    assert excluded == {
        ("P0001_S003", "", "choice"),
        ("P0002_S002", "GTV_Edema", "name"),
        ("F0002", "", "SeriesInstanceUID (0020,000E)"),
    }
    assert {row["status"] for row in rows(real / "status.csv")} == {"ok"}


def region(cohort, series, roi):
    """Values of the PET in a region, found through the tables alone; and the region."""
    (row,) = [r for r in rows(cohort / "rois.csv") if (r["series"], r["roi"]) == (series, roi)]
    (study,) = [r for r in rows(cohort / "studies.csv") if r["study"] == row["study"]]
    inside = voxels(cohort / row["path"]) == int(row["label"])
    return voxels(cohort / study["pet"])[inside], inside


def test_real_whole_body_gives_the_published_figures_mirp(real):
    """MIRP 2.7.0: maximum 7.911, mean 2.555, minimum 0.169."""
    values, _ = region(real, "P0002_S002", "GTV_Mass")
    assert np.round([values.max(), values.mean(), values.min()], 3) == pytest.approx(
        [7.911, 2.555, 0.169]
    )


def test_phantom_gives_the_expected_figures_dro(real_tree):
    """expected.csv: 0.20, 1.00 and 4.00 in the mask that lies beside the images."""
    values, inside = region(real_tree.out, "F0001", "removed_mask")  # the patient is called DRO
    assert [round(float(f(values)), 2) for f in (np.min, np.median, np.max)] == [0.2, 1.0, 4.0]
    (mask,) = real_tree.tree.rglob("DRO_mask.nii.gz")
    assert (inside == (voxels(mask) > 0)).all()


def test_one_lesion_on_two_grids_has_one_number(real):
    mine = [r for r in rows(real / "rois.csv") if r["study"] == "P0003_baseline_fdg"]
    assert {(r["grid"], r["lesion_uid"]) for r in mine} == {
        ("pet", "P0003-L01"),
        ("ct", "P0003-L01"),
    }


def test_real_studies_have_their_acquisition(real):
    row = rows(real / "studies.csv")[1]
    said = [row[k] for k in ("tracer", "modality", "weight_kg", "height_m", "sex", "dose_bq", "ct")]
    assert said == ["FDG", "PT", "71.0", "1.63", "M", "388777472.0", ""]
    assert float(row["uptake_min"]) == pytest.approx(45 + 11 / 60)  # 10:35:00 to 11:20:11


def test_a_second_run_changes_nothing(real_tree):
    before = contents(real_tree.out)
    times = {p: p.stat().st_mtime_ns for p in real_tree.out.rglob("*.nii.gz")}
    assert convert(real_tree.tree, real_tree.out) == 0
    assert contents(real_tree.out) == before
    assert {p: p.stat().st_mtime_ns for p in real_tree.out.rglob("*.nii.gz")} == times


def test_every_kind_of_series_has_its_place(tmp_path):
    """One patient: two visits, two tracers, NAC, MIP, second bed, captures, stray CT, SEG, mask."""
    tree, out = tmp_path / "in", tmp_path / "out"
    first = examination("ann")
    pet = write_study(tree / "a", first)
    nac = write_pet(tree / "b", pet_volume(1), first, NOT_CORRECTED, named(4, "NAC"))
    write_mip(tree / "c", pet_volume(), first)
    bed = pet_volume(2, (14, 12, 4))
    write_pet(tree / "d", bed, first, label=named(5, "bed"))
    write_capture(tree / "e.dcm", pet_volume(), first)
    write_dose_report(tree / "f.dcm", first)
    short = ct_volume(3, (14, 12, 2))
    write_ct(tree / "g", short, first, named(6, "neck"))
    write_seg(tree / "h.dcm", {"GTV": LESION, "liver": NODE, "PTV": LESION}, first, pet)
    write_rtstruct(tree / "i.dcm", {"on NAC": NODE}, first, nac, label=named(30, "NAC contours"))
    other = examination("ann", day=3, tracer="FAPI")
    write_study(tree / "j", other, ct=False, regions={"GTV": NODE})
    second = examination("ann", day=90)
    unweighed = write_pet(tree / "k", pet_volume(4), second, PetStyle(weighed=False))
    write_ct(tree / "l", ct_volume(5), second)
    assert unweighed
    nib.save(nib.Nifti1Image(NODE.array.astype(np.uint8), AFFINE), tree / "a" / "hot spot.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), tree / "a" / "odd.nii.gz")
    assert convert(tree, out) == 0
    assert fates(out) == {
        "P0001_S001": "regions",  # a/contours.dcm
        "P0001_S002": "ct",
        "P0001_S003": "pet",
        "P0001_S004": "CorrectedImage (0028,0051)",
        "P0001_S005": "ImageType (0008,0008)",
        "P0001_S006": "choice",
        "P0001_S007": "SOPClassUID (0008,0016)",
        "P0001_S008": "SOPClassUID (0008,0016)",
        "P0001_S009": "field of view",
        "P0001_S010": "regions",
        "P0001_S011": "regions",
        "P0001_S012": "regions",  # j/contours.dcm
        "P0001_S013": "pet",
        "P0001_S014": "PatientWeight (0010,1030)",
        "P0001_S015": "FrameOfReferenceUID (0020,0052)",
        "F0001": "regions",
        "F0002": "grid",
    }
    assert [(r["study"], r["modality"]) for r in rows(out / "studies.csv")] == [
        ("P0001_baseline_fdg", "PT/CT"),
        ("P0001_baseline_fapi", "PT"),
    ]
    assert {r["study"]: r["status"] for r in rows(out / "status.csv")} == {
        "P0001_baseline_fdg": "ok",
        "P0001_baseline_fapi": "ok",
        "P0001_followup1_fdg": "excluded",
    }
    left_out = [r for r in rows(out / "excluded.csv") if r["region"]]
    assert [(r["series"], r["region"]) for r in left_out] == [("P0001_S010", "PTV")]
    told = {(r["series"], r["warning"].split(":")[0]) for r in rows(out / "warnings.csv")}
    assert ("P0001_S011", "the series it refers to is not used") in told
    lesions = {(r["study"], r["series"], r["lesion_uid"]) for r in rows(out / "rois.csv")
               if r["roi"].startswith("GTV")}  # fmt: skip
    assert len({uid for _, _, uid in lesions}) == 1
    assert len(lesions) == 3
    (liver,) = [r for r in rows(out / "rois.csv") if r["roi"] == "liver"]
    assert (liver["role"], liver["region"], liver["lesion_uid"]) == ("reference", "liver", "")


def test_written_voxels_are_those_of_the_scanner(tmp_path):
    """SUV within half a step of the stored values, HU and masks exactly, at the same places."""
    tree, out = tmp_path / "in", tmp_path / "out"
    pet = write_study(tree, examination("ann"))
    assert convert(tree, out) == 0
    stem = out / "images" / "P0001" / "P0001_baseline_fdg"
    image = nib.load(f"{stem}_pet.nii.gz")
    step = max(
        float(dcmread(p).RescaleSlope) * f for p, f in zip(pet.paths, pet.factors, strict=True)
    )
    assert np.abs(np.asarray(image.dataobj) - pet_volume().array).max() <= step / 2 * 1.001
    assert image.affine == pytest.approx(AFFINE)
    assert (voxels(f"{stem}_ct.nii.gz") == ct_volume().array).all()
    labels = voxels(f"{stem}_pet_regions.nii.gz")
    by_name = {r["roi"]: int(r["label"]) for r in rows(out / "rois.csv")}
    assert ((labels == by_name["GTV"]) == LESION.array).all()
    assert ((labels == by_name["node_1"]) == NODE.array).all()


def test_pets_of_one_day_and_tracer_are_one_scan(tmp_path):
    """The whole body is taken, whatever study it is in; another day is another scan."""
    tree, out = tmp_path / "in", tmp_path / "out"
    write_pet(tree / "a", pet_volume(1, (14, 12, 4)), examination("ann"), label=named(1, "bed"))
    write_pet(tree / "b", pet_volume(2), examination("ann", day=0.1))
    write_pet(tree / "c", pet_volume(3), examination("ann", day=1))
    assert convert(tree, out) == 0
    assert fates(out) == {
        "P0001_S001": "StudyDate (0008,0020)",
        "P0001_S002": "pet",
        "P0001_S003": "pet",
    }
    assert [r["timepoint"] for r in rows(out / "studies.csv")] == ["baseline", "followup1"]


def test_a_followup_stays_one_where_the_baseline_cannot_be_used(tmp_path):
    tree, out = tmp_path / "in", tmp_path / "out"
    write_pet(tree / "a", pet_volume(1), examination("ann"), PetStyle(weighed=False))
    write_pet(tree / "b", pet_volume(2), examination("ann", day=60))
    assert convert(tree, out) == 0
    assert [r["timepoint"] for r in rows(out / "studies.csv")] == ["followup1"]


def test_the_next_best_pet_is_taken_where_the_best_cannot_be_used(tmp_path):
    tree, out = tmp_path / "in", tmp_path / "out"
    visit = examination("ann")
    best = write_pet(tree / "a", pet_volume(1), visit, label=named(1, "best"))
    write_pet(tree / "b", pet_volume(2), visit, label=named(2, "next"))
    change(best.paths, Units="PROPCPS")
    assert convert(tree, out) == 0
    assert fates(out) == {"P0001_S001": "Units (0054,1001)", "P0001_S002": "pet"}
    assert any("in the place of" in r["warning"] for r in rows(out / "warnings.csv"))


def test_regions_that_overlap_go_to_further_maps(tmp_path):
    tree, out = tmp_path / "in", tmp_path / "out"
    inner = box_mask((4, 5), (5, 6), (3, 3))
    write_study(tree, examination("ann"), regions={"GTV": LESION, "GTV core": inner})
    assert convert(tree, out) == 0
    for row in rows(out / "rois.csv"):
        truth = {"GTV": LESION, "GTV_core": inner}[row["roi"]].array
        assert ((voxels(out / row["path"]) == int(row["label"])) == truth).all()
    assert len({row["path"] for row in rows(out / "rois.csv")}) == 2


def test_a_region_that_fails_takes_nothing_with_it(tmp_path):
    tree, out = tmp_path / "in", tmp_path / "out"
    write_study(tree, examination("ann"))
    structures = dcmread(tree / "contours.dcm")
    structures.ROIContourSequence[0].ContourSequence[0].ContourData = ["1", "2"]
    structures.save_as(tree / "contours.dcm")
    assert convert(tree, out) == 0
    assert [row["roi"] for row in rows(out / "rois.csv")] == ["node_1"]
    (why,) = rows(out / "excluded.csv")
    assert (why["region"], why["tag"]) == ("GTV", "ContourData (3006,0050)")
    assert [row["status"] for row in rows(out / "status.csv")] == ["ok"]


def test_each_component_can_be_a_lesion_of_its_own(tmp_path):
    tree, out = tmp_path / "in", tmp_path / "out"
    both = LESION.with_array(LESION.array | NODE.array)
    write_study(tree, examination("ann"), regions={"GTV": both})
    assert convert(tree, out, "split_components=true") == 0
    made = rows(out / "rois.csv")
    assert [(r["roi"], r["lesion_uid"]) for r in made] == [
        ("GTV_1", "P0001-L01"),
        ("GTV_2", "P0001-L02"),
    ]
    first = voxels(out / made[0]["path"]) == int(made[0]["label"])
    assert (first == NODE.array).all()  # the one nearer to the head


@pytest.fixture(scope="module")
def three_once(tmp_path_factory):
    tree = tmp_path_factory.mktemp("three")
    write_study(tree / "ann", examination("ann"), seed=1)
    write_study(tree / "bob 1", examination("bob"), seed=2)
    write_study(tree / "bob 2", examination("bob", day=60), seed=3)
    write_study(tree / "cyd", examination("cyd"), seed=4)
    return tree


@pytest.fixture
def three(three_once, tmp_path):
    """Three patients; Bob was seen twice. Each test has a tree of its own to change."""
    return shutil.copytree(three_once, tmp_path / "in")


KILLED = """
import os, sys
from petnet.cli import main
left, replace = int(sys.argv[1]), os.replace
def dying(source, target):
    global left
    if left == 0:
        os._exit(9)  # nothing is cleaned up, as by SIGKILL
    left -= 1
    replace(source, target)
os.replace = dying
sys.exit(main(sys.argv[2:]))
"""


def killed(tree, out, after):
    command = ["convert", f"input='{tree}'", f"out='{out}'", "workers=1"]
    done = subprocess.run([sys.executable, "-c", KILLED, str(after), *command], check=False)
    return done.returncode


def test_a_conversion_that_was_killed_goes_on_to_the_same_end(three, tmp_path):
    """Killed while the key, images, records and tables are written; each time a bit further."""
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert convert(three, whole) == 0
    for after in (1, 9, 13):
        assert killed(three, out, after) == 9
    assert list(out.rglob(".tmp-*")) or list(tmp_path.glob("out-key/.tmp-*"))
    assert convert(three, out) == 0
    assert contents(out) == contents(whole)
    assert contents(tmp_path / "out-key") == contents(tmp_path / "whole-key")


def test_the_cohort_can_be_checked_and_extracted_at_once(three, tmp_path):
    out, table = tmp_path / "out", tmp_path / "x.csv"
    assert convert(three, out) == 0
    assert len(read_cohort(out).rois) == 8
    main(["check", f"cohort='{out}'", f"out='{tmp_path / 'check.csv'}'"])  # noise is no body
    assert {row["study"] for row in rows(out / "studies.csv")} < {
        row["study"] for row in rows(tmp_path / "check.csv")
    }
    asked = ["task=null", "rows=lesion", "features=lesion", f"data.cache='{tmp_path / 'cache'}'"]
    assert main(["extract", f"cohort='{out}'", *asked, f"out='{table}'"]) == 0
    found = {(r["study"], r["roi"]): float(r["measure__SUVmax"]) for r in rows(table)}
    assert len(found) == 8
    truth = pet_volume(4).array[LESION.array].max()
    assert found["P0003_baseline_fdg", "GTV"] == pytest.approx(truth, abs=1e-3)


@pytest.mark.full
def test_workers_change_nothing(three, tmp_path):
    assert convert(three, tmp_path / "one", workers=1) == 0
    assert convert(three, tmp_path / "two", workers=2) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def stamps(out):
    return {p.name: p.stat().st_ino for p in out.rglob("*.nii.gz")}


def test_only_what_changed_is_done_again(three, tmp_path):
    out = tmp_path / "out"
    assert convert(three, out) == 0
    before = stamps(out)
    change((three / "bob 2" / "pet").iterdir(), PatientWeight="35")
    assert convert(three, out) == 0
    changed = {name for name, stamp in stamps(out).items() if before[name] != stamp}
    assert {name.split("_")[0] for name in changed} == {"P0002"}
    weights = {r["study"]: r["weight_kg"] for r in rows(out / "studies.csv")}
    assert weights["P0002_followup1_fdg"] == "35.0"
    fresh = tmp_path / "fresh"
    shutil.copytree(tmp_path / "out-key", tmp_path / "fresh-key")
    assert convert(three, fresh) == 0
    assert contents(fresh) == contents(out)


def test_a_patient_who_comes_and_goes_changes_no_other(three, tmp_path, capsys):
    """Names stay; the tables hold what the tree holds; images of those gone stay."""
    out = tmp_path / "out"
    shutil.move(three / "ann", tmp_path / "ann")
    assert convert(three, out) == 0
    assert {r["patient"] for r in rows(out / "studies.csv")} == {"P0001", "P0002"}
    before = stamps(out)
    shutil.move(tmp_path / "ann", three / "ann")
    shutil.move(three / "cyd", tmp_path / "cyd")
    assert convert(three, out) == 0
    assert "patients of earlier runs that are not in the input: 1" in capsys.readouterr().err
    assert {r["patient"] for r in rows(out / "studies.csv")} == {"P0001", "P0003"}
    assert before.items() <= stamps(out).items()
    key = {r["PatientID"]: r["patient"] for r in rows(tmp_path / "out-key" / "patients.csv")}
    assert key == {"bob": "P0001", "cyd": "P0002", "ann": "P0003"}


def test_what_a_user_adds_to_the_tables_is_kept(three, tmp_path):
    out = tmp_path / "out"
    assert convert(three, out) == 0
    (out / "targets.csv").write_text("patient;her2;age\nP0002;1;61,5\nP0001;;50\n", "utf-8")
    studies = rows(out / "studies.csv")
    split = {"P0001": "train", "P0002": "test", "P0003": "train"}
    text = ",".join([*studies[0], "split"]) + "\n"
    text += "".join(",".join([*r.values(), split[r["patient"]]]) + "\n" for r in studies)
    (out / "studies.csv").write_text(text, "utf-8")
    shutil.move(three / "bob 1", tmp_path / "bob 1")
    shutil.move(three / "bob 2", tmp_path / "bob 2")
    assert convert(three, out) == 0
    assert rows(out / "targets.csv") == [
        {"patient": "P0001", "her2": "", "age": "50"},
        {"patient": "P0003", "her2": "", "age": ""},
    ]
    assert [r["split"] for r in rows(out / "studies.csv")] == ["train", "train"]
    shutil.move(tmp_path / "bob 1", three / "bob 1")
    assert convert(three, out) == 0
    found = {r["patient"]: (r["her2"], r["age"]) for r in rows(out / "targets.csv")}
    assert found == {"P0002": ("1", "61.5"), "P0001": ("", "50"), "P0003": ("", "")}
    assert not (out / "targets_unused.csv").exists()


def test_lesions_keep_their_numbers_when_others_are_found(tmp_path):
    tree, out = tmp_path / "in", tmp_path / "out"
    write_study(tree / "1", examination("ann"), regions={"B lesion": LESION})
    assert convert(tree, out) == 0
    write_study(
        tree / "2", examination("ann", day=60), regions={"A lesion": NODE, "B lesion": LESION}
    )
    assert convert(tree, out) == 0
    numbers = {(r["study"], r["roi"]): r["lesion_uid"] for r in rows(out / "rois.csv")}
    assert numbers == {
        ("P0001_baseline_fdg", "B_lesion"): "P0001-L01",
        ("P0001_followup1_fdg", "B_lesion"): "P0001-L01",
        ("P0001_followup1_fdg", "A_lesion"): "P0001-L02",
    }


def test_a_defect_is_a_row_and_the_others_go_on(three, tmp_path, monkeypatch, capsys):
    from petnet.ingest.conversion import images as convert_images

    def broken(pet, cts):
        if pet.start.day != 4:
            raise ZeroDivisionError("Doe^bob")
        return pair(pet, cts)

    pair = convert_images.pair_ct
    monkeypatch.setattr(convert_images, "pair_ct", broken)
    out = tmp_path / "out"
    assert convert(three, out) == 1
    assert {r["patient"] for r in rows(out / "studies.csv")} == {"P0001", "P0003"}
    (failed,) = [r for r in rows(out / "status.csv") if r["status"] == "failed"]
    assert failed["patient"] == "P0002"
    assert "ZeroDivisionError" in failed["reason"]
    assert {fate for name, fate in fates(out).items() if name.startswith("P0002")} == {"conversion"}
    shown = capsys.readouterr()
    assert "P0002" in shown.err
    assert "Doe" not in shown.err + shown.out
    assert "Doe^bob" in (tmp_path / "out-key" / "defects" / "P0002.txt").read_text()
    monkeypatch.undo()
    assert convert(three, out) == 0
    assert not (tmp_path / "out-key" / "defects" / "P0002.txt").exists()


def test_nothing_to_convert_is_said_and_fails(tmp_path, capsys):
    tree, out = tmp_path / "in", tmp_path / "out"
    write_ct(tree, ct_volume(), examination("ann"))
    assert convert(tree, out) == 1
    assert "no study could be made" in capsys.readouterr().err
    assert fates(out) == {"P0001_S001": "pairing"}
    assert [r["status"] for r in rows(out / "status.csv")] == ["excluded"]
    (tmp_path / "empty").mkdir()
    assert convert(tmp_path / "empty", tmp_path / "none") == 1


REFUSED = {
    "out inside input": (["out='{tree}/cohort'"], "out"),
    "key inside out": (["key='{out}/key'"], "key"),
    "key inside input": (["key='{tree}/key'"], "key"),
    "no such tree": (["input='{out}/none'"], "input"),
    "tilt": (["tilt=ignore"], "tilt"),
    "threshold": (["threshold=0"], "threshold"),
    "days": (["same_timepoint_days=-1"], "same_timepoint_days"),
    "kind of SUV": (["suv=SUV"], "suv"),
    "workers": (["workers=0"], "workers"),
    "rules": (["regions.otherwise=tumour"], "regions.otherwise"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_mistakes_are_refused_before_anything_is_written(case, tmp_path, capsys):
    given, word = REFUSED[case]
    tree, out = tmp_path / "in", tmp_path / "out"
    tree.mkdir()
    asked = {"input": f"'{tree}'", "out": f"'{out}'"}
    asked |= dict(text.format(tree=tree, out=out).split("=", 1) for text in given)
    assert main(["convert", *(f"{key}={value}" for key, value in asked.items())]) == 2
    assert word in capsys.readouterr().err
    assert not out.exists()
    assert not list(tree.iterdir())


def test_the_tables_of_another_cohort_are_not_written_over(three, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "studies.csv").write_text("patient,study\n")
    assert convert(three, out) == 2
    assert "another cohort" in capsys.readouterr().err
    assert contents(out) == {"studies.csv": b"patient,study\n"}
