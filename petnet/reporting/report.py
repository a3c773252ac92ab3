"""The HTML report: one self-contained page for one run, or for several on the same splits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from petnet.errors import InputError
from petnet.files import write_text
from petnet.outcome import Kind
from petnet.reporting.cards import images_section
from petnet.reporting.cohort_tables import Cohort, cohort_of, flow_of
from petnet.reporting.comparison import Entry, entries_of, forest_of
from petnet.reporting.gate import gate_of
from petnet.reporting.metrics_file import ModelMetrics
from petnet.reporting.pages import Page, Section
from petnet.reporting.run_files import Run, check_comparable, read_run
from petnet.reporting.sections_binary import binary_sections
from petnet.reporting.sections_classes import multiclass_sections, ordinal_sections
from petnet.reporting.sections_multilabel import multilabel_sections
from petnet.reporting.sections_survival import survival_sections
from petnet.reporting.summary import answer_of, meanings, summarise
from petnet.reporting.validation import averaged, validation_of
from petnet.reporting.wording import Words, exact, number, percent, shown
from petnet.stats.intervals import Estimate

__all__ = ["write_report"]

BYLINE = ("cohort", "created", "petnet")
SECTIONS: Mapping[Kind, Callable[[Page], tuple[Section, ...]]] = {
    "binary": binary_sections,
    "multiclass": multiclass_sections,
    "ordinal": ordinal_sections,
    "multilabel": multilabel_sections,
    "survival": survival_sections,
}


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
    environment.filters.update(number=number, percent=percent, exact=exact, capfirst=_capfirst)
    return environment.get_template("report.html.j2").render(t=t, **content)


def _capfirst(text: str) -> str:
    """Begin a sentence; names after the first letter stay as they are."""
    return text[:1].upper() + text[1:]


def _content(runs: Sequence[Run], t: Words) -> dict[str, Any]:
    """Return everything that the template asks for."""
    page, cohort = _page(runs, t), cohort_of(runs[0], t)
    return {
        "task": runs[0].task,
        "page": page,
        "unit": page.unit,
        "units": page.units,
        "kind": page.outcome.kind,
        "measure": page.measure,
        "entries": page.entries,
        "models": page.models,
        "validation": page.validation,
        "averaged": averaged(page.validation, t),
        "meanings": meanings(page),
        "summary": summarise(page, cohort),
        "cohort": cohort,
        "cohort_lead": _cohort_lead(page, cohort),
        "flow": flow_of(runs[0]),
        "features": runs[0].features,
        "gate": gate_of(runs[0]),
        "forest": forest_of([e for m in page.entries if m.metrics for e in _both(m.metrics)]),
        "trained": ", ".join(
            f"{entry.label} {number(run.own.training)}"
            for run, entry in zip(runs, page.models, strict=True)
            if run.own.training == run.own.training
        ),
        "origins": [_origin(run, e) for run, e in zip(runs, page.models, strict=True)],
        "sections": (
            *(Section(name) for name in ("summary", "cohort", "models")),
            *SECTIONS[page.outcome.kind](page),
            images_section(page),
            Section("configuration"),
        ),
    }


def _page(runs: Sequence[Run], t: Words) -> Page:
    unit = str(runs[0].task.get("unit", "patient"))
    return Page(
        runs=runs,
        outcome=runs[0].outcome,
        entries=entries_of(runs),
        validation=validation_of(runs[0]),
        unit=t(unit),
        units=t(f"{unit}s"),
        t=t,
    )


def _both(metrics: ModelMetrics) -> tuple[Estimate | None, ...]:
    return metrics.headline, metrics.conditional


def _cohort_lead(page: Page, cohort: Cohort) -> str:
    """Say how many answers are known, and what they mean."""
    task = page.runs[0].task
    values = {
        "binary": {"answer": answer_of(task)},
        "survival": {"event": task.get("event"), "time": task["target"]},
    }.get(page.outcome.kind, {"target": task["target"]})
    return page.t(
        "cohort_lead", rows=cohort.rows, units=page.units, known=cohort.known,
        unknown=cohort.rows - cohort.known, more=page.t(f"cohort_{page.outcome.kind}", **values),
    )  # fmt: skip


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
