"""The results of `bench_texture.py` as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["page"]

#: What is aimed at, by the beginning of a table's title: for a ratio to petnet's seconds.
GOALS = {
    "without autocorrelation": "2 or more, never under 1",
    "all features": "2 or more, never under 1",
    "PyRadiomics": "40 or more",
    "aggregations": "3 or less",
    "batch": "2 or more, never under 1; on a GPU petnet 0.010 s",
    "label map": "per lesion 3 or more",
}
#: Memory and 32-bit integer throughput of an H100 SXM: bytes and operations per second.
BYTES_PER_S, OPERATIONS_PER_S = 3.35e12, 1.67e13
#: Per voxel of the bounding box: bytes moved, and integer operations, of a family in 3D. Levels (4
#: bytes) and mask (1) are read once, since neighbours come from cache; labels and distances are
#: written and read again. 13 neighbours a voxel for pairs and runs, 26 for both neighbourhoods.
WORK = {
    "glcm": (5, 13 * 6),
    "glrlm": (5, 13 * 8),
    "ngtdm and ngldm": (5, 26 * 5),
    "zones and distances": (4 * 6 + 5, 13 * 10),
    "histogram and intensities": (8 + 4, 10),
    "mesh and moments": (1, 30),
}


def page(rows: Sequence[Any], about: Mapping[str, Any]) -> str:
    """Return the results as Markdown: where, a table a question, what a fresh process costs."""
    machine = about["machine"]
    libraries = ", ".join(
        f"{one['name']} {one['version']} ({one['threads']} threads"
        + (f", {one['device']})" if "device" in one else ")")
        for one in about["libraries"].values()
    )
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, "
        f"{machine['date']}: {libraries}. Median wall seconds, warm, in turns.",
    ]
    for part in dict.fromkeys(row.part for row in rows):
        lines += ["", *_table(part, [row for row in rows if row.part == part])]
    lines += ["", *_fresh(about), *_roofline(rows)]
    return "\n".join(lines).rstrip() + "\n"


def _table(part: str, rows: Sequence[Any]) -> list[str]:
    """Return one table with its goal; ratios are to the first column, of medians and least."""
    names = list(dict.fromkeys(name for row in rows for name in row.seconds))
    ratios = [f"{name} / {names[0]} (of the fastest runs)" for name in names[1:]]
    head = [part, "voxels", *names, *ratios, "features equal"]
    goal = [f"Goal: {text}." for start, text in GOALS.items() if part.startswith(start)]
    lines = [*goal, "", _line(head), _line(["---"] * len(head))]
    for row in rows:
        seconds = [f"{row.seconds[name]:.4g}" if name in row.seconds else "" for name in names]
        times = [_ratio(row, names[0], name) for name in names[1:]]
        cells = [row.case, f"{row.voxels:,}", *seconds, *times, str(row.shared or "")]
        lines.append(_line(cells))
    return lines


def _ratio(row: Any, first: str, name: str) -> str:
    """Return how many times longer a library takes than the first."""
    if name not in row.seconds:
        return ""
    medians, least = (found[name] / found[first] for found in (row.seconds, row.fastest))
    return f"{medians:.2f} ({least:.2f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _fresh(about: Mapping[str, Any]) -> list[str]:
    lines = []
    if "compilation" in about:
        seconds = about["compilation"]
        lines += [
            f"First process on a machine (compiles): {seconds['first']:.1f} s; "
            f"first call in a fresh process after that, imports included: "
            f"{seconds['second']:.1f} s.",
            "",
        ]
    if "memory" in about:
        memory = about["memory"]
        lines += [
            f"400 × 400 × 600 voxels, {memory['voxels']:,} in 300 labels, one call: "
            f"{memory['seconds']:.1f} s, peak {memory['peak_gib']:.2f} GiB "
            f"({memory['after_reading_gib']:.2f} GiB after reading).",
            "",
        ]
    return lines


def _roofline(rows: Sequence[Any]) -> list[str]:
    """Return what an H100 needs at least for the texture of the largest made volume."""
    if not any(row.case == "128^3" for row in rows):
        return []
    voxels = 128**3
    lines = [
        "Roofline on an H100 (3.35 TB/s, 16.7 T integer operations/s) for the box of 128^3 voxels:",
        "",
        _line(["family", "MB", "M operations", "µs at least"]),
        _line(["---"] * 4),
    ]
    total = 0.0
    for name, (size, operations) in WORK.items():
        seconds = max(voxels * size / BYTES_PER_S, voxels * operations / OPERATIONS_PER_S)
        total += seconds
        work = [f"{voxels * size / 1e6:.0f}", f"{voxels * operations / 1e6:.0f}"]
        lines.append(_line([name, *work, f"{seconds * 1e6:.1f}"]))
    return [*lines, _line(["all", "", "", f"{total * 1e6:.0f}"])]
