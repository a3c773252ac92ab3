"""The chest of a patient with lung cancer: airways, aortic arch, lobes and nodal stations.

Positions are millimetres of the reference adult (`phantom`). Stations bear the numbers of the IASLC
lymph node map (Rusch et al., J Thorac Oncol 2009;4:568, doi:10.1097/JTO.0b013e3181a0d82e) and lie
where it puts them against trachea, carina, main bronchi and aortic arch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from petnet.simulation.foci import random_directions
from petnet.simulation.lesion import (
    AXIS_RATIOS,
    EDGE_BEYOND_MASK_MM,
    LesionForm,
    form_at,
)
from petnet.simulation.phantom import Anatomy
from petnet.simulation.shapes import Ellipsoid, Point, Rod, Shape, Tube

__all__ = [
    "BLOOD_POOL",
    "CHEST_MM",
    "LOBES",
    "STATIONS",
    "Node",
    "add_airways",
    "draw_nodes",
    "draw_primary",
]

CHEST_MM = (-30.0, 185.0)  # lowest and highest level in view
VOLUME_ML = (1.0, 40.0)
SMALL_MM, LARGE_MM = (4.0, 8.0), (9.0, 14.0)  # short axes
SHARE_LARGE = 0.3
SHARE_NODES = (0.35, 0.3, 0.2, 0.15)  # of patients with 1, 2, 3, 4 nodes
LEAST_VOI_ML = 0.3  # a reader's sphere on PET is no smaller, whatever the node measures

STATIONS: dict[str, Point] = {
    "2R": (18, -16, 152), "2L": (-16, -24, 162), "4R": (18, -14, 122), "4L": (-13, -16, 112),
    "5": (-31, 8, 116), "7": (0, -24, 82), "10R": (27, -18, 94), "10L": (-28, -16, 88),
    "11R": (46, -22, 74), "11L": (-48, -26, 72),
}  # fmt: skip
# Side of the lung (0 right, 1 left), and where in it, as shares of its half-axes.
LOBES: dict[str, tuple[int, Point]] = {
    "RUL": (0, (0.25, 0.1, 0.45)), "RML": (0, (0.25, 0.42, 0.02)), "RLL": (0, (0.3, -0.45, -0.05)),
    "LUL": (1, (-0.25, 0.12, 0.45)), "LLL": (1, (-0.3, -0.45, 0.0)),
}  # fmt: skip
SHARE_LOBES = (0.33, 0.08, 0.2, 0.24, 0.15)

# The reader's cylinder in the descending aorta, well inside its wall: blood-pool activity.
BLOOD_POOL = Rod(-19, -46, (6.5, 6.5), 45, 85)


@dataclass(frozen=True, eq=False)
class Node:
    """A lymph node.

    Attributes
    ----------
    station : str
        IASLC station.
    short_axis_mm : float
        In the axial plane, of the node itself.
    form : LesionForm
        Its outline; the volume is that of the reader's volume of interest on PET.
    edge_mm : float
        Radius (`LesionForm.radius`) that `paint_lesion` takes for the node itself.
    """

    station: str
    short_axis_mm: float
    form: LesionForm
    edge_mm: float


def add_airways(anatomy: Anatomy) -> Anatomy:
    """Return the anatomy with trachea, main bronchi, ascending aorta and aortic arch."""
    bronchi = [
        _tube([(2, -30, 102), (side * 18, -30, 88), (side * 34, -30, 76)], 6, 6) for side in (1, -1)
    ]
    arch = [
        (16, 28, 84),
        (15, 28, 108),
        (6, 18, 130),
        (-10, -6, 138),
        (-19, -34, 132),
        (-19, -46, 118),
    ]
    added: list[tuple[str, Shape]] = [
        ("blood", _tube(arch, 12, 11)),
        ("gas", Rod(2, -30, (8, 7), 100, 200)),
        *(("gas", tube) for tube in bronchi),
    ]
    return replace(anatomy, organs=[*anatomy.organs, *added])


def _tube(knots: Sequence[Point], first_mm: float, last_mm: float) -> Tube:
    """Return a tube through the knots, its radius changing evenly."""
    at = np.linspace(0, len(knots) - 1, 6 * len(knots))
    line = [np.interp(at, np.arange(len(knots)), column) for column in zip(*knots, strict=True)]
    points = tuple((float(x), float(y), float(z)) for x, y, z in zip(*line, strict=True))
    return Tube(points, tuple(float(r) for r in np.linspace(first_mm, last_mm, at.size)))


def draw_primary(rng: np.random.Generator, anatomy: Anatomy) -> tuple[str, LesionForm]:
    """Draw the lobe and the outline of a tumour of 1 to 40 ml, blind to its label."""
    lobe = str(rng.choice(tuple(LOBES), p=SHARE_LOBES))
    side, where = LOBES[lobe]
    lung = [shape for tissue, shape in anatomy.organs if tissue == "lung"][side]
    assert isinstance(lung, Ellipsoid)
    share = np.asarray(where) + rng.uniform(-0.07, 0.07, 3)
    volume_ml = float(np.exp(rng.uniform(*np.log(VOLUME_ML))))
    center = np.asarray(lung.center) + share * np.asarray(lung.semi)
    return lobe, form_at(rng, center, random_directions(rng), volume_ml)


def draw_nodes(rng: np.random.Generator) -> list[Node]:
    """Draw one to four nodes of different stations, blind to the label."""
    count = int(rng.choice(4, p=SHARE_NODES)) + 1
    stations = rng.choice(tuple(STATIONS), size=count, replace=False)
    return [_draw_node(rng, str(station)) for station in stations]


def _draw_node(rng: np.random.Generator, station: str) -> Node:
    size = LARGE_MM if rng.random() < SHARE_LARGE else SMALL_MM
    short_axis_mm = float(rng.uniform(*size))
    radius_mm = short_axis_mm / 2 / min(AXIS_RATIOS)
    own_ml = 4 / 3 * np.pi * radius_mm**3 * float(np.prod(AXIS_RATIOS)) / 1000
    center = np.asarray(STATIONS[station]) + rng.uniform(-1.5, 1.5, 3)
    form = form_at(rng, center, _lying(rng), max(own_ml, LEAST_VOI_ML))
    smooth = replace(form, waves=form.waves[:0])  # nodes are oval, and so measure what they should
    return Node(station, short_axis_mm, smooth, radius_mm - EDGE_BEYOND_MASK_MM)


def _lying(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return directions with the longest and the shortest axis in the axial plane."""
    angle = rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    return np.stack([along, up, np.cross(along, up)])
