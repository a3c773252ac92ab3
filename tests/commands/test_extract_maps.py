"""`petnet extract features=maps`: SciPy on the images that were written, resuming, faults."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from mistake_cohort import AFFINE, LESION, SHAPE, edit, printed, save, write_cohort
from scipy.ndimage import generic_filter

from petnet.radiomics.maps import MapSpec

MEAN = "pt_bw025__original_stat_mean_intensity__5x5x5"
FEW = "features.maps.pt_bw025.features=[stat_mean_intensity,glcm_contrast_3D_comb]"
SECOND = np.zeros(SHAPE, bool)
SECOND[2:5, 2:5, 2:4] = True


@pytest.fixture
def two(tmp_path):
    """Three patients; the first has a second lesion, which is the odd one's name."""
    folder = write_cohort(tmp_path / "cohort", ["A", "B", "C"])
    labels = LESION.astype(np.uint8)
    labels[SECOND] = 2
    save(folder / "images" / "A" / "mask.nii.gz", labels)
    with (folder / "rois.csv").open("a") as stream:
        stream.write("A-1,../node 2,A-L2,primary,images/A/mask.nii.gz,2,pet\n")
    return folder


def extract(cohort, out, *more):
    given = ["extract", f"cohort='{cohort}'", f"out='{out}'", "features=maps", "~task"]
    return printed([*given, "device=cpu", FEW, *more])


def windows_of(cohort, patient, mask):
    """Return the mean of each voxel's window, by SciPy."""
    suv = nib.load(cohort / "images" / patient / "pet.nii.gz").get_fdata()
    seen = np.where(mask, suv, np.nan)
    with np.errstate(invalid="ignore"):
        return generic_filter(
            seen, lambda x: np.nanmean(x) if not np.isnan(x).all() else np.nan,
            size=5, mode="constant", cval=np.nan,
        )  # fmt: skip


def load(path):
    image = nib.load(path)
    np.testing.assert_array_equal(image.affine, AFFINE)
    assert image.get_data_dtype() == np.float32
    return image.get_fdata()


def test_scipy_gives_the_maps_of_each_study(two, tmp_path):
    out = tmp_path / "maps.csv"
    code, text = extract(two, out)
    assert code == 0, text
    table = pd.read_csv(out)
    assert len(table) == 3 * 2
    for patient, mask in (("A", LESION | SECOND), ("B", LESION)):
        (row,) = table[(table["patient"] == patient) & (table["map"] == MEAN)].to_dict("records")
        assert row["file"] == f"maps/{patient}-1/{MEAN}.nii.gz"
        found = load(tmp_path / row["file"])
        expected = np.where(mask, windows_of(two, patient, mask), np.nan)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert row["voxels"] == row["defined"] == mask.sum()
        extremes = [row["least"], row["mean"], row["greatest"]]
        np.testing.assert_allclose(
            extremes, [np.nanmin(found), np.nanmean(found), np.nanmax(found)], rtol=1e-9
        )
    status = pd.read_csv(tmp_path / "maps.status.csv", keep_default_na=False)
    assert status["study"].tolist() == ["A-1", "B-1", "C-1"]
    assert set(status["status"]) == {"ok"}
    assert status["maps"].tolist() == [2, 2, 2]


def test_lesions_have_maps_of_their_own_in_files_with_sound_names(two, tmp_path):
    out = tmp_path / "maps.parquet"
    code, text = extract(two, out, "rows=lesion")
    assert code == 0, text
    table = pd.read_parquet(out)
    mine = table[(table["patient"] == "A") & (table["map"] == MEAN)].set_index("roi")
    assert sorted(mine.index) == ["../node 2", "lesion"]
    for roi, mask in (("lesion", LESION), ("../node 2", SECOND)):
        path = (tmp_path / mine.loc[roi, "file"]).resolve()
        assert path.parent == (tmp_path / "maps" / "A-1").resolve()
        expected = np.where(mask, windows_of(two, "A", mask), np.nan)
        np.testing.assert_allclose(load(path), expected, rtol=1e-6)


def test_provenance_lies_beside_the_table_and_in_each_folder(two, tmp_path):
    assert extract(two, tmp_path / "maps.csv")[0] == 0
    (whole,) = json.loads((tmp_path / "maps.provenance.json").read_text())
    assert whole["maps"][MEAN]["ibsi_code"] == "Q4LE"
    assert whole["window"]["name"] == "5x5x5"
    beside = json.loads((tmp_path / "maps" / "B-1" / "maps.json").read_text())
    assert beside["settings"] == [whole]
    assert {one["map"] for one in beside["maps"]} == set(whole["maps"])


