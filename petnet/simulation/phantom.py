"""The body from chest to pelvis: where the organs lie, how they vary, what they hold.

Positions are RAS+ millimetres of a reference adult (x to the patient's right, y to the front,
z to the head, z = 0 near the dome of the liver). A patient is that adult with a body scale, organs
moved and resized at random, and values drawn around the tables below. A new tracer is a new column
of uptake values; a new disease adds shapes on top.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from petnet.simulation.shapes import (
    Array,
    Axes,
    Clipped,
    Ellipsoid,
    Grid,
    Point,
    Rod,
    Shape,
    Tube,
    crop,
    paint,
)

__all__ = [
    "BOTTOM_MM",
    "FAPI_SUV",
    "FDG_SUV",
    "FURTHER_FDG_SUV",
    "HU",
    "TOP_MM",
    "Anatomy",
    "body_grid",
    "draw_anatomy",
    "draw_uptake",
    "further_organs",
    "liver_middle",
    "paint_body",
]

TOP_MM, BOTTOM_MM = 150.0, -350.0

# Mean and relative standard deviation over patients, SUVbw one hour after injection.
FDG_SUV: dict[str, tuple[float, float]] = {
    "fat": (0.3, 0.15), "muscle": (0.7, 0.12), "lung": (0.5, 0.12), "mediastinum": (1.1, 0.1),
    "blood": (1.6, 0.12), "myocardium": (5.0, 0.5), "liver": (2.4, 0.1), "spleen": (1.9, 0.1),
    "kidney": (2.8, 0.15), "renal_pelvis": (12.0, 0.4), "bladder": (20.0, 0.4),
    "bowel": (1.5, 0.25), "colon": (1.3, 0.25), "gas": (0.3, 0.1), "pancreas": (1.5, 0.12),
    "stomach_wall": (2.1, 0.15), "stomach_fluid": (0.9, 0.15), "marrow": (1.3, 0.15),
    "disc": (0.8, 0.1), "bone": (0.9, 0.15),
}  # fmt: skip

# Organs that `further_organs` adds, apart because the table above is drawn from in its order.
FURTHER_FDG_SUV = {"gallbladder": (0.9, 0.3), "uterus": (2.0, 0.3)}
FURTHER_HU = {"gallbladder": 10.0, "uterus": 45.0}

# The same for 68Ga-FAPI one hour after injection. Orders of magnitude: Kratochwil et al., J Nucl
# Med 2019;60:801, doi:10.2967/jnumed.119.227967 and Giesel et al., J Nucl Med 2019;60:386,
# doi:10.2967/jnumed.118.215913: normal organs about 1 to 2, pancreas and uterus more, excretion
# through the kidneys and, variably, the bile; little in the bowel, and no heart as with FDG.
FAPI_SUV: dict[str, tuple[float, float]] = {
    "fat": (0.25, 0.15), "muscle": (0.9, 0.15), "lung": (0.4, 0.15), "mediastinum": (1.0, 0.12),
    "blood": (1.3, 0.15), "myocardium": (1.3, 0.2), "liver": (1.1, 0.2), "spleen": (1.0, 0.2),
    "kidney": (2.0, 0.2), "renal_pelvis": (5.0, 0.5), "bladder": (15.0, 0.5),
    "bowel": (0.9, 0.2), "colon": (0.8, 0.2), "gas": (0.2, 0.1), "pancreas": (1.9, 0.3),
    "stomach_wall": (1.2, 0.2), "stomach_fluid": (0.6, 0.2), "marrow": (0.6, 0.15),
    "disc": (0.8, 0.1), "bone": (0.6, 0.15), "gallbladder": (4.0, 0.9), "uterus": (5.0, 0.5),
}  # fmt: skip

# Mean and standard deviation over patients, Hounsfield units, unenhanced.
HU: dict[str, tuple[float, float]] = {
    "air": (-1000, 0), "fat": (-100, 5), "muscle": (52, 4), "lung": (-760, 30),
    "mediastinum": (20, 6), "blood": (42, 4), "myocardium": (46, 4), "liver": (58, 6),
    "spleen": (48, 4), "kidney": (33, 4), "renal_pelvis": (12, 4), "bladder": (6, 3),
    "bowel": (30, 6), "colon": (15, 15), "gas": (-930, 20), "pancreas": (40, 5),
    "stomach_wall": (40, 4), "stomach_fluid": (12, 5), "marrow": (190, 30), "disc": (80, 10),
    "bone": (450, 60),
}  # fmt: skip

# Heights (mm) and the half-axes of the torso there.
TORSO = np.array(
    [(-360, 172, 110), (-280, 172, 112), (-190, 152, 106), (-60, 152, 112), (60, 160, 115),
     (160, 152, 104)], dtype=np.float64,
)  # fmt: skip
MUSCLE_MM = 14.0
STOMACH_WALL_MM = 5.0
# x, y, z and radius along the stomach, from cardia to pylorus.
STOMACH = np.array(
    [(-15, -15, -28, 15), (-55, -25, -24, 31), (-76, -2, -50, 34), (-64, 28, -84, 30),
     (-20, 45, -108, 22), (24, 40, -98, 14)], dtype=np.float64,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One patient's body.

    Attributes
    ----------
    scale : three floats
        Body size relative to the reference adult along x, y, z.
    fat_mm : float
        Thickness of the subcutaneous fat.
    suv, hu : dict
        Value of each tissue.
    organs : list of (tissue, Shape)
        In painting order.
    stomach : (n, 4) array
        Centre line and radius, cardia first, in reference coordinates.
    bowel_phase : three floats
    """

    scale: Point
    fat_mm: float
    suv: dict[str, float]
    hu: dict[str, float]
    organs: list[tuple[str, Shape]] = field(repr=False)
    stomach: NDArray[np.float64] = field(repr=False)
    bowel_phase: Point = (0.0, 0.0, 0.0)

    def reference(self, axes: Axes) -> Axes:
        """Return the coordinates of this body's points in the reference adult."""
        return axes.scaled(self.scale)


