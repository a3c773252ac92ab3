"""Every verb, through the command line, on a small simulated cohort."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from petnet.cli import config_folder, main


def predict(work, run, cohort, out):
    given = [f"run='{run}'", f"cohort='{cohort}'", f"out='{out}'"]
    return main(["predict", *given, f"data.cache='{work / 'cache'}'"])


def test_check_finds_nothing_wrong(cohort, capsys):
    assert main(["check", f"cohort='{cohort}'"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ": 0 errors, " in lines[-1]
    # two centres, and patients who waited longer than the guideline wants
    assert all(
        line.startswith("warning: (cohort): ") or ": uptake time: " in line for line in lines[:-1]
    )


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
    assert {c for c in table if c != "flagged"} == described
    status = pd.read_csv(work / "features.status.csv")
    assert (status["status"] == "ok").all()
    assert list(status) == ["unit", "patient", "stage", "status", "reason", "flagged"]


def test_multirun_of_a_verb_that_writes_files(cohort, work, monkeypatch):
    monkeypatch.chdir(work)
    out = "out='features-${features.name}.csv'"
    cache = f"data.cache='{work / 'cache'}'"
    chosen = "features=glcm_only,first_order"
    assert main(["extract", "-m", f"cohort='{cohort}'", out, cache, chosen]) == 0
    assert (work / "features-glcm_only.csv").is_file()
    assert (work / "features-first_order.csv").is_file()


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
    code = predict(work, finished["lr"], cohort, out)
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
    code = predict(work, finished["fusion"], broken, out)
    assert code == 1
    status = pd.read_csv(work / "broken.status.csv").set_index("patient")
    assert status.loc["P0003", "status"] == "failed"
    assert "pet.nii.gz" in status.loc["P0003", "reason"]
    assert "o such file" in status.loc["P0004", "reason"]
    assert status.loc["P0005", "status"] == "refused"
    assert "FAPI" in status.loc["P0005", "reason"]
    assert (status["status"] == "ok").sum() == 11 == len(pd.read_csv(out))
    assert main(["check", f"cohort='{broken}'"]) == 1


def test_no_lesion_of_a_lesion_task_is_lost(cohort, work, train):
    """An excluded lesion beside a sound one and a region without a name have their own rows."""
    lesions = work / "lesions"
    shutil.copytree(cohort, lesions)
    targets = pd.read_csv(lesions / "targets.csv", dtype=str)
    rois = pd.read_csv(lesions / "rois.csv", dtype=str).query("role == 'primary'")
    targets["lesion_uid"] = rois["lesion_uid"].to_numpy()
    own = work / "lesion configs" / "task"
    own.mkdir(parents=True)
    text = (config_folder() / "task" / "her2.yaml").read_text()
    (own / "her2_lesions.yaml").write_text(text.replace("unit: patient", "unit: lesion"))
    targets.to_csv(lesions / "targets.csv", index=False)
    out = f"out='{work / 'lesion runs'}'"
    config = ["--config-dir", str(work / "lesion configs"), "task=her2_lesions"]
    assert train(*config, f"cohort='{lesions}'", out) == 0
    (run,) = (work / "lesion runs").glob("her2-lr-*")
    second = rois.iloc[[0]].assign(roi="second", lesion_uid="P0001-L2")
    nameless = rois.iloc[[1]].assign(roi="nameless", lesion_uid="")
    pd.concat([rois, second, nameless]).to_csv(lesions / "rois.csv", index=False)
    bad = targets.iloc[[0]].assign(lesion_uid="P0001-L2", clinical_t="unknown")
    pd.concat([targets, bad]).to_csv(lesions / "targets.csv", index=False)
    table = work / "lesions.csv"
    code = predict(work, run, lesions, table)
    assert code == 1
    assert len(pd.read_csv(table)) == 14
    status = pd.read_csv(work / "lesions.status.csv")
    lost = status[status["status"] != "ok"].set_index("study")["reason"]
    assert "unknown" in lost["P0001-baseline"]
    assert "without lesion_uid" in lost["P0002-baseline"]
    assert (status["status"] == "ok").sum() == 14
    assert set(status["study"]) == set(pd.read_csv(lesions / "studies.csv")["study"])


def test_a_cohort_of_broken_studies_is_all_rows_and_no_prediction(finished, cohort, work):
    broken = work / "all broken"
    shutil.copytree(cohort, broken)
    for image in broken.glob("images/*/pet.nii.gz"):
        image.unlink()
    out = work / "none.csv"
    code = predict(work, finished["lr"], broken, out)
    assert code == 1
    assert pd.read_csv(out).empty
    status = pd.read_csv(work / "none.status.csv")
    assert (status["status"] == "failed").all()
    assert len(status) == 14


def test_studies_of_another_arm_and_bad_values_are_rows(finished, cohort, work):
    mixed = work / "mixed"
    shutil.copytree(cohort, mixed)
    studies = pd.read_csv(mixed / "studies.csv", dtype=str)
    studies.loc[0, "arm"] = "fapi"
    studies.to_csv(mixed / "studies.csv", index=False)
    targets = pd.read_csv(mixed / "targets.csv", dtype=str)
    targets.loc[1, "clinical_t"] = "T4a"
    targets.to_csv(mixed / "targets.csv", index=False)
    out = work / "mixed.csv"
    code = predict(work, finished["lr"], mixed, out)
    assert code == 1
    status = pd.read_csv(work / "mixed.status.csv").set_index("patient")
    assert status.loc["P0001", "status"] == "skipped"
    assert status.loc["P0002", "status"] == "excluded"
    assert "T4a" in status.loc["P0002", "reason"]
    assert (status["status"] == "ok").sum() == 12


PAYLOAD = "import pathlib; pathlib.Path({!r}).write_text('run')"


def test_a_run_folder_cannot_make_predict_call_what_it_names(finished, cohort, work):
    foreign = work / "foreign"
    shutil.copytree(finished["lr"], foreign)
    text = (foreign / "config.yaml").read_text()
    target = f"_target_: builtins.exec\n  _args_: [{PAYLOAD.format(str(work / 'ran'))!r}]\n"
    (foreign / "config.yaml").write_text(text.replace("_target_: petnet.task.Task\n", target))
    assert "builtins.exec" in (foreign / "config.yaml").read_text()
    out = work / "foreign.csv"
    assert main(["predict", f"run='{foreign}'", f"cohort='{cohort}'", f"out='{out}'"]) == 2
    assert not (work / "ran").exists()
    assert not out.exists()


def test_all_models_share_their_folds_though_one_cannot_read_a_study(cohort, work, train):
    """No window is known for the tracer of one study: the network leaves it out, LR does not."""
    odd = work / "odd tracer"
    shutil.copytree(cohort, odd)
    studies = pd.read_csv(odd / "studies.csv", dtype=str)
    studies.loc[2, "tracer"] = "PSMA"
    studies.to_csv(odd / "studies.csv", index=False)
    out = work / "shared folds"
    code = train("-m", f"cohort='{odd}'", "model=lr,cnn", f"out='{out}'", "trainer=quick",
                 "trainer.epochs=1")  # fmt: skip
    assert code == 1
    units = {p.name.split("-")[1]: len(pd.read_csv(p / "units.csv")) for p in out.glob("her2-*")}
    assert units == {"lr": 14, "cnn": 13}
    splits = {(p / "splits.csv").read_text() for p in out.glob("her2-*")}
    assert len(splits) == 1
    page = work / "shared.html"
    assert main(["report", f"run='{out}'", f"out='{page}'"]) == 0
    again = train(f"cohort='{odd}'", "model=cnn", f"out='{out}'", "trainer=quick",
                  "trainer.epochs=1")  # fmt: skip
    assert again == 1


def test_a_baseline_that_is_not_there_is_said_before_training(train, work, capsys):
    out = work / "baseline"
    assert train(f"out='{out}'", "++task.baselines.SUVpeak=higher") == 2
    assert "SUVpeak" in capsys.readouterr().err
    assert not list(out.glob("*/folds"))


def test_two_seeds_are_two_cohorts(tmp_path):
    for seed in (5, 6):
        out = f"out='{tmp_path / str(seed)}'"
        assert main(["simulate", out, f"seed={seed}", "simulation.patients=2", "workers=1"]) == 0
    a, b = ((tmp_path / s / "targets.csv").read_text() for s in ("5", "6"))
    assert a != b


def test_a_setting_scikit_learn_refuses_is_a_mistake_not_a_crash(train, work, capsys):
    assert train(f"out='{work / 'grid'}'", "model.grid.C=[-1.0]") == 2
    text = capsys.readouterr().err
    assert "Traceback" not in text
    assert "estimator" in text


def test_report_of_both_runs(finished, work):
    page = work / "report.html"
    assert main(["report", f"run='{work / 'runs'}'", f"out='{page}'"]) == 0
    text = page.read_text(encoding="utf-8")
    for word in ("SUVmax", "MTV41", "TLG41", "fusion", "lr", "<svg"):
        assert word in text


def test_a_folder_of_several_comparisons_gives_the_newest(finished, train, work):
    out, page = work / "several", work / "several.html"
    out.mkdir()
    shutil.copytree(finished["lr"], out / finished["lr"].name)
    assert train("model=lr", "seed=9", f"out='{out}'") == 0
    assert main(["report", f"run='{out}'", f"out='{page}'"]) == 0
    (newest,) = [p.name for p in out.glob("her2-*") if p.name != finished["lr"].name]
    text = page.read_text(encoding="utf-8")
    assert newest in text
    assert finished["lr"].name not in text


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
    shuffled = pd.read_csv(run / "units.csv")["truth"]
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


def test_debug_shows_the_traceback(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "cohort=nowhere", "debug=true"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_flags_may_stand_anywhere(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "cohort=x", "--cfg", "job", "seed=7"]) == 0
    assert "seed: 7" in capsys.readouterr().out
