"""The pictures of some units, with what is true of them and what each model said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from petnet.reporting.comparison import Entry
from petnet.reporting.curves import UnitScores
from petnet.reporting.images import Gallery, Picture, pictures, read_gallery
from petnet.reporting.pages import Page, Section
from petnet.reporting.picks import picks_of, standing_of
from petnet.reporting.wording import Words, number

__all__ = ["Card", "Said", "images_section"]


@dataclass(frozen=True)
class Said:
    """What a model said of a unit: a number, and a word before it; NaN where nothing."""

    entry: Entry
    value: float
    word: str = ""


@dataclass(frozen=True)
class Card:
    """A unit with its pictures.

    Attributes
    ----------
    unit, why : str
    truth, badge : str
        What is true of it in words, and its style: positive, negative, known or unknown.
    said : tuple of Said
        By every model.
    pictures : tuple of Picture
    """

    unit: str
    why: str
    truth: str
    badge: str
    said: tuple[Said, ...]
    pictures: tuple[Picture, ...]


def images_section(page: Page) -> Section:
    """Return the pictures of the units that the first model is most wrong or surest about."""
    files = {unit: path for run in reversed(page.runs) for unit, path in run.gallery.items()}
    scores, kind = page.models[0].scores, page.outcome.kind
    standing = standing_of(page.outcome, scores.prediction, scores.truth)
    rows = [row for row, unit in enumerate(scores.unit.tolist()) if unit in files]
    cards, windows = [], ""
    for pick in picks_of(page.outcome, standing, rows):
        unit = str(scores.unit[pick.row])
        gallery = read_gallery(files[unit])
        truth, badge = _truth(scores, pick.row, page.t)
        why = page.t("wrong" if pick.why == "wrong" else f"{pick.why}_{kind}")
        said = tuple(_said(entry, unit, page.t) for entry in page.models)
        shown = tuple(p for view in gallery.views for p in pictures(view))
        cards.append(Card(unit, why, truth, badge, said, shown))
        windows = windows or _windows(gallery, page.t)
    return Section("images", {"any": bool(files), "cards": cards, "windows": windows})


def _truth(scores: UnitScores, row: int, t: Words) -> tuple[str, str]:
    """Return what is true of a unit in words, and the style of its badge."""
    outcome, truth = scores.outcome, scores.truth[row]
    if not outcome.known(scores.truth)[row]:
        return t("unknown"), "unknown"
    if outcome.kind == "binary":
        word = "positive" if truth == 1 else "negative"
        return t(word), word
    if outcome.kind == "survival":
        key = "event_at" if truth[1] == 1 else "censored_at"
        return t(key, time=number(float(truth[0]), 1)), "known"
    if outcome.kind == "multilabel":
        names = [label for label, value in zip(outcome.labels, truth, strict=True) if value == 1]
        known = int(np.isfinite(truth).sum())
        words = ", ".join(names) or t("none")
        return t("labels_true", count=len(names), known=known, labels=words), "known"
    return outcome.labels[int(truth)], "known"


def _said(entry: Entry, unit: str, t: Words) -> Said:
    """Return a model's probability, its decided class, its expected labels or its risk."""
    scores = entry.scores
    rows = np.flatnonzero(scores.unit == unit)
    if not rows.size:
        return Said(entry, float("nan"))
    prediction = scores.prediction[rows[0]]
    if scores.outcome.by_class and scores.decision is not None:
        decided = int(scores.decision[rows[0]])
        return Said(entry, float(prediction[decided]), scores.outcome.labels[decided])
    if scores.outcome.kind == "multilabel":
        return Said(entry, float(prediction.sum()), t("expects"))
    word = t("log_hazard") if scores.outcome.kind == "survival" else ""
    return Said(entry, float(prediction[0]), word)


def _windows(gallery: Gallery, t: Words) -> str:
    """Say what the ends of the grey scales are, where the gallery does."""
    said = []
    for key, ends in (("window_pet", gallery.pet_range_suv), ("window_ct", gallery.ct_range_hu)):
        if ends is not None:
            said.append(t(key, low=number(ends[0], 0), high=number(ends[1], 0)))
    return " ".join(said)