def draw_anatomy(rng: np.random.Generator, uptake: dict[str, tuple[float, float]]) -> Anatomy:
    """Draw one patient.

    Parameters
    ----------
    uptake : dict
        Tissue -> (mean SUV, relative standard deviation), as `FDG_SUV`.
    """
    build = rng.normal(0, 0.05)
    across = 1.0 + build + rng.normal(0, [0.02, 0.03])
    scale = (float(across[0]), float(across[1]), float(1.0 + rng.normal(0, 0.03)))
    fat_mm = float(np.clip(14 + 120 * build + rng.normal(0, 3), 6, 28))
    suv = draw_uptake(rng, uptake)
    hu = {t: float(m + s * np.clip(rng.normal(), -2.5, 2.5)) for t, (m, s) in HU.items()}
    stomach = _stomach_line(rng)
    phase = tuple(float(p) for p in rng.uniform(0, 2 * np.pi, 3))
    return Anatomy(
        scale, fat_mm, suv, hu, _organs(rng, stomach), stomach, (phase[0], phase[1], phase[2])
    )


def draw_uptake(
    rng: np.random.Generator, uptake: dict[str, tuple[float, float]]
) -> dict[str, float]:
    """Draw each tissue's SUV: log-normal with the stated mean and relative spread, cut at 2.5 SD.

    An anatomy drawn for one tracer serves another with `replace(anatomy, suv=...)`.
    """
    suv = {}
    for tissue, (mean, spread) in uptake.items():
        sigma = np.sqrt(np.log1p(spread**2))
        suv[tissue] = float(mean * np.exp(sigma * np.clip(rng.normal(), -2.5, 2.5) - sigma**2 / 2))
    return suv


def liver_middle(anatomy: Anatomy) -> Point:
    """Return a point of the right lobe of the liver with 3 cm of liver around it."""
    liver = next(shape for tissue, shape in anatomy.organs if tissue == "liver")
    low, high = liver.box()
    x, y, z = ((a + b) / 2 for a, b in zip(low, high, strict=True))
    return x + 15, y - 15, z - 5


def body_grid(
    anatomy: Anatomy,
    spacing_mm: tuple[float, float, float],
    signs: str,
    bottom_mm: float = BOTTOM_MM,
    top_mm: float = TOP_MM,
) -> Grid:
    """Return a grid that covers the body with a margin, its origin away from round numbers.

    Parameters
    ----------
    bottom_mm, top_mm : float
        Lowest and highest level of the reference adult in view.
    """
    scale = np.asarray(anatomy.scale)
    half = np.array([TORSO[:, 1].max(), TORSO[:, 2].max()]) * scale[:2] + 14
    low = np.array([-half[0] + 0.7, -half[1] - 0.4, bottom_mm * scale[2]])
    high = np.array([half[0], half[1], top_mm * scale[2]])
    return Grid.covering(low, high, spacing_mm, signs)


def _stomach_line(rng: np.random.Generator) -> NDArray[np.float64]:
    from scipy.interpolate import CubicSpline

    knots = STOMACH + rng.normal(0, [4, 4, 4, 2], STOMACH.shape)
    line: NDArray[np.float64] = CubicSpline(np.linspace(0, 1, len(knots)), knots)(
        np.linspace(0, 1, 28)
    )
    line[:, 3] = line[:, 3].clip(12, 40)
    return line


