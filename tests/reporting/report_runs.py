"""Run folders with seeded predictions, as `petnet train` would leave them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from urllib.parse import quote

import numpy as np

from petnet.outcome import BINARY
from petnet.stats.discrimination import delong_interval, repeated_auc_interval

NASTY = "<script>alert(1)</script>"
REPEATS, FOLDS = 3, 4


DECISION = {
    "rule": "positive above the training share",
    "sensitivity": {"value": 0.8125, "low": 0.57, "high": 0.93, "level": 0.95, "method": "Wilson"},
    "specificity": {"value": 0.6875, "low": 0.51, "high": 0.82, "level": 0.95, "method": "Wilson"},
    "ppv": {"value": 0.565, "low": None, "high": None, "level": 0.95, "method": "Wilson"},
    "npv": None,
    "accuracy": {"value": 0.729, "low": 0.59, "high": 0.83, "level": 0.95, "method": "Wilson"},
}


def unit_names(n):
    return [NASTY, "P-002/L1", *(f"P-{k:03d}" for k in range(3, n + 1))]


def write_csv(path, header, rows):
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_text(buffer.getvalue(), encoding="utf-8")


def estimate(e):
    return {k: None if v != v else v for k, v in vars(e).items()}


def metrics_entry(name, truth, score, fold, repeat, probability):
    auc = repeated_auc_interval(truth, score, fold, repeat)
    n = truth.size // REPEATS
    mean = score.reshape(REPEATS, n).mean(axis=0)
    entry = {
        "name": name,
        "measure": "AUC",
        "headline": estimate(auc),
        "conditional": estimate(delong_interval(truth[:n], mean)) | {"label": "a label"},
        "per_repeat": [auc.value - 0.01, auc.value, auc.value + 0.01],
        "n": n,
        "positive": int(truth[:n].sum()),
        "counts": {"1": int(truth[:n].sum()), "0": int((1 - truth[:n]).sum())},
    }
    if probability:
        large = {"value": -0.123, "low": -0.5, "high": 0.25, "level": 0.95, "method": "at 1, Wald"}
        entry |= {
            "brier": 0.2345, "calibration_slope": 0.87, "calibration_in_the_large": large,
            "calibration_intercept_joint": 0.6789, "training": 0.9876, "decision": DECISION,
            "versus": [
                {"name": "SUVmax", "n": 47, "difference": 0.0815, "low": -0.0335, "high": 0.1965,
                 "level": 0.95, "p": 0.1645},
                {"name": "MTV41", "n": 48, "difference": 0.3125, "low": 0.2, "high": 0.4,
                 "level": 0.95, "p": 0.0000123},
                {"name": "TLG41", "n": 48, "difference": 0.5, "low": None, "high": None,
                 "level": 0.95, "p": None},
            ],
        }  # fmt: skip
    return entry


def gallery_arrays(rng):
    arrays = {}
    for view, shape in (("axial", (40, 48)), ("coronal", (70, 48)), ("mip", (70, 48))):
        arrays[f"{view}_pet"] = rng.integers(0, 255, shape).astype(np.uint8)
        if view != "mip":
            arrays[f"{view}_ct"] = rng.integers(0, 255, shape).astype(np.uint8)
        mask = np.zeros(shape, dtype=np.uint8)
        mask[10:20, 12:22] = 1
        arrays[f"{view}_mask"] = mask
        arrays[f"{view}_spacing_mm"] = np.array([3.0, 4.0])
    return arrays


def make_run(folder: Path, model="lr", n=48, seed=0, strength=1.0, split_seed=0, gallery=True):
    folder.mkdir(parents=True)
    rng, splitter = np.random.default_rng(seed), np.random.default_rng(split_seed)
    data = np.random.default_rng(77)
    units = unit_names(n)
    truth = (np.arange(n) % 3 == 0).astype(float)
    fold = np.stack([splitter.permutation(n) % FOLDS for _ in range(REPEATS)])
    repeat = np.repeat(np.arange(REPEATS), n)
    rows = [
        (int(r), int(f), u) for r in range(REPEATS) for f, u in zip(fold[r], units, strict=True)
    ]
    write_csv(folder / "splits.csv", ("repeat", "fold", "unit"), rows)

    latent = strength * truth + rng.normal(size=(REPEATS, n)) * 0.7 + rng.normal(size=n)
    p = 1 / (1 + np.exp(-(latent - 0.5)))
    t3, f3 = np.tile(truth, REPEATS), fold.ravel()
    write_csv(
        folder / "predictions.csv",
        ("unit", "patient", "model", "repeat", "fold", "probability", "decision",
         "truth"),
        [(u, u, model, r, f, repr(float(q)), int(q > 1 / 3), int(y))
         for u, r, f, q, y in zip(units * REPEATS, repeat, f3, p.ravel(), t3, strict=True)],
    )  # fmt: skip
    models = [metrics_entry(model, t3, p.ravel(), f3, repeat, True)]
    rows = []
    for k, name in enumerate(("SUVmax", "MTV41", "TLG41")):
        values = np.tile(np.exp(data.normal(2, 0.5, n) + (0.3 - 0.2 * k) * truth), REPEATS)
        sign, direction = (-1, "lower") if name == "TLG41" else (1, "higher")
        models.append(metrics_entry(name, t3, sign * values, f3, repeat, False))
        parts = zip(units * REPEATS, repeat, f3, values, t3, strict=True)
        rows += [(u, u, name, r, f, repr(float(v)), int(y), direction) for u, r, f, v, y in parts]
    header = ("unit", "patient", "model", "repeat", "fold", "score", "truth", "direction")
    write_csv(folder / "baselines.csv", header, rows)

    ages = data.integers(30, 85, n)
    write_csv(
        folder / "units.csv",
        ("unit", "patient", "center", "truth", "age", "sex", "cea"),
        [(u, u, "AB"[k % 2], int(truth[k]), ages[k], "FM"[k % 2], "" if k % 5 == 0 else 1.5 + k)
         for k, u in enumerate(units)] + [("P-900", "P-900", "A", "", 61, "F", "")],
    )  # fmt: skip
    status = [(u, u, "imaging", "ok", "") for u in units]
    status += [("", "P-901", "imaging", "excluded", "PET and CT do not overlap"),
               ("P-900", "P-900", "targets", "excluded", "target missing")]  # fmt: skip
    write_csv(folder / "status.csv", ("unit", "patient", "stage", "status", "reason"), status)

    (folder / "config.yaml").write_text(f"model:\n  name: {model}\nseed: 7\n")
    task = {"name": "her2", "kind": "binary", "target": "her2_positive", "unit": "patient"}
    provenance = {
        "created": "2025-01-02T03:04:05+00:00", "petnet": "0.1.0", "python": "3.11",
        "platform": "Linux", "device": "cpu", "git_revision": "abc", "cohort": "stomach",
        "versions": {"numpy": "2.0", "torch": "2.8"}, "data_fingerprint": "d" * 32,
        "config_hash": "c" * 32, "splits_hash": f"split{split_seed}", "seed": 7, "task": task,
        "model": model, "seconds": 12.5,
    }  # fmt: skip
    (folder / "provenance.json").write_text(json.dumps(provenance))
    metrics = {"models": models, "notes": ["a note & more"]}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    if gallery:
        (folder / "gallery").mkdir()
        for u in units[:20]:
            np.savez(folder / "gallery" / f"{quote(u, safe='')}.npz", **gallery_arrays(data))
    return folder


def summed_up(run: Path, outcome=BINARY):
    """Write metrics.json anew from the predictions, as training does."""
    import pandas as pd

    from petnet.evaluation.summary import summarise

    tables = (pd.read_csv(run / f"{name}.csv") for name in ("predictions", "baselines"))
    (run / "metrics.json").write_text(json.dumps({"models": summarise(outcome, *tables)}))
    return run


def one_division(run: Path):
    """Leave of a run its first fold: a fixed division in training and test part."""
    for name in ("splits", "predictions", "baselines"):
        rows = list(csv.DictReader((run / f"{name}.csv").read_text().splitlines()))
        kept = [r for r in rows if (r["repeat"], r["fold"]) == ("0", "0")]
        write_csv(run / f"{name}.csv", list(rows[0]), [list(r.values()) for r in kept])
    return summed_up(run)


def two_lesions_each(run: Path):
    """Let each two units in a row belong to one patient."""
    patient = {unit: f"Q-{k // 2}" for k, unit in enumerate(unit_names(1000))}
    for name in ("units", "predictions", "baselines"):
        rows = list(csv.DictReader((run / f"{name}.csv").read_text().splitlines()))
        for row in rows:
            row["patient"] = patient.get(row["unit"], row["patient"])
        write_csv(run / f"{name}.csv", list(rows[0]), [list(r.values()) for r in rows])
    return summed_up(run)


def write_features(folder, n=48):
    import pandas as pd

    names = [f"basic__{i}_glcm_f{k}_3d" for i in ("original", "wavelet") for k in range(3)]
    frame = pd.DataFrame(0.0, index=pd.Index(unit_names(n), name="unit"), columns=names)
    frame["measure__volume_cm3"] = 1.0
    frame.to_parquet(folder / "features.parquet")
    (folder / "features.provenance.json").write_text(
        json.dumps([{"bins": 32, "columns": {names[0]: "LFYI"}}])
    )