def snapshot(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_what_is_there_is_not_made_again(two, tmp_path):
    out = tmp_path / "maps.csv"
    assert extract(two, out)[0] == 0
    before = snapshot(tmp_path)
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "maps").glob("*/*.nii.gz")}
    (tmp_path / "maps" / "C-1" / f"{MEAN}.nii.gz").unlink()
    rng = np.random.default_rng(7)
    pet = two / "images" / "B" / "pet.nii.gz"
    save(pet, (nib.load(pet).get_fdata() + rng.random(SHAPE)).astype(np.float32))
    assert extract(two, out)[0] == 0
    after = snapshot(tmp_path)
    changed = {p for p in stamps if p.stat().st_mtime_ns != stamps[p]}
    assert {p.parent.name for p in changed} == {"B-1", "C-1"}
    assert {p for p in before if "C-1" in p.parts and before[p] != after[p]} == set()
    assert before[out] != after[out]


def test_files_of_other_settings_do_not_stay(two, tmp_path):
    out = tmp_path / "maps.csv"
    assert extract(two, out)[0] == 0
    mine = tmp_path / "maps" / "A-1" / "notes.nii.gz"
    mine.write_bytes(b"of the user's")
    assert extract(two, out, "features.maps.pt_bw025.radius_voxels=1")[0] == 0
    found = {p.name for p in mine.parent.iterdir()}
    assert not {name for name in found if "5x5x5" in name}
    assert len({name for name in found if "3x3x3" in name}) == 2
    assert mine.read_bytes() == b"of the user's"


def test_a_study_at_fault_is_a_row_and_the_others_are_made(two, tmp_path):
    (two / "images" / "B" / "pet.nii.gz").write_bytes(b"no image")
    edit(two, "rois", "A-1,../node 2,A-L2,primary,images/A/mask.nii.gz,2",
         "A-1,../node 2,A-L2,primary,images/A/mask.nii.gz,9")  # fmt: skip
    out = tmp_path / "maps.csv"
    code, text = extract(two, out, "rows=lesion")
    assert code == 1
    assert "B-1 failed: " in text
    status = pd.read_csv(tmp_path / "maps.status.csv", keep_default_na=False).set_index("study")
    assert status["status"].to_dict() == {"A-1": "partial", "B-1": "failed", "C-1": "ok"}
    assert "label 9" in status.loc["A-1", "reason"]
    assert status["maps"].tolist() == [2, 0, 2]
    assert set(pd.read_csv(out)["study"]) == {"A-1", "C-1"}


def test_studies_without_anything_to_map_say_so(two, tmp_path):
    edit(two, "rois", "C-1,lesion", "B-1,other")
    out = tmp_path / "maps.csv"
    code, text = extract(two, out)
    assert code == 0, text
    status = pd.read_csv(tmp_path / "maps.status.csv", keep_default_na=False).set_index("study")
    assert status.loc["C-1", ["status", "reason"]].tolist() == ["excluded", "nothing delineated"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("features.maps.pt_bw025.features=[glcm_contrast_3D_avg]", "features: expected a column"),
        ("features.maps.pt_bw025.radius_mm=8", "one of the two"),
        ("features.maps.pt_bw025.feature_set=null", "feature_set: expected a FeatureSet"),
        ("+features.maps.again=${features.maps.pt_bw025}", "each once"),
        ("features.maps.pt_bw025._target_=petnet.radiomics.featureset.FeatureSet", "arguments"),
    ],
)
def test_mistakes_in_the_settings_are_one_line(two, tmp_path, given, message):
    code, text = extract(two, tmp_path / "maps.csv", given)
    assert code == 2
    assert message in text
    assert "Traceback" not in text


def test_training_does_not_take_maps(two, tmp_path):
    code, text = printed(["train", f"cohort='{two}'", f"out='{tmp_path / 'r'}'", "features=maps"])
    assert code == 2
    assert "settings: features: expected feature sets" in text


def test_the_preset_holds_64_voxels_in_a_window():
    from hydra import compose, initialize_config_dir

    from petnet.commands.extract_maps import map_specs
    from petnet.files import config_folder

    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("extract", overrides=["cohort=x", "features=maps"])
    (spec,) = map_specs(config.features)
    assert isinstance(spec, MapSpec)
    assert spec.footprint((4.0, 4.0, 4.0)).sum() >= 64


@pytest.mark.full
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path):
    cohort = write_cohort(tmp_path / "cohort", [f"P{i}" for i in range(6)])

    def command(folder):
        return [
            sys.executable, "-m", "petnet.cli", "extract", f"cohort='{cohort}'", "~task",
            f"out='{folder / 'maps.csv'}'", "features=maps", "device=cpu",
        ]  # fmt: skip

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(whole), check=True, capture_output=True)
    moments = random.Random(3)
    for done in (1, 3, 5):
        process = subprocess.Popen(
            command(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while len(list(killed.rglob("maps.json"))) < done and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.1))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command(killed), check=True, capture_output=True)
    one, other = snapshot(whole), snapshot(killed)
    assert [p.relative_to(whole) for p in one] == [p.relative_to(killed) for p in other]
    assert list(one.values()) == list(other.values())