def _tube(line: NDArray[np.float64]) -> Tube:
    points = tuple((float(x), float(y), float(z)) for x, y, z in line[:, :3])
    return Tube(points, tuple(float(r) for r in line[:, 3]))


def _blob(rng: np.random.Generator, center: Point, semi: Point, turn: float = 0.0) -> Ellipsoid:
    """Draw an ellipsoid that lies and measures about as given."""
    c = np.asarray(center) + rng.normal(0, 2.5, 3)
    s = np.asarray(semi) * (1 + rng.normal(0, 0.05, 3).clip(-0.12, 0.12))
    return Ellipsoid(
        (float(c[0]), float(c[1]), float(c[2])), (float(s[0]), float(s[1]), float(s[2])), turn
    )


def _organs(rng: np.random.Generator, stomach: NDArray[np.float64]) -> list[tuple[str, Shape]]:
    def blob(center: Point, semi: Point, turn: float = 0.0) -> Ellipsoid:
        return _blob(rng, center, semi, turn)

    organs: list[tuple[str, Shape]] = []
    for side in (1, -1):
        organs += [  # psoas, back and buttock
            ("muscle", Rod(side * 42, -58, (18, 20), -300, -110)),
            ("muscle", Rod(side * 34, -92, (28, 16), -400, 200)),
            ("muscle", Ellipsoid((side * 78, -62, -330), (52, 34, 60))),
        ]
        organs.append(("lung", blob((side * 73, -4, 62), (51, 76, 122))))
    organs.append(("mediastinum", blob((0, -4, 105), (30, 58, 118))))
    heart = blob((-26, 24, 48), (47, 41, 42), 25)
    organs += [("myocardium", heart), ("blood", heart.grown(-11))]
    organs.append(("blood", blob((16, 30, 55), (28, 30, 36))))
    organs += [
        ("liver", blob((72, 2, -38), (62, 72, 74))),
        ("liver", blob((8, 36, -26), (66, 36, 34))),
    ]
    organs.append(("spleen", blob((-103, -46, -48), (23, 34, 44), -20)))
    for side in (1, -1):
        kidney = blob((side * 62, -50, -128 - 8 * side), (25, 22, 52), -25 * side)
        hilum = (kidney.center[0] - side * 8, kidney.center[1] + 2, kidney.center[2])
        organs += [("kidney", kidney), ("renal_pelvis", Ellipsoid(hilum, (8, 7, 18)))]
    organs.append(("pancreas", Ellipsoid((-12, -8, -92), (58, 11, 13), 14)))
    organs += _colon(rng)
    wall = _tube(stomach)
    lumen = wall.grown(-STOMACH_WALL_MM)
    organs += [("stomach_wall", wall), ("stomach_fluid", lumen)]
    organs.append(("gas", Clipped(lumen, float(rng.uniform(8, 30)))))
    organs.append(("bladder", blob((0, 22, -318), (36, 32, 26))))
    organs += _vessels_and_bones()
    return organs


def _colon(rng: np.random.Generator) -> list[tuple[str, Shape]]:
    knots = np.array(
        [(92, 15, -262), (96, 12, -190), (88, 30, -135), (40, 68, -150), (-25, 70, -155),
         (-82, 45, -130), (-104, 0, -105), (-104, -8, -180), (-92, 5, -258)], dtype=np.float64,
    ) + rng.normal(0, 4, (9, 3))  # fmt: skip
    at = np.linspace(0, 8, 44)
    points = np.stack([np.interp(at, np.arange(9), knots[:, i]) for i in range(3)], axis=1)
    radii = 17 + 2.5 * np.sin(2.6 * np.arange(44)) + rng.normal(0, 0.8, 44)  # haustra
    tube = _tube(np.column_stack([points, radii]))
    gas = Clipped(tube.grown(-4.0), float(rng.uniform(20, 50)))
    return [("bowel", tube), ("colon", tube.grown(-4.0)), ("gas", gas)]


def further_organs(anatomy: Anatomy, rng: np.random.Generator, female: bool) -> Anatomy:
    """Return the anatomy with a gallbladder and, in women, a uterus.

    Its SUVs must have been drawn from a table that names them (`FDG`, `FAPI` of `tracers`).
    """
    added: list[tuple[str, Shape]] = [("gallbladder", _blob(rng, (62, 52, -100), (14, 14, 28)))]
    if female:
        added.append(("uterus", _blob(rng, (0, -18, -292), (27, 22, 32))))
    return replace(anatomy, organs=[*anatomy.organs, *added], hu={**anatomy.hu, **FURTHER_HU})


