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
from petnet.reporting.cohort_tables import Cohort, cohort_of, flow_of
from petnet.reporting.comparison import Entry, entries_of, forest_of, picks_of
from petnet.reporting.curves import calibration_bins, roc_figure
from petnet.reporting.images import pictures, read_gallery
from petnet.reporting.run_files import Run, check_comparable, read_run
from petnet.reporting.wording import Words

__all__ = ["write_report"]

SMALL_CLASS = 50
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
    environment.filters.update(number=_number, percent=_percent, exact=_exact)
    return environment.get_template("report.html.j2").render(t=t, **content)


def _number(value: float | None, digits: int = 2) -> str:
    """Return a number as it is printed; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def _exact(value: float) -> str:
    """Return a number as a machine reads it."""
    return repr(float(value))


def _percent(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{100 * value:.0f} %"


def _content(runs: Sequence[Run], t: Words) -> dict[str, Any]:
    """Return everything that the template asks for."""
    first = runs[0]
    entries = entries_of(runs)
    models = [entry for entry in entries if not entry.baseline]
    cohort = cohort_of(first)
    unit = str(first.task.get("unit", "patient"))
    unit = unit if unit in UNITS else UNITS[0]
    return {
        "task": first.task,
        "unit": t(unit),
        "units": t(f"{unit}s"),
        "target": first.task["target"],
        "entries": entries,
        "models": models,
        "summary": _summary(runs, entries, cohort, t(f"{unit}s"), t),
        "cohort": cohort,
        "flow": flow_of(first),
        "features": first.features,
        "forest": forest_of(entries),
        "roc": _roc(entries, t(f"{unit}s"), t),
        "calibration": _calibration(models, t),
        "distribution": _distribution(models, t),
        "trained": ", ".join(
            f"{entry.label} {_number(run.train_auc.value)}"
            for run, entry in zip(runs, models, strict=True)
            if run.train_auc
        ),
        "gallery": _gallery(runs, models),
        "origins": [_origin(run, e) for run, e in zip(runs, models, strict=True)],
    }


def _summary(
    runs: Sequence[Run], entries: Sequence[Entry], cohort: Cohort, units: str, t: Words
) -> dict[str, list[Any]]:
    """Return the sentences of the summary, and the warnings below it."""
    first, models = runs[0], [e for e in entries if not e.baseline]
    names = ", ".join(e.label for e in models)
    which = t("models_one" if len(models) == 1 else "models_many", names=names, count=len(models))
    repeats = len(set(first.splits.text("repeat")))
    columns = [first.splits.text(name) for name in ("repeat", "fold")]
    folds = round(len(set(zip(*columns, strict=True))) / max(repeats, 1))
    known = cohort.known
    setting = [
        t(
            "asked", target=first.task["target"], models=which, n=known, units=units,
            positive=cohort.positive, share=_percent(cohort.positive / known if known else None),
        ),
        t("validated" if repeats > 1 else "validated_once", group=t("patient"), folds=folds,
          repeats=repeats),
    ]  # fmt: skip
    caution = _against(entries, t)
    fewer = min(cohort.positive, cohort.negative)
    if fewer < SMALL_CLASS:
        caution.append(t("small", fewer=fewer, units=units))
    caution.append(t("generalise", group=t("patients")))
    return {
        "setting": setting,
        "verdicts": [(entry, _verdict(entry, t)) for entry in models],
        "caution": caution,
        "warnings": _warnings(runs, models, t),
        "notes": list(dict.fromkeys(note for run in runs for note in run.notes)),
    }


def _verdict(entry: Entry, t: Words) -> str:
    if entry.metrics is None:
        return ""
    auc = entry.metrics.auc
    if not (math.isfinite(auc.low) and math.isfinite(auc.high)):
        return t("verdict_none", name=entry.label, value=_number(auc.value))
    key = "verdict_includes"
    if auc.low > 0.5 or auc.high < 0.5:
        key = "verdict_above" if auc.low > 0.5 else "verdict_below"
    bounds = {"low": _number(auc.low), "high": _number(auc.high), "level": _percent(auc.level)}
    return t(key, name=entry.label, value=_number(auc.value), **bounds)


def _against(entries: Sequence[Entry], t: Words) -> list[str]:
    """Say how the best single parameter stands against the models."""
    single = [e for e in entries if e.baseline and math.isfinite(e.value)]
    if not single:
        return []
    best = max(single, key=lambda e: e.value)
    values = [e.value for e in entries if not e.baseline]
    key = "against_mixed"
    if best.value < min(values):
        key = "against_better"
    elif best.value >= max(values):
        key = "against_worse"
    return [t(key, name=best.label, value=_number(best.value))]


def _warnings(runs: Sequence[Run], models: Sequence[Entry], t: Words) -> list[str]:
    warnings = []
    if len({str(run.provenance.get("data_fingerprint")) for run in runs}) > 1:
        warnings.append(t("fingerprints"))
    for run, entry in zip(runs, models, strict=True):
        permuted = run.provenance.get("permute")
        if permuted not in (None, False):
            warnings.append(t("permuted", name=entry.label, value=_shown(permuted)))
        absent = run.splits.rows - run.predictions.unit.size
        if absent > 0:
            warnings.append(
                t("incomplete", name=entry.label, absent=absent, total=run.splits.rows)
            )
    return warnings


def _roc(entries: Sequence[Entry], units: str, t: Words) -> dict[str, Any]:
    shown = {entry.key: roc_figure(entry.scores) for entry in entries}
    charts, absent = [], []
    for entry in entries:
        figure = shown[entry.key]
        if figure is None:
            absent.append(t("roc_none", name=entry.label))
            continue
        others = [f for key, f in shown.items() if f is not None and key != entry.key]
        values = {"area": _number(figure.area), "n": figure.n, "positive": figure.positive}
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
            t("calibration_point", predicted=_number(p), observed=_number(o), count=n)
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


def _distribution(models: Sequence[Entry], t: Words) -> list[tuple[Entry, Any]]:
    charts = []
    words = (t("positive"), t("negative"))
    for entry in models:
        known = entry.scores.known
        if not known.truth.size:
            continue
        medians = [
            _number(float(np.median(part))) if part.size else "–"
            for part in (known.score[known.truth == k] for k in (1, 0))
        ]
        label = t("distribution_alt", name=entry.label, positive=medians[0], negative=medians[1])
        axes = (t("predicted"), t("count"))
        name = f"distribution-{entry.key}"
        chart = figures.distribution_chart(name, label, known, words, *axes)
        charts.append((entry, chart))
    return charts


def _gallery(runs: Sequence[Run], models: Sequence[Entry]) -> dict[str, Any]:
    """Return the pictures of the picked units, with each model's probability."""
    files = {unit: path for run in reversed(runs) for unit, path in run.gallery.items()}
    cards = []
    for pick in picks_of(models[0].scores, set(files)):
        chances = []
        for entry in models:
            row = np.flatnonzero(entry.scores.unit == pick.unit)
            chances.append((entry, float(entry.scores.score[row[0]]) if row.size else math.nan))
        shown = [p for view in read_gallery(files[pick.unit]) for p in pictures(view)]
        cards.append((pick, chances, shown))
    return {"any": bool(files), "cards": cards}


def _origin(run: Run, entry: Entry) -> dict[str, Any]:
    """Return what is said of where a run comes from."""
    hidden = ("versions", "task")
    facts = {k: v for k, v in run.provenance.items() if k not in hidden}
    settings = run.features.settings if run.features else {}
    return {
        "entry": entry,
        "folder": run.folder.name,
        "facts_by": {k: _shown(v) for k, v in {**dict.fromkeys(BYLINE, ""), **facts}.items()},
        "facts": [(key, _shown(value)) for key, value in facts.items()],
        "task": _pretty(run.task),
        "versions": sorted((run.provenance.get("versions") or {}).items()),
        "config": run.config,
        "settings": _pretty(settings) if settings else "",
        "hashes": run.hashes,
    }


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
