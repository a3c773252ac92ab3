"""Charts as inline SVG: the same values give the same bytes, and nothing is loaded from outside."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from petnet.reporting.curves import RocFigure, UnitScores
from petnet.stats.calibration import Reliability

__all__ = ["BASELINE_COLOUR", "COLOURS", "calibration_chart", "distribution_chart", "roc_chart"]

# Okabe and Ito: told apart with any colour vision
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BASELINE_COLOUR = "#5B6670"
POSITIVE, NEGATIVE = "#882255", "#6F8294"  # unlike any model's colour
INK, RULE, GHOST = "#33414E", "#D5DCE2", "#BCC6CE"
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "path.simplify": False,
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
}
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
TICK_LABELS = ("0", ".25", ".5", ".75", "1")


def _style(name: str) -> Any:
    """Return the settings of a chart; the salt makes its ids the same every time."""
    return {**STYLE, "svg.hashsalt": name}


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    FigureCanvasSVG(figure)
    return figure, figure.add_axes((0.48 / width, 0.46 / height, 1 - 0.6 / width, 1 - 0.6 / height))


def _unit_square(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=x, ylabel=y)
    axes.set_xticks(TICKS, TICK_LABELS)
    axes.set_yticks(TICKS, TICK_LABELS)
    axes.grid(color=RULE, linewidth=0.5, zorder=0)
    axes.set_axisbelow(True)


def _svg(figure: Figure, name: str, label: str) -> Markup:
    """Return the figure as an `svg` element whose ids all begin with `name`."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'\b(id=")', rf"\g<1>{name}-", text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    return Markup(text.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1))


def roc_chart(
    name: str,
    label: str,
    shown: RocFigure,
    others: Sequence[RocFigure],
    colour: str,
    x: str,
    y: str,
) -> Markup:
    """Draw one ROC curve with its band, the others behind it in grey.

    The curve itself has the id `{name}-curve`, and the frame of the unit square `{name}-frame`.
    """  # fmt: skip
    with mpl.rc_context(_style(name)):
        figure, axes = _axes(3.2, 3.2)
        _unit_square(axes, x, y)
        axes.patch.set_gid("frame")
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
        for other in others:
            axes.plot(other.curve.fpr, other.curve.tpr, color=GHOST, linewidth=0.9)
        band = shown.band
        axes.fill_between(band.fpr, band.low, band.high, color=colour, alpha=0.18, linewidth=0)
        (line,) = axes.plot(
            shown.curve.fpr, shown.curve.tpr, color=colour, linewidth=2, clip_on=False, zorder=4
        )
        line.set_gid("curve")
        return _svg(figure, name, label)


def calibration_chart(
    name: str, label: str, bins: Reliability, colour: str, x: str, y: str
) -> Markup:
    """Draw observed shares with Wilson intervals against mean predictions."""
    with mpl.rc_context(_style(name)):
        figure, axes = _axes(3.2, 3.2)
        _unit_square(axes, x, y)
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
        whiskers = np.clip([bins.observed - bins.low, bins.high - bins.observed], 0, 1)
        axes.errorbar(
            bins.predicted, bins.observed, yerr=whiskers, fmt="none", ecolor=colour,
            elinewidth=1.3, capsize=0, alpha=0.65, clip_on=False, zorder=3,
        )  # fmt: skip
        axes.plot(bins.predicted, bins.observed, color=colour, linewidth=0.8, alpha=0.5)
        axes.scatter(
            bins.predicted, bins.observed, s=14 + 3 * np.sqrt(bins.count), color=colour,
            edgecolors="white", linewidths=0.8, clip_on=False, zorder=4,
        )  # fmt: skip
        return _svg(figure, name, label)


def distribution_chart(
    name: str, label: str, scores: UnitScores, words: tuple[str, str], x: str, y: str
) -> Markup:
    """Draw mirrored histograms of the predicted probabilities, positives up, negatives down.

    `words` are the names of the positive and of the negative class.
    """
    edges = np.linspace(0, 1, 21)
    known = scores.known
    with mpl.rc_context(_style(name)):
        figure, axes = _axes(3.2, 2.6)
        counts = [np.histogram(known.score[known.truth == k], edges)[0] for k in (1, 0)]
        top = float(max(1, *counts[0], *counts[1])) * 1.35
        for count, sign, colour, word in zip(
            counts, (1, -1), (POSITIVE, NEGATIVE), words, strict=True
        ):
            axes.bar(
                edges[:-1], sign * count, 0.05, align="edge", color=colour, edgecolor="white",
                linewidth=0.6, zorder=2,
            )  # fmt: skip
            axes.text(
                0.02, sign * top * 0.93, f"{word} ({int(count.sum())})", color=colour,
                va="top" if sign > 0 else "bottom", fontweight="bold",
            )  # fmt: skip
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set(xlim=(0, 1), ylim=(-top, top), xlabel=x, ylabel=y)
        axes.set_xticks(TICKS, TICK_LABELS)
        axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(5, integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
        axes.grid(axis="y", color=RULE, linewidth=0.5, zorder=0)
        axes.set_axisbelow(True)
        return _svg(figure, name, label)
