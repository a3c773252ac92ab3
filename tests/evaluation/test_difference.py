"""Two run folders that differ in one known thing: that thing is named, and nothing else."""

import json
import shutil

import pandas as pd
import pytest
from omegaconf import OmegaConf

from petnet.errors import InputError
from petnet.evaluation.difference import differences
from petnet.evaluation.run_folder import FORMAT

UNITS = ("p 1", "p2", "p3")


def write_run(folder):
    folder.mkdir()
    settings = {"task": {"name": "t"}, "model": {"name": "lr", "grid": {"C": [0.1, 1.0]}}}
    settings |= {"seed": 1, "out": "runs", "data": {"cache": "here"}}
    OmegaConf.save(OmegaConf.create(settings), folder / "config.yaml")
    origin = {"petnet": "0.1.0", "python": "3.11.7", "created": "2026-01-01", "seconds": 3.0}
    origin |= {"versions": {"numpy": "2.4.6", "torch": "2.13.0"}}
    write(folder, "provenance.json", origin)
    write(folder, "done.json", {"format": FORMAT, "failures": 0})
    headline = {"value": 0.75, "low": 0.5, "high": 0.9}
    entry = {"name": "lr", "measure": "AUC", "headline": headline}
    write(folder, "metrics.json", {"models": [entry]})
    units = pd.DataFrame({"unit": UNITS, "patient": UNITS, "truth": [1, 0, 1]})
    units.to_csv(folder / "units.csv", index=False)
    inputs = pd.DataFrame({"unit": UNITS, "file": ["a.nii", "b.nii", "c.nii"], "hash": list("xyz")})
    inputs.to_csv(folder / "inputs.csv", index=False)
    held = pd.DataFrame({"repeat": [0, 0, 0], "fold": [0, 1, 1], "unit": UNITS})
    held.to_csv(folder / "splits.csv", index=False)
    scored = held.assign(probability=[0.1, 0.5, 0.9], truth=[1, 0, 1])
    scored.to_csv(folder / "predictions.csv", index=False)
    features = pd.DataFrame({"f": [1.0, 2.0, float("nan")], "g": [5.0, 6.0, 7.0]}, index=UNITS)
    features.to_parquet(folder / "features.parquet")
    return folder


def write(folder, name, value):
    (folder / name).write_text(json.dumps(value), encoding="utf-8")


def edit_csv(name, row, column, value):
    def edit(folder):
        table = pd.read_csv(folder / name)
        table[column] = table[column].astype(object)
        table.loc[row, column] = value
        table.to_csv(folder / name, index=False)

    return edit


def edit_config(key, value):
    def edit(folder):
        config = OmegaConf.load(folder / "config.yaml")
        OmegaConf.update(config, key, value)
        OmegaConf.save(config, folder / "config.yaml")

    return edit


def edit_json(name, change):
    def edit(folder):
        found = json.loads((folder / name).read_text(encoding="utf-8"))
        change(found)
        write(folder, name, found)

    return edit


def edit_features(row, column, value):
    def edit(folder):
        table = pd.read_parquet(folder / "features.parquet")
        table.loc[row, column] = value
        table.to_parquet(folder / "features.parquet")

    return edit


def drop_column(folder):
    pd.read_parquet(folder / "features.parquet")[["g"]].to_parquet(folder / "features.parquet")


def drop_unit(folder):
    pd.read_csv(folder / "units.csv").iloc[:2].to_csv(folder / "units.csv", index=False)


@pytest.fixture
def runs(tmp_path):
    first = write_run(tmp_path / "first")
    return first, shutil.copytree(first, tmp_path / "second")


def test_a_copy_does_not_differ(runs):
    assert differences(*runs) == []


