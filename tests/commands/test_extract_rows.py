"""`petnet extract` with a row per lesion, region or study; and killed, again and again."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from mistake_cohort import LESION, array_of, edit, printed, save, write_cohort
from omegaconf import OmegaConf

from petnet.commands.common import feature_sets
from petnet.commands.predict import STORED
from petnet.errors import InputError
from petnet.files import config_folder
from petnet.radiomics.presets import feature_sets as preset

TOO_FEW = "fewer than 64 voxels or a single grey level"
STUDY = ["patient", "study", "timepoint", "arm"]


@pytest.fixture
def cohort(tmp_path):
    """Three patients; the second has two lesions more, one of them in no label of its map."""
    folder = write_cohort(tmp_path / "cohort", ["A", "B", "C"])
    labels = LESION.astype(np.uint8)
    labels[2:4, 2:4, 2:4] = 2
    save(folder / "images" / "B" / "mask.nii.gz", labels)
    line = "B-1,lesion,B-L1,primary,images/B/mask.nii.gz,1,pet\n"
    more = "B-1,small,B-L2,node,images/B/mask.nii.gz,2,pet\n"
    edit(folder, "rois", line, line + more)
    return folder


def ran(cohort, out, *more):
    cache = f"data.cache='{cohort.parent / 'cache'}'"
    code, text = printed(["extract", f"cohort='{cohort}'", f"out='{out}'", cache, *more])
    assert "Traceback" not in text
    return code, text


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_row_per_lesion_without_a_task(cohort, tmp_path, suffix):
    out = tmp_path / f"lesions{suffix}"
    code, text = ran(cohort, out, "task=null", "rows=lesion", "features=glcm_only")
    assert code == 0, text
    table = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert table["roi"].tolist() == ["lesion", "lesion", "small", "lesion"]
    assert table["label"].tolist() == [1, 1, 2, 1]
    pet = array_of(cohort / "images" / "B", "pet")
    assert table.loc[2, "measure__SUVmax"] == pytest.approx(pet[2:4, 2:4, 2:4].max())
    assert table.loc[2, "measure__volume_ml"] == pytest.approx(8 * 0.064)
    assert "1 of 4 rows are too small or too flat for some features" in text
    assert "pt_64 glcm: fewer than 64 voxels" in table.loc[2, "flagged"]
    parts = json.loads((tmp_path / "lesions.provenance.json").read_text())
    described = [column for part in parts for column in part["columns"]]
    first = [*STUDY, "roi", "role", "region", "lesion_uid", "label"]
    assert set(table) == {*first, *described, "flagged"}
    assert list(table)[: len(first)] == first
    quantity = parts[0]["columns"]["measure__SUVmax"]
    assert (quantity["ibsi_code"], quantity["unit"]) == ("84IY", "SUVbw")
    assert all(column["unit"] for part in parts for column in part["columns"].values())
    assert all(part["versions"]["petnet"] for part in parts)
    status = pd.read_csv(tmp_path / "lesions.status.csv", keep_default_na=False)
    assert status["study"].tolist() == ["A-1", "B-1", "C-1"]
    assert status["rows"].tolist() == [1, 2, 1]
    assert status["flagged"].tolist() == [0, 1, 0]


def test_a_study_at_fault_is_a_row_of_the_status_and_the_rest_goes_on(cohort, tmp_path):
    (cohort / "images" / "A" / "pet.nii.gz").write_bytes(b"\x1f\x8b")
    edit(cohort, "rois", "mask.nii.gz,2,pet", "mask.nii.gz,7,pet")
    out = tmp_path / "table.csv"
    code, text = ran(cohort, out, "task=null", "rows=lesion", "features=first_order")
    assert code == 1
    assert pd.read_csv(out)["patient"].tolist() == ["B", "C"]
    status = pd.read_csv(tmp_path / "table.status.csv", keep_default_na=False)
    assert status["status"].tolist() == ["failed", "partial", "ok"]
    assert "pet.nii.gz" in status.loc[0, "reason"]
    assert status.loc[1, "reason"].startswith("small: ")
    for row in status.to_dict("records")[:2]:
        said = f"{row['study']} {row['status']}: {row['reason']}"
        assert len([line for line in text.splitlines() if line.endswith(said)]) == 1


def test_unions_and_roles(cohort, tmp_path):
    out = tmp_path / "t.csv"
    more = ["task=null", "features=lesion"]
    assert ran(cohort, out, "rows=study", *more)[0] == 0
    united = pd.read_csv(out)
    assert united["measure__count"].tolist() == [1, 2, 1]
    assert list(united)[:4] == STUDY
    assert ran(cohort, out, "rows=study", "roles=[node]", "task=Null", *more[1:])[0] == 0
    assert pd.read_csv(out)["patient"].tolist() == ["B"]
    status = pd.read_csv(tmp_path / "t.status.csv")
    assert status["status"].tolist() == ["excluded", "ok", "excluded"]
    assert ran(cohort, out, "rows=lesion", "features=lesion")[0] == 0  # the task's role: primary
    assert pd.read_csv(out)["role"].tolist() == ["primary"] * 3


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["task=null"], ["task: expected a task", "rows=lesion, region or study"]),
        (["rows=leson"], ["rows: expected one of unit, lesion, region, study", "'leson'"]),
        (["roles=[node]"], ["roles: expected null with rows=unit"]),
        (["rows=lesion", "roles=node"], ["roles: expected a list of roles"]),
        (["rows=lesion", "roles=[nodes]"], ["role: expected some of ['nodes']", "'primary'"]),
        (["rows=region"], ["'region', for rows=region"]),
        (
            ["task=null", "rows=lesion", "features.sets.ct_bw25.name=pt_bw025"],
            ["features.sets, name: expected names that differ", "in pt_bw025 and in ct_bw25"],
        ),
    ],
)
def test_mistakes_are_named(cohort, tmp_path, more, words):
    code, text = ran(cohort, tmp_path / "t.csv", *more)
    assert code == 2
    for word in words:
        assert word in text
    assert not list(tmp_path.glob("t.*"))


def test_a_run_keeps_the_flags_of_its_units_and_where_its_columns_come_from(tiny):
    status = pd.read_csv(tiny.run / "status.csv", keep_default_na=False)
    assert list(status) == ["unit", "patient", "stage", "status", "reason", "flagged"]
    features = pd.read_parquet(tiny.run / "features.parquet")
    parts = json.loads((tiny.run / "features.provenance.json").read_text())
    assert set(features) == {column for part in parts for column in part["columns"]}
    # 147 voxels of SUV 5 to 7 are enough for PET; all of 40 ± 10 HU lie in one or two bins of CT
    assert set(status["flagged"]) <= {"", *(f"ct_bw25 glcm: {TOO_FEW}",)}


def test_a_stored_run_may_name_filters():
    config = OmegaConf.load(config_folder() / "features" / "filtered.yaml")
    assert tuple(feature_sets(config, STORED)) == preset("filtered")
    config.sets.pt4_filters.filters[0]["_target_"] = "os.system"
    with pytest.raises(InputError, match=r"'os\.system'"):
        feature_sets(config, STORED)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_killed_extraction_ends_as_an_uninterrupted_one(tmp_path, suffix):
    cohort = write_cohort(tmp_path / "cohort", [f"P{k:02}" for k in range(40)])
    more = ["rows=lesion", "task=null", "features=all", "device=cpu"]

    def command(name):
        own = [f"out='{tmp_path / name / f't{suffix}'}'", f"data.cache='{tmp_path / name}/cache'"]
        given = ["extract", f"cohort='{cohort}'", *own, *more]
        return [sys.executable, "-m", "petnet.cli", *given]

    subprocess.run(command("whole"), check=True, capture_output=True)
    kept = tmp_path / "killed" / "cache" / "features"
    moments = random.Random(11)
    for _ in range(4):
        before = len(list(kept.glob("*.json")))
        process = subprocess.Popen(
            command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 300
        while len(list(kept.glob("*.json"))) <= before and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(moments.uniform(0.0, 0.3))
        assert process.poll() is None, "the process ended before it could be killed"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert 0 < len(list(kept.glob("*.json"))) < 40
    assert not (tmp_path / "killed" / f"t{suffix}").exists()
    subprocess.run(command("killed"), check=True, capture_output=True)
    for name in (f"t{suffix}", "t.status.csv", "t.provenance.json"):
        whole, killed = (tmp_path / side / name for side in ("whole", "killed"))
        assert whole.read_bytes() == killed.read_bytes(), name
