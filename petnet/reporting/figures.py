"""The charts of the report."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from petnet.reporting.curves import Contrast, RocFigure
from petnet.reporting.survival_curves import GroupCurve
from petnet.reporting.svg import (
    GHOST,
    INK,
    NEGATIVE,
    POSITIVE,
    RULE,
    TICK_LABELS,
    TICKS,
    axes_of,
    style_of,
    svg_of,
    unit_square,
)
from petnet.stats.calibration import Reliability

__all__ = [
    "calibration_chart",
    "classes_chart",
    "distribution_chart",
    "roc_chart",
    "survival_chart",
]


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
    with mpl.rc_context(style_of(name)):
        figure, axes = axes_of(3.2, 3.2)
        unit_square(axes, x, y)
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
        return svg_of(figure, name, label)


def calibration_chart(
    name: str, label: str, bins: Reliability, colour: str, x: str, y: str
) -> Markup:
    """Draw observed shares with Wilson intervals against mean predictions."""
    with mpl.rc_context(style_of(name)):
        figure, axes = axes_of(3.2, 3.2)
        unit_square(axes, x, y)
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
        return svg_of(figure, name, label)


def distribution_chart(
    name: str, label: str, scores: Contrast, words: tuple[str, str], x: str, y: str
) -> Markup:
    """Draw mirrored histograms of the predicted probabilities, positives up, negatives down.

    `words` are the names of the positive and of the negative class.
    """
    edges = np.linspace(0, 1, 21)
    with mpl.rc_context(style_of(name)):
        figure, axes = axes_of(3.2, 2.6)
        counts = [np.histogram(scores.score[scores.truth == k], edges)[0] for k in (1, 0)]
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
        return svg_of(figure, name, label)


def classes_chart(
    name: str,
    label: str,
    parts: Sequence[NDArray[np.float64]],
    words: Sequence[str],
    colour: str,
    x: str,
) -> Markup:
    """Draw the expected class of the units of each true class, the highest class on top.

    Parameters
    ----------
    parts : sequence of (n,) float64 arrays
        Expected class index by true class, in rising order.
    words : sequence of str
        Names of the classes, which also mark the axis.
    """
    last = len(parts) - 1
    edges = np.linspace(0, last, 12 * last + 1)
    counts = [np.histogram(part, edges)[0] for part in parts]
    unit = 0.82 / max(1, *(int(count.max(initial=0)) for count in counts))
    widest = max(len(word) for word in words)
    with mpl.rc_context(style_of(name)):
        left = 0.34 + 0.075 * min(widest, 16)
        figure, axes = axes_of(3.2, 0.62 + 0.5 * len(parts), left=left)
        for row, (part, count) in enumerate(zip(parts, counts, strict=True)):
            axes.axhline(row, color=RULE, linewidth=0.7, zorder=1)
            axes.bar(
                edges[:-1], unit * count, edges[1] - edges[0], bottom=row, align="edge",
                color=colour, edgecolor="white", linewidth=0.4, zorder=2,
            )  # fmt: skip
            if part.size:
                middle = float(np.median(part))
                axes.plot([middle, middle], [row, row + 0.9], color=INK, linewidth=1.6, zorder=3)
        axes.set(xlim=(0, last), ylim=(0, last + 1), xlabel=x)
        axes.set_xticks(range(last + 1), words)
        axes.set_yticks(np.arange(last + 1) + 0.3, words)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        return svg_of(figure, name, label)


def survival_chart(
    name: str,
    label: str,
    groups: Sequence[GroupCurve],
    words: Sequence[str],
    colours: Sequence[str],
    axis: tuple[str, str, str],
) -> Markup:
    """Draw Kaplan-Meier curves with their bands, censor marks and, below, numbers at risk.

    The curve of group k has the id `{name}-curve{k}`, the frame of the plot `{name}-frame`.

    Parameters
    ----------
    words : sequence of str
        Names of the groups.
    axis : (str, str, str)
        Words for the time, the surviving share, and the numbers at risk.
    """
    latest = max(float(group.time.max(initial=0)) for group in groups)
    rows = len(groups) + 1
    with mpl.rc_context(style_of(name)):
        figure, axes = axes_of(4.6, 3.0 + 0.17 * rows, left=1.02, below=0.5 + 0.17 * rows)
        axes.patch.set_gid("frame")
        axes.set(xlim=(0, latest * 1.02), ylim=(0, 1.02), ylabel=axis[1])
        axes.set_xlabel(axis[0], labelpad=2)
        axes.set_yticks(TICKS, TICK_LABELS)
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(6, integer=latest > 6))
        axes.grid(color=RULE, linewidth=0.5, zorder=0)
        axes.set_axisbelow(True)
        for k, (group, colour) in enumerate(zip(groups, colours, strict=True)):
            _draw_group(axes, group, colour, f"curve{k}")
        _numbers_at_risk(axes, groups, words, colours, axis[2])
        return svg_of(figure, name, label)


def _draw_group(axes: Axes, group: GroupCurve, colour: str, gid: str) -> None:
    axes.fill_between(
        group.time, group.low, group.high, step="post", color=colour, alpha=0.15, linewidth=0
    )
    (line,) = axes.step(
        group.time, group.survival, where="post", color=colour, linewidth=2, zorder=4
    )
    line.set_gid(gid)
    axes.plot(
        group.censored, group.at(group.censored), linestyle="none", marker="|", markersize=6,
        color=colour, markeredgewidth=1.1, zorder=5,
    )  # fmt: skip


def _numbers_at_risk(
    axes: Axes,
    groups: Sequence[GroupCurve],
    words: Sequence[str],
    colours: Sequence[str],
    title: str,
) -> None:
    """Write under each mark of the time axis how many of each group are still followed."""
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    height = axes.bbox.height / axes.figure.dpi  # inches
    place = axes.get_xaxis_transform()
    first = -0.56 / height
    axes.text(0, first + 0.02, title, transform=place, fontsize=8, color=INK, va="center")
    for row, (group, word, colour) in enumerate(zip(groups, words, colours, strict=True), start=1):
        y = first - row * 0.17 / height
        axes.plot(
            [-0.1, -0.05], [y, y], transform=axes.transAxes, color=colour, linewidth=3,
            clip_on=False,
        )  # fmt: skip
        axes.text(
            -0.12, y, word, transform=axes.transAxes, ha="right", va="center", fontsize=8, color=INK
        )
        for tick in ticks:
            axes.text(
                tick, y, str(group.at_risk(tick)), transform=place, ha="center", va="center",
                fontsize=8, color=INK,
            )  # fmt: skip