def test_a_unit_may_be_called_none(tmp_path, monkeypatch):
    monkeypatch.setattr("test_difference.UNITS", ("p 1", "None", "p3"))
    one, other = (write_run(tmp_path / name) for name in ("one", "other"))
    for name in ("splits.csv", "predictions.csv"):
        text = (other / name).read_text()
        assert "0,1,None" in text
        (other / name).write_text(
            text.replace("0,1,None", "0,2,None").replace("None,0.5", "None,0.6")
        )
    found = [(d.part, d.what, d.first, d.second) for d in differences(one, other)]
    assert found == [
        ("split", "None", "r0f1", "r0f2"),
        ("prediction", "None, probability", "0.5", "0.6"),
    ]


def test_when_and_how_long_is_no_difference(runs):
    edit_json("provenance.json", lambda o: o.update(created="later", seconds=99))(runs[1])
    assert differences(*runs) == []


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (edit_config("model.grid.C", [0.1]), ("setting", "model.grid.C", "[0.1, 1.0]", "[0.1]")),
        (edit_config("seed", 2), ("setting", "seed", "1", "2")),
        (edit_config("model.extra", 7), ("setting", "model.extra", "absent", "7")),
        (edit_config("data.cache", "there"), ("other setting", "data.cache", "here", "there")),
        (
            edit_json("provenance.json", lambda o: o["versions"].update(torch="2.8.0")),
            ("version", "torch", "2.13.0", "2.8.0"),
        ),
        (
            edit_json("provenance.json", lambda o: o["versions"].pop("numpy")),
            ("version", "numpy", "2.4.6", "absent"),
        ),
        (edit_csv("inputs.csv", 1, "hash", "w"), ("input", "p2 b.nii, hash", "y", "w")),
        (edit_csv("units.csv", 2, "truth", 0), ("unit", "p3, truth", "1", "0")),
        (drop_unit, ("unit", "p3", "there", "absent")),
        (edit_csv("splits.csv", 1, "fold", 0), ("split", "p2", "r0f1", "r0f0")),
        (edit_features("p2", "f", 2.5), ("feature", "p2, f", "2", "2.5")),
        (edit_features("p3", "f", 1.0), ("feature", "p3, f", "nan", "1")),
        (drop_column, ("feature", "column f", "there", "absent")),
        (
            edit_csv("predictions.csv", 0, "probability", 0.25),
            ("prediction", "p 1, probability", "0.1", "0.25"),
        ),
        (
            edit_json("metrics.json", lambda m: m["models"][0]["headline"].update(value=None)),
            ("figure", "lr, AUC", "0.750000", "undefined"),
        ),
    ],
    ids=lambda value: value[0] + " " + value[1] if isinstance(value, tuple) else "",
)
def test_the_one_thing_that_differs_is_named(runs, edit, expected):
    edit(runs[1])
    (found,) = differences(*runs)
    assert (found.part, found.what, found.first, found.second) == expected


def test_of_many_columns_the_most_different_is_named(runs):
    edit_features("p2", "f", 2.0002)(runs[1])
    edit_features("p2", "g", 60.0)(runs[1])
    (found,) = differences(*runs)
    assert (found.what, found.first, found.second) == ("p2, g (and 1 more columns)", "6", "60")


def test_causes_stand_before_effects(runs):
    edit_json("metrics.json", lambda m: m["models"][0]["headline"].update(value=0.5))(runs[1])
    edit_csv("predictions.csv", 0, "probability", 0.25)(runs[1])
    edit_csv("inputs.csv", 0, "hash", "w")(runs[1])
    edit_config("seed", 2)(runs[1])
    edit_config("out", "elsewhere")(runs[1])
    parts = [found.part for found in differences(*runs)]
    assert parts == ["setting", "other setting", "input", "prediction", "figure"]


def test_a_folder_that_is_no_finished_run_is_named(runs, tmp_path):
    with pytest.raises(InputError, match=r"nothing: run folder: expected"):
        differences(runs[0], tmp_path / "nothing")
    (runs[1] / "inputs.csv").unlink()
    with pytest.raises(InputError, match=r"inputs\.csv: file: expected one"):
        differences(*runs)
