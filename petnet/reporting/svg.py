"""Charts as inline SVG: the same values give the same bytes, and nothing is loaded from outside."""

from __future__ import annotations

import io
import re
from typing import Any

from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = [
    "BASELINE_COLOUR",
    "COLOURS",
    "GHOST",
    "INK",
    "NEGATIVE",
    "POSITIVE",
    "RULE",
    "TICKS",
    "TICK_LABELS",
    "axes_of",
    "style_of",
    "svg_of",
    "unit_square",
]

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


def style_of(name: str) -> Any:
    """Return the settings of a chart; the salt makes its ids the same every time."""
    return {**STYLE, "svg.hashsalt": name}


def axes_of(
    width: float, height: float, left: float = 0.48, below: float = 0.46
) -> tuple[Figure, Axes]:
    """Return a figure of a size in inches, with margins left and below for what is written."""
    figure = Figure(figsize=(width, height))
    FigureCanvasSVG(figure)
    box = (left / width, below / height, 1 - (left + 0.12) / width, 1 - (below + 0.14) / height)
    return figure, figure.add_axes(box)


def unit_square(axes: Axes, x: str, y: str) -> None:
    """Let both axes run from 0 to 1."""
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=x, ylabel=y)
    axes.set_xticks(TICKS, TICK_LABELS)
    axes.set_yticks(TICKS, TICK_LABELS)
    axes.grid(color=RULE, linewidth=0.5, zorder=0)
    axes.set_axisbelow(True)


def svg_of(figure: Figure, name: str, label: str) -> Markup:
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
