"""The page of `petnet check`: findings to filter, what centres differ in, a picture per study."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from petnet import __version__
from petnet.files import write_text
from petnet.ingest.quality import CHECKS, COHORT, SEVERITIES, Checked, Drawing, Finding, Looked
from petnet.reporting.images import outline_path, png_uri

__all__ = ["write_check_page"]

SYMBOLS = {"error": "✕", "warning": "▲", "not assessable": "?", "ok": "✓"}
STYLES = {
    "error": "is-error",
    "warning": "is-warning",
    "not assessable": "is-unassessable",
    "ok": "is-ok",
}
TALKING = ("error", "warning")
UNKNOWN = "not assessable"


@dataclass(frozen=True)
class CheckPicture:
    """A picture ready for the page; lengths in mm, so that pixels need not be square.

    `outlines` holds the grid that a mask was drawn on and its SVG path.
    """

    name: str
    data: str
    width: float
    height: float
    pixels: tuple[int, int]
    outlines: tuple[tuple[str, str], ...]
    caption: str


@dataclass(frozen=True)
class StudyCard:
    """One study: its worst severity, what is wrong, what could not be told, its pictures."""

    study: str
    patient: str
    facts: str
    worst: str
    findings: tuple[Finding, ...]
    unknown: tuple[str, ...]
    pictures: tuple[CheckPicture, ...]


def write_check_page(out: Path, checked: Checked, cohort: str) -> Path:
    """Write the page as one HTML file that loads nothing from outside, and return its path.

    Parameters
    ----------
    out : Path
    checked : Checked
    cohort : str
        What to call the cohort.
    """
    findings = checked.findings
    counts = Counter(f.severity for f in findings)
    by_check = Counter((f.what, f.severity) for f in findings)
    write_text(
        out,
        _render(
            {
                "cohort": cohort,
                "version": __version__,
                "studies": len(checked.studies),
                "severities": SEVERITIES,
                "symbols": SYMBOLS,
                "styles": STYLES,
                "counts": counts,
                "checks": [
                    (name, meaning, [by_check[name, s] for s in SEVERITIES])
                    for name, meaning in CHECKS.items()
                    if any(by_check[name, s] for s in SEVERITIES)
                ],
                "findings": findings,
                "about_all": [f for f in findings if f.study == COHORT],
                "centres": checked.centres,
                "cards": _cards(checked),
            }
        ),
    )
    return Path(out)


def _render(content: dict[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("petnet.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure
    environment.filters["limits"] = _limits
    return environment.get_template("check.html.j2").render(**content)


def _figure(value: float) -> str:
    """Return a number with three digits, or nothing where there is none."""
    if not math.isfinite(value):
        return ""
    text = f"{value:.0f}" if 1e3 <= abs(value) < 1e5 else f"{value:.3g}"
    return text.replace("-", "−")


def _limits(finding: Finding) -> str:
    """Return the limits in words: 0.8 or more, up to 10, 55 to 75."""
    low, high = _figure(finding.low), _figure(finding.high)
    if low and high:
        return f"{low} to {high}"
    if low:
        return f"{low} or more"
    return f"up to {high}" if high else ""


def _cards(checked: Checked) -> list[StudyCard]:
    """Return a card per study, the worst first, else in the order of the cohort."""
    by_study: dict[str, list[Finding]] = {}
    for finding in checked.findings:
        by_study.setdefault(finding.study, []).append(finding)
    cards = [_card(one, by_study.get(str(one.study["study"]), [])) for one in checked.studies]
    ranks = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    return sorted(cards, key=lambda card: ranks[card.worst])  # type: ignore[index]


def _card(one: Looked, findings: Sequence[Finding]) -> StudyCard:
    said = [str(one.study[c]) for c in ("tracer", "timepoint", "center") if one.study.get(c)]
    found = {f.severity for f in findings}
    worst = next((s for s in TALKING if s in found), "ok")
    return StudyCard(
        str(one.study["study"]),
        str(one.study["patient"]),
        " · ".join(said),
        worst,
        tuple(f for severity in TALKING for f in findings if f.severity == severity),
        tuple(dict.fromkeys(f.what for f in findings if f.severity == UNKNOWN)),
        tuple(_picture(drawing) for drawing in one.drawings),
    )


def _picture(drawing: Drawing) -> CheckPicture:
    """Encode a drawing; PET is shown in inverse grey, as it is read."""
    is_pet = drawing.caption.startswith("PET")
    pixels = 255 - drawing.image if is_pet else drawing.image
    rows, columns = drawing.image.shape
    height, width = rows * drawing.spacing_mm[0], columns * drawing.spacing_mm[1]
    paths = [(grid, outline_path(m, drawing.spacing_mm)) for grid, m in drawing.outlines.items()]
    outlines = tuple((grid, path) for grid, path in paths if path)
    name = f"{drawing.name} {'light' if is_pet else 'dark'}"
    data = png_uri(pixels)
    return CheckPicture(name, data, width, height, (columns, rows), outlines, drawing.caption)
