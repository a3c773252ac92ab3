"""The HTML report: one self-contained page for one run, or for several on the same splits."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from petnet.errors import InputError
from petnet.files import write_text
from petnet.reporting import figures
from petnet.reporting.cohort_tables import cohort_of, flow_of
from petnet.reporting.comparison import Entry, entries_of, forest_of, picks_of
from petnet.reporting.curves import calibration_bins, roc_figure
from petnet.reporting.images import Gallery, pictures, read_gallery
from petnet.reporting.run_files import Run, check_comparable, read_run
from petnet.reporting.summary import averaged, meanings, summarise, validation_of
from petnet.reporting.wording import Words, exact, number, percent, shown

__all__ = ["write_report"]

UNITS = ("patient", "lesion", "region")
BYLINE = ("cohort", "created", "petnet")


def write_report(runs: Sequence[Path], out: Path, language: str = "en") -> Path:
    """Write the report of one or several run folders as one HTML file and return its path.

    The same run folders give the same bytes. Nothing is loaded from outside, and nothing is
    computed but curves from predictions.

    Parameters
    ----------
    runs : sequence of Path
        Run folders of one task on the same splits; the first is the one whose patients are shown.
    out : Path
        The HTML file; its folder is made.
    language : str

    Raises
    ------
    InputError
        No run, a required file absent or wrong, or runs of different tasks or splits.
    """
    if not runs:
        raise InputError("report", "runs", "at least one run folder", "none")
    read = [read_run(Path(folder)) for folder in runs]
    check_comparable(read)
    write_text(Path(out), _render(_content(read, Words(language)), Words(language)))
    return Path(out)


def _render(content: dict[str, Any], t: Words) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("petnet.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, percent=percent, exact=exact)
    return environment.get_template("report.html.j2").render(t=t, **content)


def _content(runs: Sequence[Run], t: Words) -> dict[str, Any]:
    """Return everything that the template asks for."""
    first = runs[0]
    entries = entries_of(runs)
    models = [entry for entry in entries if not entry.baseline]
    cohort, validation = cohort_of(first), validation_of(first)
    unit = str(first.task.get("unit", "patient"))
    unit = unit if unit in UNITS else UNITS[0]
    return {
        "task": first.task,
        "unit": t(unit),
        "units": t(f"{unit}s"),
        "target": first.task["target"],
        "entries": entries,
        "models": models,
        "validation": validation,
        "averaged": averaged(validation, t),
        "meanings": meanings(entries, validation, t),
        "calibration_methods": _calibration_methods(models, t),
        "summary": summarise(runs, entries, cohort, validation, t(f"{unit}s"), t),
        "cohort": cohort,
        "flow": flow_of(first),
        "features": first.features,
        "forest": forest_of(entries),
        "roc": _roc(entries, t(f"{unit}s"), t),
        "calibration": _calibration(models, t),
        "distribution": _distribution(models, t),
        "trained": ", ".join(
            f"{entry.label} {number(run.train_auc.value)}"
            for run, entry in zip(runs, models, strict=True)
            if run.train_auc
        ),
        "gallery": _gallery(runs, models, t),
        "origins": [_origin(run, e) for run, e in zip(runs, models, strict=True)],
    }


def _roc(entries: Sequence[Entry], units: str, t: Words) -> dict[str, Any]:
    shown = {entry.key: roc_figure(entry.scores) for entry in entries}
    charts, absent = [], []
    for entry in entries:
        figure = shown[entry.key]
        if figure is None:
            absent.append(t("roc_none", name=entry.label))
            continue
        others = [f for key, f in shown.items() if f is not None and key != entry.key]
        values = {"area": number(figure.area), "n": figure.n, "positive": figure.positive}
        chart = figures.roc_chart(
            f"roc-{entry.key}",
            t("roc_alt", name=entry.label, units=units, **values),
            figure, others, entry.colour, t("fpr"), t("tpr"),
        )  # fmt: skip
        charts.append((entry, figure, chart))
    methods = {figure.band.method for _, figure, _ in charts}
    return {"charts": charts, "absent": absent, "method": "; ".join(sorted(methods))}


def _calibration(models: Sequence[Entry], t: Words) -> list[tuple[Entry, float, Any]]:
    charts: list[tuple[Entry, float, Any]] = []
    for entry in models:
        bins = calibration_bins(entry.scores)
        if bins is None:
            continue
        points = "; ".join(
            t("calibration_point", predicted=number(p), observed=number(o), count=n)
            for p, o, n in zip(bins.predicted, bins.observed, bins.count, strict=True)
        )
        label = t("calibration_alt", name=entry.label, points=points)
        axes = (t("predicted"), t("observed"))
        chart = figures.calibration_chart(
            f"calibration-{entry.key}", label, bins, entry.colour, *axes
        )
        prevalence = float(entry.scores.known.truth.mean())
        charts.append((entry, prevalence * (1 - prevalence), chart))
    return charts


def _calibration_methods(models: Sequence[Entry], t: Words) -> list[str]:
    """Say how slope and intercept were made, as metrics.json names it."""
    metrics = [entry.metrics for entry in models if entry.metrics]
    found = [
        f"{t(key)}: {estimate.method}."
        for key, estimates in (
            ("slope", [m.slope for m in metrics]),
            ("intercept", [m.in_the_large for m in metrics]),
        )
        for estimate in estimates
        if estimate and estimate.method
    ]
    return list(dict.fromkeys(found))


def _distribution(models: Sequence[Entry], t: Words) -> list[tuple[Entry, Any]]:
    charts = []
    words = (t("positive"), t("negative"))
    for entry in models:
        known = entry.scores.known
        if not known.truth.size:
            continue
        medians = [
            number(float(np.median(part))) if part.size else "–"
            for part in (known.score[known.truth == k] for k in (1, 0))
        ]
        label = t("distribution_alt", name=entry.label, positive=medians[0], negative=medians[1])
        axes = (t("predicted"), t("count"))
        name = f"distribution-{entry.key}"
        chart = figures.distribution_chart(name, label, known, words, *axes)
        charts.append((entry, chart))
    return charts


def _gallery(runs: Sequence[Run], models: Sequence[Entry], t: Words) -> dict[str, Any]:
    """Return the pictures of the picked units, with each model's probability."""
    files = {unit: path for run in reversed(runs) for unit, path in run.gallery.items()}
    cards, windows = [], ""
    for pick in picks_of(models[0].scores, set(files)):
        chances = []
        for entry in models:
            row = np.flatnonzero(entry.scores.unit == pick.unit)
            chances.append((entry, float(entry.scores.score[row[0]]) if row.size else math.nan))
        gallery = read_gallery(files[pick.unit])
        shown = [p for view in gallery.views for p in pictures(view)]
        windows = windows or _windows(gallery, t)
        cards.append((pick, chances, shown))
    return {"any": bool(files), "cards": cards, "windows": windows}


def _windows(gallery: Gallery, t: Words) -> str:
    """Say what the ends of the grey scales are, where the gallery does."""
    said = []
    for key, ends in (("window_pet", gallery.pet_range_suv), ("window_ct", gallery.ct_range_hu)):
        if ends is not None:
            said.append(t(key, low=number(ends[0], 0), high=number(ends[1], 0)))
    return " ".join(said)


def _origin(run: Run, entry: Entry) -> dict[str, Any]:
    """Return what is said of where a run comes from."""
    hidden = ("versions", "task")
    facts = {k: v for k, v in run.provenance.items() if k not in hidden}
    settings = run.features.settings if run.features else None
    return {
        "entry": entry,
        "folder": run.folder.name,
        "facts_by": {k: shown(v) for k, v in {**dict.fromkeys(BYLINE, ""), **facts}.items()},
        "facts": [(key, shown(value)) for key, value in facts.items()],
        "task": _pretty(run.task),
        "versions": sorted((run.provenance.get("versions") or {}).items()),
        "config": run.config,
        "settings": _pretty(settings) if settings else "",
        "hashes": run.hashes,
    }


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)
