"""Clinical columns of the simulated lung and ovarian cancers, and gaps in those of any.

Of each disease one column carries a latent by a strictly increasing map (`ct_density_hu`,
`ca125`); all others are drawn blind to it and to the label, so that the ideal observer of the table
is a threshold on that column.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["ca125", "density_hu", "density_type", "nodal_row", "ovarian_row", "with_gaps"]

SMOKING = {"M": (0.25, 0.4, 0.35), "F": (0.75, 0.12, 0.13)}  # never, former, current
SOLID_HU, GROUND_GLASS_HU = -150.0, -300.0


def density_hu(latent: float) -> float:
    """Return the mean attenuation of a lung tumour: 70 - 150 ln(1 + exp(0.8 - c)) HU.

    Strictly increasing: nearly linear among ground-glass tumours, levelling off towards 70 HU, as
    solid tissue has an upper end.
    """
    return 70.0 - 150.0 * float(np.logaddexp(0.0, 0.8 - latent))


def density_type(hu: float) -> str:
    """Return the radiologist's word for a mean attenuation; cut-offs at -150 and -300 HU."""
    if hu >= SOLID_HU:
        return "solid"
    return "part-solid" if hu >= GROUND_GLASS_HU else "pure ground-glass"


def nodal_row(
    rng: np.random.Generator, hu: float, volume_ml: float, lobe: str, node_short_axis_mm: float
) -> dict[str, object]:
    """Return the clinical and CT columns of a patient with lung adenocarcinoma.

    Diameter follows volume, smoking follows sex, density type follows density. `ct_density_hu`
    carries the CT latent; spiculation and pleural indentation are words without a picture.
    """
    sex = "M" if rng.random() < 0.5 else "F"
    diameter_mm = 2 * (3 * volume_ml * 1000 / (4 * np.pi)) ** (1 / 3)
    return {
        "age": int(np.clip(round(rng.normal(63, 9)), 30, 88)),
        "sex": sex,
        "smoking": str(rng.choice(("never", "former", "current"), p=SMOKING[sex])),
        "cea": round(float(3.2 * np.exp(rng.normal(0, 0.8))), 2),
        "lobe": lobe,
        "ct_size_mm": round(float(1.12 * diameter_mm * np.exp(rng.normal(0, 0.06))), 1),
        "density_type": density_type(hu),
        "ct_density_hu": round(hu, 4),
        "spiculation": "yes" if rng.random() < 0.5 else "no",
        "pleural_indentation": "yes" if rng.random() < 0.4 else "no",
        "node_short_axis_mm": round(node_short_axis_mm, 1),
    }


def ca125(latent: float) -> float:
    """Return CA125 in U/ml: ln(ca125) = ln(120) + 1.1 c."""
    return 120.0 * float(np.exp(1.1 * latent))


def ovarian_row(rng: np.random.Generator, latent: float) -> dict[str, object]:
    """Return the clinical columns of a patient with ovarian cancer.

    `ca125` carries the clinical latent. `figo` is what was presumed before any staging: it is drawn
    blind, since the true stage (III: spread beyond the pelvis) would be the label itself. Ascites
    is blind too, though not in life, so that the ideal observer has one column to look at.
    """
    return {
        "age": int(np.clip(round(rng.normal(57, 11)), 22, 88)),
        "ca125": round(ca125(latent), 4),
        "he4": round(float(150.0 * np.exp(rng.normal(0, 0.8))), 2),
        "ascites": str(rng.choice(("none", "small", "large"), p=(0.45, 0.35, 0.2))),
        "figo": str(rng.choice(("I", "II", "III", "IV"), p=(0.2, 0.15, 0.5, 0.15))),
    }


def with_gaps(
    rng: np.random.Generator, row: Mapping[str, object], rate: float
) -> dict[str, object]:
    """Return the row with each value missing with probability `rate`."""
    lost = rng.random(len(row)) < rate
    return {c: None if gone else v for (c, v), gone in zip(row.items(), lost, strict=True)}
