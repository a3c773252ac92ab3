"""Trials with known truth on simulated cohorts: does each model find what was planted.

    python scripts/trials.py texture FOLDER     200 patients, signal in texture alone, five seeds
    python scripts/trials.py permuted FOLDER    the default cohort with shuffled labels, 20 times
    python scripts/trials.py planted FOLDER     every task of planted.yaml, five seeds
    python scripts/trials.py blind FOLDER       the same tasks with shuffled labels, 20 times

Cohorts and runs lie in FOLDER and are used again; the table is printed as Markdown.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

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


def headline_of(folder: Path) -> float:
    """Return the headline figure of the newest finished run in a folder."""
    done = max(folder.glob("*/done.json"), key=lambda p: p.stat().st_mtime)
    metrics = json.loads(done.with_name("metrics.json").read_text(encoding="utf-8"))
    return float(metrics["models"][0]["headline"]["value"])


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
            table[name].append(headline_of(out))
    print_rows(table, seeds)
    blind, seeing = (table.get(name) for name in list(TEXTURE_MODELS)[:2])
    if blind and not 0.40 <= statistics.mean(blind) <= 0.60:
        sys.exit("volume and first-order statistics see the label: the cohort leaks it")
    if seeing and statistics.mean(seeing) < IDEAL - 0.10:
        sys.exit("GLCM features miss the planted texture")


def permuted(folder: Path, repeats: int, models: list[str]) -> None:
    """Shuffled labels: the mean AUC must be 0.5 within 3.5 of its empirical standard errors."""
    from petnet.stats.empirical import mean_and_error

    cohort = folder / "cohort-default"
    run("simulate", f"out={cohort}", "simulation.prevalence=0.3")
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
            values.append(headline_of(out))
        found = mean_and_error(values)
        away = found.errors_from(0.5)
        outside |= abs(away) > 3.5
        print(f"| {name} | {found.mean:.3f} | {found.standard_error:.3f} | {away:+.2f} |")
    sys.exit(1 if outside else 0)


def print_rows(table: dict[str, list[float]], seeds: list[int]) -> None:
    """Print a Markdown table of one row per model and one column per seed."""
    print("| | " + " | ".join(f"seed {s}" for s in seeds) + " | mean |")
    print("|---" * (len(seeds) + 2) + "|")
    for name, values in table.items():
        cells = " | ".join(f"{v:.3f}" for v in values)
        print(f"| {name} | {cells} | {statistics.mean(values):.3f} |")


def tasks_of(chosen: list[str] | None) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Read planted.yaml: everything, and the rows chosen."""
    from omegaconf import OmegaConf

    read: Any = OmegaConf.to_container(OmegaConf.load(Path(__file__).with_name("planted.yaml")))
    unknown = sorted(set(chosen or ()) - set(read["rows"]))
    if unknown:
        sys.exit(f"--models: expected some of {list(read['rows'])}, but got {unknown}")
    rows = {name: row for name, row in read["rows"].items() if not chosen or name in chosen}
    return read, rows


def simulate(folder: Path, read: dict[str, Any], simulation: str, seed: int, patients: int) -> Path:
    """Write a cohort of planted.yaml, or find it there."""
    cohort = folder / f"{simulation}-{seed}"
    run(
        "simulate", f"simulation={simulation}", f"simulation.patients={patients}",
        f"simulation.seed={seed}", f"out={cohort}", *read["simulations"][simulation],
    )  # fmt: skip
    return cohort


def trained(folder: Path, cohort: Path, name: str, overrides: list[str]) -> float:
    """Train a row of planted.yaml on a cohort and return its headline figure."""
    plain = "_".join(re.findall(r"[\w-]+", name))  # the command line takes brackets for its own
    out = folder / f"run_{plain}_{cohort.name}"
    run("train", f"cohort={cohort}", f"out={out}", f"data.cache={folder / 'cache'}", *overrides)
    return headline_of(out)


def ideal_of(cohort: Path, key: str) -> float:
    """Return the ideal observer's figure by its dotted name in cohort.json."""
    found = json.loads((cohort / "cohort.json").read_text(encoding="utf-8"))
    for part in key.split("."):
        found = found[part]
    return float(found)


def planted(folder: Path, seeds: list[int], patients: int, chosen: list[str] | None) -> None:
    """Every task with its signal planted: the model that can see it against the ideal observer."""
    read, rows = tasks_of(chosen)
    table: dict[str, list[float]] = {}
    ideal: dict[str, float] = {}
    for name, (simulation, key, overrides) in rows.items():
        table[name] = []
        for seed in seeds:
            cohort = simulate(folder, read, simulation, seed, patients)
            table[name].append(trained(folder, cohort, name, overrides))
        ideal[name] = ideal_of(cohort, key)
    missed = [n for n, values in table.items() if statistics.mean(values) < ideal[n] - 0.10]
    print_rows({f"{n} (ideal {ideal[n]:.3f})": values for n, values in table.items()}, seeds)
    for name, (whole, part) in read["gains"].items():
        if whole in table and part in table:
            missed += [] if gained(name, table[whole], table[part]) else [name]
    sys.exit(f"missed: {'; '.join(missed)}" if missed else 0)


def gained(name: str, whole: list[float], part: list[float]) -> bool:
    """Print the gain over the seeds with its paired t interval; say whether it is what it must."""
    from scipy.stats import ttest_1samp

    gains = [a - b for a, b in zip(whole, part, strict=True)]
    low, high = ttest_1samp(gains, 0.0).confidence_interval(0.95)
    mean = statistics.mean(gains)
    print(f"{name}: gain {mean:+.3f} (95 % interval over seeds {low:+.3f} to {high:+.3f})")
    return mean >= 0.03 and low > 0


def blind(folder: Path, repeats: int, patients: int, seed: int, chosen: list[str] | None) -> None:
    """Every task with shuffled labels: 0.5 within 3.5 empirical standard errors."""
    from petnet.stats.empirical import mean_and_error

    read, rows = tasks_of(chosen)
    print(f"| task | mean of {repeats} | standard error | standard errors from 0.5 |")
    print("|---|---|---|---|")
    outside = []
    for name, (simulation, _, overrides) in rows.items():
        cohort = simulate(folder, read, simulation, seed, patients)
        shuffled = [
            trained(folder, cohort, f"{name} {k}", [*overrides, f"permute={k}", "cv.repeats=1"])
            for k in range(1, repeats + 1)
        ]
        found = mean_and_error(shuffled)
        away = found.errors_from(0.5)
        outside += [name] if abs(away) > 3.5 else []
        print(
            f"| {name} | {found.mean:.3f} | {found.standard_error:.3f} | {away:+.2f} |", flush=True
        )
    sys.exit(f"not blind: {'; '.join(outside)}" if outside else 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trial", choices=["texture", "permuted", "planted", "blind"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--models", nargs="+", help="some of the rows; default all")
    given = parser.parse_args()
    if given.trial == "texture":
        texture(given.folder, given.seeds, given.patients, given.models or list(TEXTURE_MODELS))
    elif given.trial == "planted":
        planted(given.folder, given.seeds, given.patients, given.models)
    elif given.trial == "blind":
        blind(given.folder, given.repeats, given.patients, given.seeds[0], given.models)
    else:
        permuted(given.folder, given.repeats, given.models or list(PERMUTED_MODELS))
