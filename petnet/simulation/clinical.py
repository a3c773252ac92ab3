"""Clinical columns and pathology of a simulated gastric cancer.

One latent, c ~ N(+-d/2, 1), is written into one column by a strictly increasing map:
ln(cea) = ln(3) + 0.9 c (HER2-positive tumours have *higher* CEA). Given the label no other column
depends on c or on the texture, and none depends on the label; so the ideal observer of the clinical
columns is a threshold on CEA, and its AUC is the one asked for (where CEA is present).
"""

from __future__ import annotations

import numpy as np

__all__ = ["clinical_row", "draw_site", "her2_label", "pathology_row"]

SITES = ("cardia", "body", "antrum")
LAUREN = ("intestinal", "diffuse", "mixed")


def clinical_row(
    rng: np.random.Generator, latent: float, volume_ml: float, site: str
) -> dict[str, object]:
    """Return the clinical columns of one patient.

    T follows the volume and N follows T, as in life; both are blind to the label.
    """
    stage_t = int(np.clip(round(2.2 + np.log(volume_ml / 30.0) + rng.normal(0, 0.8)), 1, 4))
    stage_n = int(np.clip(round(0.6 * stage_t - 0.4 + rng.normal(0, 0.9)), 0, 3))
    return {
        "age": int(np.clip(round(rng.normal(63, 11)), 24, 90)),
        "sex": "M" if rng.random() < 0.68 else "F",
        "cea": round(float(3.0 * np.exp(0.9 * latent)), 4),
        "ca199": round(float(12.0 * np.exp(rng.normal(0, 1.2))), 2),
        "ca724": round(float(4.0 * np.exp(rng.normal(0, 1.1))), 2),
        "clinical_t": f"T{stage_t}",
        "clinical_n": f"N{stage_n}",
        "site": site,
        "lauren": str(rng.choice(LAUREN, p=(0.5, 0.35, 0.15))),
    }


def draw_site(rng: np.random.Generator) -> str:
    """Return where in the stomach the tumour sits."""
    return str(rng.choice(SITES, p=(0.3, 0.35, 0.35)))


def pathology_row(rng: np.random.Generator, positive: bool, unresolved: bool) -> dict[str, str]:
    """Return `ihc` (0, 1+, 2+, 3+) and `ish` (+, -, empty) of one tumour.

    Parameters
    ----------
    positive : bool
        The true HER2 status.
    unresolved : bool
        IHC 2+ whose in-situ hybridisation was never done.
    """
    draw = rng.random()
    if unresolved:
        return {"ihc": "2+", "ish": ""}
    if positive:
        return {"ihc": "3+", "ish": ""} if draw < 0.7 else {"ihc": "2+", "ish": "+"}
    if draw < 0.2:
        return {"ihc": "2+", "ish": "-"}
    return {"ihc": "0" if draw < 0.65 else "1+", "ish": ""}


def her2_label(ihc: str, ish: str) -> int | None:
    """Return HER2 by the rule: 3+, or 2+ with ISH+, is positive; 2+ without ISH is missing."""
    if ihc == "3+":
        return 1
    if ihc == "2+":
        return {"+": 1, "-": 0}.get(ish)
    return 0 if ihc in ("0", "1+") else None
