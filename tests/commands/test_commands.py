"""Every verb, through the command line, on a small simulated cohort."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from petnet.cli import main


def test_check_finds_nothing_wrong(cohort, capsys):
    assert main(["check", f"cohort='{cohort}'"]) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out


def test_extract_writes_table_provenance_and_status(cohort, work):
    out = work / "features.parquet"
    cache = f"data.cache='{work / 'cache'}'"
    assert main(["extract", f"cohort='{cohort}'", f"out='{out}'", cache]) == 0
    table = pd.read_parquet(out)
    assert len(table) == 14
    described = {
        column
        for part in json.loads((work / "features.provenance.json").read_text())
        for column in part["columns"]
    }
    texture = {c for c in table if not c.startswith("measure__")}
    assert texture == described
    assert (pd.read_csv(work / "features.status.csv")["status"] == "ok").all()


def test_multirun_makes_a_run_folder_for_each_model_on_the_same_splits(finished):
    assert set(finished) == {"lr", "fusion"}
    splits = [(path / "splits.csv").read_text() for path in finished.values()]
    assert splits[0] == splits[1]
    for path in finished.values():
        predictions = pd.read_csv(path / "predictions.csv")
        assert predictions["probability"].between(0, 1).all()
        assert len(predictions) == predictions["unit"].nunique() == 14


def test_the_same_command_finds_its_finished_run(finished, train, work):
    before = {p: p.stat().st_mtime_ns for p in finished["lr"].rglob("*")}
    assert train("model=lr", f"out='{work / 'runs'}'", "trainer=quick", "trainer.epochs=1") == 0
    changed = [p for p, stamp in before.items() if p.stat().st_mtime_ns != stamp]
    assert [p.name for p in changed if p.name != ".lock"] == []


def test_predict_is_the_mean_of_the_fold_models(finished, cohort, work):
    out = work / "new" / "predictions.csv"
    code = main(
        [
            "predict", f"run='{finished['lr']}'", f"cohort='{cohort}'", f"out='{out}'",
            f"data.cache='{work / 'cache'}'",
        ]
    )  # fmt: skip
    assert code == 0
    made = pd.read_csv(out).set_index("unit")
    assert (made["models"] == 2).all()
    assert made["id_in_training"].all()
    # with two folds, a unit's own held-out prediction is one of the two that are averaged
    held_out = pd.read_csv(finished["lr"] / "predictions.csv").set_index("unit")["probability"]
    distance = (made["probability"] - held_out).abs()
    np.testing.assert_allclose(distance, made["spread"].loc[distance.index] / 2**0.5, atol=1e-9)
    status = pd.read_csv(work / "new" / "predictions.status.csv")
    assert (status["status"] == "ok").all()
    assert len(status) == 14


def test_a_broken_study_becomes_a_row_and_the_rest_is_predicted(finished, cohort, work):
    broken = work / "broken"
    shutil.copytree(cohort, broken)
    (broken / "images" / "P0003" / "pet.nii.gz").write_bytes(b"\x1f\x8b broken")
    (broken / "images" / "P0004" / "ct.nii.gz").unlink()
    studies = pd.read_csv(broken / "studies.csv", dtype=str)
    studies.loc[studies["patient"] == "P0005", "tracer"] = "FAPI"
    studies.to_csv(broken / "studies.csv", index=False)
    out = work / "broken.csv"
    code = main(
        [
            "predict", f"run='{finished['fusion']}'", f"cohort='{broken}'", f"out='{out}'",
            f"data.cache='{work / 'cache'}'",
        ]
    )  # fmt: skip
    assert code == 1
    status = pd.read_csv(work / "broken.status.csv").set_index("patient")
    assert status.loc["P0003", "status"] == "failed"
    assert "pet.nii.gz" in status.loc["P0003", "reason"]
    assert "o such file" in status.loc["P0004", "reason"]
    assert status.loc["P0005", "status"] == "refused"
    assert "FAPI" in status.loc["P0005", "reason"]
    assert (status["status"] == "ok").sum() == 11 == len(pd.read_csv(out))
    assert main(["check", f"cohort='{broken}'"]) == 1


def test_report_of_both_runs(finished, work):
    page = work / "report.html"
    assert main(["report", f"run='{work / 'runs'}'", f"out='{page}'"]) == 0
    text = page.read_text(encoding="utf-8")
    for word in ("SUVmax", "MTV41", "TLG41", "fusion", "lr", "<svg"):
        assert word in text


def test_a_task_that_is_only_a_yaml_of_the_users_trains(cohort, work, train):
    """A fourth task, in the user's own config folder: no Python."""
    own = work / "own configs" / "task"
    own.mkdir(parents=True)
    (own / "high_suv_age.yaml").write_text(
        "_target_: petnet.task.Task\nname: nodal_n2\nkind: binary\ntarget: n2\nunit: patient\n"
        "arms: [fdg]\ntimepoints: [baseline]\nroles: [primary]\ngroup: patient\n"
        "clinical: {numeric: [age], categorical: {sex: [F, M]}}\nbaselines: {MTV41: higher}\n"
    )
    targets = pd.read_csv(cohort / "targets.csv", dtype=str)
    folder = work / "fourth"
    shutil.copytree(cohort, folder)
    targets["n2"] = [str(i % 2) for i in range(len(targets))]
    targets.to_csv(folder / "targets.csv", index=False)
    code = train(
        "--config-dir", str(work / "own configs"), "task=high_suv_age", f"out='{work / 'own'}'",
        f"cohort='{folder}'",
    )  # fmt: skip
    assert code == 0
    (run,) = (work / "own").glob("nodal_n2-lr-*")
    names = [m["name"] for m in json.loads((run / "metrics.json").read_text())["models"]]
    assert names == ["lr", "MTV41"]


def test_permuted_labels_are_another_run(train, work):
    assert train("model=lr", "permute=3", f"out='{work / 'permuted'}'") == 0
    (run,) = (work / "permuted").glob("her2-lr-*")
    shuffled = pd.read_csv(run / "units.csv")["target"]
    assert json.loads((run / "provenance.json").read_text())["permute"] == 3
    assert shuffled.sum() == 7


def test_nothing_of_a_model_is_pickled(finished):
    files = [p for p in finished["fusion"].glob("folds/*/model/*") if p.is_file()]
    assert {p.suffix for p in files} == {".json", ".safetensors"}
    assert all(load_file(p) for p in files if p.suffix == ".safetensors")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], ["trian", "train"]),
        (["train"], ["cohort"]),
        (["train", "cohort=nowhere"], ["nowhere"]),
        (["train", "cohort=x", "model=resnet"], ["resnet"]),
        (["train", "cohort=x", "cv.fold=3"], ["fold"]),
        (["train", "cohort=x", "device=cuda"], ["device", "CUDA"]),
        (["extract", "cohort=x", "out=a.xlsx"], ["out", ".parquet", "a.xlsx"]),
        (["predict", "run=nowhere", "cohort=x"], ["nowhere"]),
        (["report", "run=nowhere"], ["nowhere"]),
        (["simulate", "out=x", "simulation.texture_auc=0.2"], ["texture_auc", "0.2"]),
    ],
)
def test_a_mistake_gives_one_message_and_no_traceback(
    arguments, words, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    text = "".join(capsys.readouterr())
    assert "Traceback" not in text
    for word in words:
        assert word in text
    assert list(tmp_path.iterdir()) == []
