"""`petnet predict` on the very cohort of the run, some of which changed since."""

import json
import shutil

import nibabel as nib
import pandas as pd
import pytest

from petnet.cli import main


@pytest.fixture
def own(work, cohort, train, tmp_path):
    """A run and its own copy of the cohort."""
    folder = tmp_path / "own cohort"
    shutil.copytree(cohort, folder)
    assert train("model=lr", f"cohort='{folder}'", f"out='{tmp_path / 'runs'}'") == 0
    (run,) = (tmp_path / "runs").glob("her2-lr-*")
    return folder, run


def predict(work, folder, run, out):
    given = [f"run='{run}'", f"cohort='{folder}'", f"out='{out}'"]
    code = main(["predict", *given, f"data.cache='{work / 'cache'}'"])
    return code, pd.read_csv(out.with_suffix(".status.csv")).set_index("patient")


def test_changed_units_are_rows_and_the_rest_is_predicted(own, work, tmp_path):
    folder, run = own
    out = tmp_path / "new.csv"
    code, status = predict(work, folder, run, out)
    assert code == 0
    assert (status["status"] == "ok").all()
    pet = folder / "images" / "P0003" / "pet.nii.gz"
    image = nib.load(pet)
    brighter = image.__class__(image.get_fdata() * 1.1, image.affine, image.header)
    nib.save(brighter, pet)
    targets = pd.read_csv(folder / "targets.csv", dtype=str)
    targets.loc[targets["patient"] == "P0006", "age"] = "99"
    targets.to_csv(folder / "targets.csv", index=False)
    code, status = predict(work, folder, run, out)
    assert code == 1
    lost = status[status["status"] != "ok"]
    assert lost["status"].to_dict() == {"P0003": "failed", "P0006": "failed"}
    assert "pet.nii.gz" in lost.loc["P0003", "reason"]
    assert lost.loc["P0003", "reason"].count("hash") == 2
    assert "table targets" in lost.loc["P0006", "reason"]
    assert set(pd.read_csv(out)["unit"]) == set(status.index) - {"P0003", "P0006"}
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    code, status = predict(work, elsewhere, run, out)
    assert code == 0
    assert (status["status"] == "ok").all()


def test_another_kind_of_suv_is_refused_by_patient(own, work, tmp_path):
    folder, run = own
    assert json.loads((run / "provenance.json").read_text())["suv"] == "SUVbw"
    sidecar = folder / "images" / "P0003" / "pet.json"
    sidecar.write_text(json.dumps({"suv": {"unit": "SUVlbm"}}))
    code, status = predict(work, folder, run, tmp_path / "new.csv")
    assert code == 1
    assert status[status["status"] != "ok"]["status"].to_dict() == {"P0003": "refused"}
    assert status.loc["P0003", "reason"] == "PET in SUVlbm: the run was trained on SUVbw"


def test_a_run_of_another_format_is_refused_with_its_remedy(own, work, tmp_path, capsys):
    folder, run = own
    (run / "done.json").write_text(json.dumps({"format": 1, "failures": 0}))
    out = tmp_path / "new.csv"
    for command in (["predict", f"cohort='{folder}'", f"out='{out}'"], ["report", f"out='{out}'"]):
        assert main([*command, f"run='{run}'"]) == 2
        text = capsys.readouterr().err
        assert "done.json" in text
        assert "expected 2, but got 1" in text
        assert "Train again" in text
        assert not out.exists()


def test_a_folder_with_runs_of_another_format_gives_the_others(own, tmp_path):
    _, run = own
    old = shutil.copytree(run, run.parent / "her2-lr-0000000000")
    (old / "done.json").write_text(json.dumps({"format": 1, "failures": 0}))
    out = tmp_path / "page.html"
    assert main(["report", f"run='{run.parent}'", f"out='{out}'"]) == 0
    assert run.name in out.read_text()
    assert old.name not in out.read_text()
    (run / "done.json").write_text((old / "done.json").read_text())
    assert main(["report", f"run='{run.parent}'", f"out='{out}'"]) == 2
