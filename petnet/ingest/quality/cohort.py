"""What only shows when all studies are laid side by side: copies, and differences of centres."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from petnet.ingest.quality.finding import COHORT, Finding
from petnet.ingest.quality.study import Looked

__all__ = ["CentreRow", "centre_rows", "comparability", "copies"]

UPTAKE_APART_MIN = 10.0
ALL = "all"


@dataclass(frozen=True)
class CentreRow:
    """What a centre's studies of one tracer were made with.

    Attributes
    ----------
    centre, tracer : str
        "all" in the place of a centre where the studies table names none.
    studies : int
    voxel_size, scanner, reconstruction, earl : tuple of str
        What was found, the most frequent first; empty where nothing is known.
    uptake_min : tuple of float
        Known uptake times, sorted.
    """

    centre: str
    tracer: str
    studies: int
    voxel_size: tuple[str, ...]
    scanner: tuple[str, ...]
    reconstruction: tuple[str, ...]
    earl: tuple[str, ...]
    uptake_min: tuple[float, ...]

    @property
    def median_uptake_min(self) -> float:
        """Median of the known uptake times; NaN if none is known."""
        return float(np.median(self.uptake_min)) if self.uptake_min else np.nan


def copies(looked: Sequence[Looked]) -> Iterator[Finding]:
    """Find images and masks that occur twice; each study of a group has a finding of its own.

    What is compared is voxel values, so that another header, name or compression hides nothing.
    """
    groups: dict[tuple[str, str], list[tuple[Looked, str]]] = defaultdict(list)
    for one in looked:
        for what, digest in one.prints.items():
            kind, _, region = what.partition(" ")
            groups[kind, digest].append((one, region))
    for (kind, _), members in groups.items():
        yield from _told(kind, members)


def _told(kind: str, members: Sequence[tuple[Looked, str]]) -> Iterator[Finding]:
    what = "identical masks" if kind == "mask" else f"identical {kind}"
    for one, region in members:
        study, patient = one.study["study"], one.study["patient"]
        others = [o.study for o, _ in members if o.study["study"] != study]
        strangers = [o for o in others if o["patient"] != patient]
        if kind == "mask":  # two tracers of one visit may share a mask, and a CT
            others = strangers
        elif kind == "ct":
            visit = (patient, one.study["timepoint"])
            others = [o for o in others if (o["patient"], o["timepoint"]) != visit]
        if not others:
            continue
        names = ", ".join(
            f"{o['study']} (patient {o['patient']})" for o in (strangers or others)[:5]
        )
        noun = {"pet": "PET", "ct": "CT", "mask": "lesion mask"}[kind]
        text = f"the same {noun}, voxel by voxel, as in {names}"
        if strangers:
            text += ": one patient under two names, or a file in the wrong place?"
        else:
            text += ": one image for two studies of the patient"
        fatal = kind == "pet" or (kind == "ct" and strangers)
        yield Finding(study, what, "error" if fatal else "warning", text, region)


def centre_rows(looked: Sequence[Looked]) -> list[CentreRow]:
    """Summarise by centre and tracer what the studies were made with."""
    groups: dict[tuple[str, str], list[Looked]] = defaultdict(list)
    for one in looked:
        groups[_text(one.study, "center") or ALL, str(one.study["tracer"])].append(one)
    rows = []
    for (centre, tracer), group in sorted(groups.items()):
        scanner, reconstruction, earl = (
            _ranked([_text(one.study, column) for one in group])
            for column in ("scanner", "reconstruction", "earl")
        )
        minutes = [_minutes(one.study) for one in group]
        known = tuple(sorted(v for v in minutes if np.isfinite(v)))
        sizes = _ranked([_voxel_size(one) for one in group])
        rows.append(
            CentreRow(centre, tracer, len(group), sizes, scanner, reconstruction, earl, known)
        )
    return rows


def _text(study: Mapping[str, Any], column: str) -> str:
    value = study.get(column)
    return value.strip() if isinstance(value, str) else ""


def _minutes(study: Mapping[str, Any]) -> float:
    value = study.get("uptake_min")
    return np.nan if value is None else float(value)


def _voxel_size(one: Looked) -> str:
    """Return the PET voxel size in words; headers differ in the third digit, voxels do not."""
    if one.spacing_mm is None:
        return ""
    return " × ".join(f"{v:.2f}" for v in one.spacing_mm) + " mm"


def _ranked(values: Sequence[str]) -> tuple[str, ...]:
    counts = Counter(v for v in values if v)
    return tuple(sorted(counts, key=lambda v: (-counts[v], v)))


def comparability(rows: Sequence[CentreRow]) -> Iterator[Finding]:
    """Warn of what differs between centres, or within a cohort whose centres are not named."""
    columns: tuple[tuple[str, str, Callable[[CentreRow], tuple[str, ...]]], ...] = (
        ("voxel size", "PET voxel sizes", lambda r: r.voxel_size),
        ("scanner", "scanners", lambda r: r.scanner),
        ("reconstruction", "reconstructions", lambda r: r.reconstruction),
        ("earl class", "EARL classes", lambda r: r.earl),
    )
    for what, words, values_of in columns:
        yield _differing(what, words, rows, values_of)
    yield from _uptake_times(rows)


def _differing(
    what: str,
    words: str,
    rows: Sequence[CentreRow],
    values_of: Callable[[CentreRow], tuple[str, ...]],
) -> Finding:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[row.centre] |= set(values_of(row))
    values = sorted(set().union(*found.values()))
    if not values:
        return Finding(COHORT, what, "not assessable", f"no study states it ({words})")
    parts = [f"{centre}: {', '.join(sorted(v)) or 'not stated'}" for centre, v in found.items()]
    partly = not all(found.values())
    if len(values) == 1 and not partly:
        return Finding(COHORT, what, "ok", f"the same in all studies: {values[0]}")
    text = f"{words} differ: {'; '.join(parts)}"
    if len(values) == 1:
        text = f"{words} are not stated by all: {'; '.join(parts)}"
    text += ". Features may tell centres apart; harmonise, or show that it does not matter"
    return Finding(COHORT, what, "warning", text, "", float(len(values)), np.nan, 1.0, "kinds")


def _uptake_times(rows: Sequence[CentreRow]) -> Iterator[Finding]:
    """Compare the centres' medians of each tracer."""
    what = "uptake times"
    for tracer in sorted({row.tracer for row in rows}):
        known = {r.centre: r.median_uptake_min for r in rows if r.tracer == tracer and r.uptake_min}
        if not known:
            yield Finding(COHORT, what, "not assessable", f"{tracer}: no uptake time is known")
            continue
        apart = max(known.values()) - min(known.values())
        medians = ", ".join(f"{centre} {minutes:.0f} min" for centre, minutes in known.items())
        severity, text = "ok", f"{tracer}: medians {medians}"
        if apart > UPTAKE_APART_MIN:
            severity, text = "warning", f"{text}: {apart:.0f} min apart"
        limits = (apart, np.nan, UPTAKE_APART_MIN, "min")
        yield Finding(COHORT, what, severity, text, "", *limits)  # type: ignore[arg-type]
