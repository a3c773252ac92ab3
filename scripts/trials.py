"""Trials with known truth on simulated HER2 cohorts: does each model find what was planted.

    python scripts/trials.py texture FOLDER     200 patients, signal in texture alone, five seeds
    python scripts/trials.py permuted FOLDER    the default cohort with shuffled labels, 20 times

Cohorts and runs lie in FOLDER and are used again; the table is printed as Markdown.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
from pathlib import Path

from petnet.cli import main as petnet

RADIOMICS_ALONE = ["model=lr", "model.inputs=[radiomics]"]
DEEP = ["imaging=small", "cv.repeats=1"]
TEXTURE_MODELS = {
    "LR, volume + first-order": [
        *RADIOMICS_ALONE,
        "features=first_order",
        "model.include=['*_stat_*','*_morph_volume*']",
    ],
    "LR, GLCM": [*RADIOMICS_ALONE, "features=glcm_only", "model.include=['*_glcm_*']"],
    "CNN": [*DEEP, "model=cnn", "features=glcm_only"],
    "fusion": [*DEEP, "model=fusion", "features=glcm_only"],
}
PERMUTED_MODELS = {
    "LR": ["model=lr", "cv.repeats=1"],
    "CNN": [*DEEP, "model=cnn", "trainer=quick"],
    "fusion": [*DEEP, "model=fusion", "trainer=quick"],
}
IDEAL = 0.93


def run(verb: str, *overrides: str) -> None:
    """Call the command line; stop on failure."""
    code = petnet([verb, *overrides])
    if code:
        sys.exit(code)


def auc_of(folder: Path, task: str, model: str) -> float:
    """Return the headline AUC of the newest finished run in a folder."""
    done = max(folder.glob(f"{task}-{model}-*/done.json"), key=lambda p: p.stat().st_mtime)
    metrics = json.loads(done.with_name("metrics.json").read_text())
    return float(metrics["models"][0]["auc"]["value"])


def sampled_ideal(cohort: Path) -> float:
    """AUC of the planted latent in this sample: what an ideal observer would get here."""
    from petnet.stats.discrimination import auc

    with (cohort / "truth.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return auc([int(r["label"]) for r in rows], [float(r["texture_latent"]) for r in rows])


def texture(folder: Path, seeds: list[int], patients: int, models: list[str]) -> None:
    """Signal in texture alone: who sees it, and who must not."""
    table: dict[str, list[float]] = {"ideal observer, this sample": []}
    table |= {name: [] for name in models}
    for seed in seeds:
        cohort = folder / f"cohort-{seed}"
        run(
            "simulate",
            f"out={cohort}",
            f"simulation.patients={patients}",
            "simulation.prevalence=0.5",
            f"simulation.texture_auc={IDEAL}",
            "simulation.clinical_auc=0.5",
            "simulation.missing_label_rate=0",
            f"simulation.seed={seed}",
        )
        table["ideal observer, this sample"].append(sampled_ideal(cohort))
        for name in models:
            out = folder / f"{name.replace(' ', '_').replace(',', '')}-{seed}"
            chosen = TEXTURE_MODELS[name]
            run(
                "train", f"cohort={cohort}", f"out={out}", f"data.cache={folder / 'cache'}", *chosen
            )
            model = next(c for c in chosen if c.startswith("model=")).removeprefix("model=")
            table[name].append(auc_of(out, "her2", model))
    print("| | " + " | ".join(f"seed {s}" for s in seeds) + " | mean |")
    print("|---" * (len(seeds) + 2) + "|")
    for name, values in table.items():
        cells = " | ".join(f"{v:.3f}" for v in values)
        print(f"| {name} | {cells} | {statistics.mean(values):.3f} |")
    blind, seeing = (table.get(name) for name in list(TEXTURE_MODELS)[:2])
    if blind and not 0.40 <= statistics.mean(blind) <= 0.60:
        sys.exit("volume and first-order statistics see the label: the cohort leaks it")
    if seeing and statistics.mean(seeing) < IDEAL - 0.10:
        sys.exit("GLCM features miss the planted texture")


def permuted(folder: Path, repeats: int, models: list[str]) -> None:
    """Shuffled labels: the mean AUC must be 0.5 within 3.5 of its empirical standard errors."""
    from petnet.stats.empirical import mean_and_error

    cohort = folder / "cohort-default"
    run("simulate", f"out={cohort}")
    print(f"| model | mean AUC of {repeats} | standard error | standard errors from 0.5 |")
    print("|---|---|---|---|")
    outside = False
    for name in models:
        values = []
        for number in range(1, repeats + 1):
            out = folder / f"permuted-{name}-{number}"
            run(
                "train", f"cohort={cohort}", f"out={out}", f"data.cache={folder / 'cache'}",
                f"permute={number}", *PERMUTED_MODELS[name],
            )  # fmt: skip
            values.append(auc_of(out, "her2", name.lower()))
        found = mean_and_error(values)
        away = found.errors_from(0.5)
        outside |= abs(away) > 3.5
        print(f"| {name} | {found.mean:.3f} | {found.standard_error:.3f} | {away:+.2f} |")
    sys.exit(1 if outside else 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trial", choices=["texture", "permuted"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--models", nargs="+", help="some of the rows; default all")
    given = parser.parse_args()
    if given.trial == "texture":
        texture(given.folder, given.seeds, given.patients, given.models or list(TEXTURE_MODELS))
    else:
        permuted(given.folder, given.repeats, given.models or list(PERMUTED_MODELS))