def _vessels_and_bones() -> list[tuple[str, Shape]]:
    parts: list[tuple[str, Shape]] = [
        ("blood", Rod(-19, -46, (11, 11), -205, 200)),
        ("blood", Rod(20, -42, (11, 10), -215, 10)),
        ("bone", Rod(0, -70, (21, 18), -400, 200)),
        ("marrow", Rod(0, -70, (19, 16), -400, 200)),
    ]
    parts += [("disc", Rod(0, -70, (21, 18), z, z + 7)) for z in np.arange(-270, 150, 34.0)]
    parts += [("bone", Rod(0, -98, (9, 12), -260, 200)), ("fat", Rod(0, -92, (7, 6), -400, 200))]
    for side in (1, -1):
        wing = Ellipsoid((side * 92, -28, -282), (15, 58, 62), 28 * side)
        hip = Ellipsoid((side * 92, 4, -345), (24, 24, 24))
        for bone in (wing, hip):
            parts += [("bone", bone), ("marrow", bone.grown(-3.0))]
    parts.append(("marrow", Ellipsoid((0, -76, -300), (46, 20, 50))))
    return parts


def paint_body(anatomy: Anatomy, axes: Axes, values: dict[str, float], edge_mm: float) -> Array:
    """Return the body on a grid.

    Parameters
    ----------
    axes : Axes
        Patient coordinates in mm of the grid.
    values : dict
        Tissue -> value: `anatomy.suv` (no "air": zero) or `anatomy.hu`.

    Returns
    -------
    (X, Y, Z) float32 array
    """
    reference = anatomy.reference(axes)
    image = np.full(axes.shape, values.get("air", 0.0), dtype=np.float32)
    _paint_torso(image, reference, anatomy, values, edge_mm)
    _paint_bowel(image, reference, anatomy, values)
    for tissue, shape in anatomy.organs:
        paint(image, reference, shape, values[tissue], edge_mm)
    return image


def _paint_torso(
    image: Array, axes: Axes, anatomy: Anatomy, values: dict[str, float], edge_mm: float
) -> None:
    """Paint skin to cavity as rings of |x/a|^3 + |y/b|^3, with ribs in the muscle of the chest."""
    a = np.interp(axes.z, TORSO[:, 0], TORSO[:, 1]).astype(np.float32)
    b = np.interp(axes.z, TORSO[:, 0], TORSO[:, 2]).astype(np.float32)
    x, y, z = axes.open()
    cubed = (np.abs(x) / a) ** 3 + (np.abs(y) / b) ** 3  # broadcast once to (X, Y, Z)
    half = (a + b) / 2
    rings = (
        ("fat", 0.0),
        ("muscle", anatomy.fat_mm),
        ("fat", anatomy.fat_mm + MUSCLE_MM),
    )
    for tissue, depth in rings:
        edge = (1 - depth / half) ** 3
        slope = (3 * edge ** (2 / 3) / half * edge_mm).astype(np.float32)  # d(cubed) over one edge
        share = np.clip(np.float32(0.5) + (edge.astype(np.float32) - cubed) / slope, 0, 1)
        image += share * (np.float32(values[tissue]) - image)
    chest = axes.z > -75
    middle = (1 - (anatomy.fat_mm + MUSCLE_MM * 0.6) / half[chest]) ** 3
    thick = 3 * (1 - anatomy.fat_mm / half[chest]) ** 2 * 4.0 / half[chest]
    rib = (np.abs(cubed[:, :, chest] - middle.astype(np.float32)) < thick.astype(np.float32)) & (
        np.cos(2 * np.pi * (z[:, :, chest] - np.float32(0.45) * y) / 27) > 0.45
    )
    part = image[:, :, chest]
    part[rib] = values["bone"]
    image[:, :, chest] = part


def _paint_bowel(image: Array, axes: Axes, anatomy: Anatomy, values: dict[str, float]) -> None:
    """Fill the middle of the abdomen with loops: one side of a gyroid."""
    room = Ellipsoid((0.0, 28.0, -212.0), (84.0, 50.0, 72.0))
    window = crop(axes, room.box())
    part = axes.take(window)
    (x, y, z), (px, py, pz) = part.open(), anatomy.bowel_phase
    k = np.float32(2 * np.pi / 62)
    wave = (
        np.sin(k * x + px) * np.cos(k * y + py)
        + np.sin(k * y + py) * np.cos(k * z + pz)
        + np.sin(k * z + pz) * np.cos(k * x + px)
    )
    loops = (wave > -0.15) & (room.distance(part) < 0)
    image[window][loops] = values["bowel"]
