"""`petnet train, predict, report` of every kind of task, each a YAML of the user's."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from petnet.cli import main

COMMON = """_target_: petnet.task.Task
name: {kind}_task
kind: {kind}
unit: patient
arms: [fdg]
timepoints: [baseline]
roles: [primary]
group: patient
clinical: {{numeric: [age], categorical: {{sex: [F, M]}}}}
"""
OWN = {
    "multiclass": "target: type\nclasses: [a, b, c]\n",
    "ordinal": "target: grade\nclasses: [low, mid, high]\nbaselines: {SUVmax: higher}\n",
    "multilabel": "target: [l0, l1]\nbaselines: {SUVmax: higher}\n",
    "survival": "target: months\nevent: died\nbaselines: {SUVmax: higher}\n",
}
SCORES = {
    "multiclass": ["probability_a", "probability_b", "probability_c"],
    "ordinal": ["probability_low", "probability_mid", "probability_high"],
    "multilabel": ["probability_l0", "probability_l1"],
    "survival": ["risk"],
}
SPREADS = {
    "multiclass": ["spread_a", "spread_b", "spread_c"],
    "ordinal": ["spread_low", "spread_mid", "spread_high"],
    "multilabel": ["spread_l0", "spread_l1"],
    "survival": ["spread"],
}
TRUTHS = {
    "multiclass": ["truth"],
    "ordinal": ["truth"],
    "multilabel": ["truth_l0", "truth_l1"],
    "survival": ["time", "event"],
}
UNKNOWN = "P0004"


@pytest.fixture(scope="module")
def many(cohort, tmp_path_factory):
    """The HER2 cohort with columns for every kind, and the tasks in a config folder."""
    root = tmp_path_factory.mktemp("kinds")
    folder = shutil.copytree(cohort, root / "cohort")
    targets = pd.read_csv(folder / "targets.csv", dtype=str)
    k = np.arange(len(targets))
    targets = targets.assign(
        type=np.array(list("abc"))[k % 3], grade=np.array(["low", "mid", "high"])[k // 2 % 3],
        l0=k % 2, l1=k // 2 % 2, months=3.5 + k * 7 % 11, died=(k % 3 > 0).astype(int),
    )  # fmt: skip
    targets.to_csv(folder / "targets.csv", index=False)
    (root / "configs" / "task").mkdir(parents=True)
    for kind, own in OWN.items():
        text = COMMON.format(kind=kind) + own
        (root / "configs" / "task" / f"{kind}_task.yaml").write_text(text)
    return root, folder


@pytest.fixture(scope="module", params=OWN)
def trained(request, many, train):
    root, folder = many
    kind, out = request.param, root / f"runs {request.param}"
    config = ["--config-dir", str(root / "configs"), f"task={kind}_task"]
    assert train(*config, f"cohort='{folder}'", f"out='{out}'", "model=lr") == 0
    (run,) = out.glob(f"{kind}_task-lr-*")
    return kind, run, folder


def test_predictions_are_means_over_the_folds(trained, work, tmp_path):
    kind, run, folder = trained
    fresh = tmp_path / "new cohort"
    shutil.copytree(folder, fresh)
    targets = pd.read_csv(fresh / "targets.csv", dtype=str)
    targets[targets["patient"] != UNKNOWN].to_csv(fresh / "targets.csv", index=False)
    out = tmp_path / "new.csv"
    given = [f"run='{run}'", f"cohort='{fresh}'", f"out='{out}'"]
    assert main(["predict", *given, f"data.cache='{work / 'cache'}'"]) == 0
    made = pd.read_csv(out).set_index("unit")
    assert {*SCORES[kind], *SPREADS[kind], *TRUTHS[kind]} <= set(made)
    assert made.loc[UNKNOWN, TRUTHS[kind]].isna().all()
    assert made.drop(UNKNOWN)[TRUTHS[kind]].notna().all().all()
    assert made["id_in_training"].all()
    # of two folds, a unit's own held-out prediction is one of the two that are averaged; the row
    # that is gone held clinical values too
    both = made.drop(UNKNOWN)
    held_out = pd.read_csv(run / "predictions.csv").set_index("unit").loc[both.index]
    for score, spread in zip(SCORES[kind], SPREADS[kind], strict=True):
        distance = (both[score] - held_out[score]).abs()
        np.testing.assert_allclose(distance, both[spread] / 2**0.5, atol=1e-9)
    if kind in ("multiclass", "ordinal"):
        np.testing.assert_allclose(made[SCORES[kind]].sum(axis=1), 1, atol=1e-9)
    _check_decisions(kind, run, made)


def _check_decisions(kind, run, made):
    """Decide again, by the mean of the folds' shares, in plain arithmetic."""
    files = sorted(run.glob("folds/*/fold.json"))
    base = np.mean([json.loads(f.read_text())["base"] for f in files], axis=0)
    p = made[SCORES[kind]].to_numpy()
    if kind == "survival":
        assert base.tolist() == [0.0]
        assert (made["decision"] == (p[:, 0] > 0)).all()
    elif kind == "multilabel":
        for k, label in enumerate(("l0", "l1")):
            assert (made[f"decision_{label}"] == (p[:, k] > base[k])).all()
    else:
        labels = [name.removeprefix("probability_") for name in SCORES[kind]]
        weight = p / base
        if kind == "multiclass":
            expected = [labels[k] for k in weight.argmax(axis=1)]
        else:
            share = weight.cumsum(axis=1) / weight.sum(axis=1, keepdims=True)
            expected = [labels[int(np.argmax(row >= 0.5))] for row in share]
        assert made["decision"].tolist() == expected


def test_the_report_of_each_kind_is_written(trained, tmp_path):
    kind, run, _ = trained
    page = tmp_path / "page.html"
    assert main(["report", f"run='{run}'", f"out='{page}'"]) == 0
    text = page.read_text(encoding="utf-8")
    (entry, *_) = json.loads((run / "metrics.json").read_text())["models"]
    assert f'<data value="{entry["headline"]["value"]!r}">' in text
    assert f"{kind}_task" in text
    assert text.count("<article") > 2
