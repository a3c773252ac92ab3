"""The pictures that a run keeps of the units that tell most."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd

from petnet.errors import PetnetError
from petnet.evaluation.prediction_table import truth_of
from petnet.evaluation.run_folder import RunFolder
from petnet.files import atomic_path
from petnet.imaging.config import ImagingConfig
from petnet.imaging.gallery import gallery
from petnet.outcome import Outcome
from petnet.reporting.picks import chosen_units, standing_of
from petnet.units import UnitTable

__all__ = ["write_gallery"]

log = logging.getLogger(__name__)
GALLERY = 12


def write_gallery(
    folder: RunFolder,
    outcome: Outcome,
    table: UnitTable,
    predictions: pd.DataFrame,
    imaging: ImagingConfig,
) -> None:
    """Keep small pictures of the units that are most telling: surest, and most wrong.

    Parameters
    ----------
    table : UnitTable
        The units of the run.
    predictions : pandas.DataFrame
        Its out-of-fold predictions; a unit's are averaged over repeats.
    """
    truth = truth_of(outcome, predictions, "predictions.csv")
    first = ~predictions["unit"].duplicated().to_numpy()
    units = predictions.loc[first, "unit"].tolist()
    scores = predictions.groupby("unit")[list(outcome.score_columns)].mean().loc[units]
    standing = standing_of(outcome, scores.to_numpy(dtype=np.float64), truth[first])
    chosen = {units[row] for row in chosen_units(standing, GALLERY)}
    for unit in table.units:
        if unit.id not in chosen:
            continue
        try:
            pictures: dict[str, Any] = gallery(unit, imaging)
        except PetnetError as error:  # a picture is no reason to lose a run
            log.warning("no pictures of %s: %s", unit.id, error)
            continue
        with atomic_path(folder.gallery_file(unit.id)) as temporary:
            np.savez_compressed(temporary, **pictures)
