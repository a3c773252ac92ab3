"""Cross-validation of one model on saved splits, fold by fold, resumable after each."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from petnet.cohort.splits import Fold, Splits, inner_folds
from petnet.devices import Device
from petnet.errors import InputError
from petnet.evaluation.prediction_table import decided, scored, truths
from petnet.files import write_csv, write_json
from petnet.models.protocol import FitContext, Model, Samples
from petnet.models.registry import load_model, save_model
from petnet.progress import track
from petnet.stats.headline import headline

__all__ = ["Procedure", "cross_validate", "fold_folder", "fold_seed"]

ModelFactory = Callable[[], Model]
log = logging.getLogger(__name__)


def fold_seed(seed: int, fold: Fold) -> int:
    """Return the seed of one fold, independent of which folds ran before it."""
    sequence = np.random.SeedSequence([seed, fold.repeat, fold.fold])
    return int(sequence.generate_state(1)[0] % 2**31)


def fold_folder(run: Path, fold: Fold) -> Path:
    """Return the folder of one fold in a run folder."""
    return run / "folds" / fold.name


@dataclass(frozen=True)
class Procedure:
    """Fitting and applying a model in one fold: all that is learned is learned in here.

    Attributes
    ----------
    factory : callable
        Makes an unfitted model.
    seed, inner : int
        Seed of the run; number of inner folds.
    device : {"cpu", "cuda"}
    """

    factory: ModelFactory
    seed: int
    inner: int = 4
    device: Device = "cpu"

    def fit(self, samples: Samples, fold: Fold, folder: Path) -> Model:
        """Fit on the training part of `fold` and save the model in `folder`/model.

        Half-done work is kept in `folder`/work until the model is whole.
        """
        seed = fold_seed(self.seed, fold)
        train = samples.take(fold.train)
        strata = train.outcome.strata(train.target)
        inner = inner_folds(train.groups, strata, self.inner, seed)
        work = folder / "work"
        model = self.factory().fit(train, inner, FitContext(seed, work, self.device))
        save_model(model, folder / "model")
        shutil.rmtree(work, ignore_errors=True)
        return model


def cross_validate(
    procedure: Procedure, samples: Samples, splits: Splits, run: Path
) -> pd.DataFrame:
    """Fit and predict every fold that is not finished yet.

    A fold is finished when its predictions.csv exists, which is written last.

    Returns
    -------
    pandas.DataFrame
        unit, patient, model, repeat, fold, and the columns of the outcome (scores, decision,
        truth): one row per held-out unit.
    """
    if list(splits.units) != list(samples.ids):
        raise InputError("splits", "units", "those of the samples", "others")
    folds = list(splits.folds())
    made = [
        _finish_fold(procedure, samples, fold, fold_folder(run, fold))
        for fold in track(folds, "folds", len(folds))
    ]
    return pd.concat(made, ignore_index=True)


def _finish_fold(procedure: Procedure, samples: Samples, fold: Fold, folder: Path) -> pd.DataFrame:
    predictions = folder / "predictions.csv"
    if not predictions.is_file():
        start = time.monotonic()
        procedure.fit(samples, fold, folder)
        model = load_model(folder / "model")
        train, test = samples.take(fold.train), samples.take(fold.test)
        base = train.outcome.base(train.target)
        fitted, predicted = model.predict(train), model.predict(test)
        apparent = headline(train.outcome, train.target, fitted)
        write_json(
            folder / "fold.json",
            {
                "base": base,
                "training": None if np.isnan(apparent) else apparent,
                "seconds": round(time.monotonic() - start, 3),
            },
        )
        table = pd.DataFrame(
            {
                "unit": test.ids,
                "patient": test.patients,
                "model": model.name,
                "repeat": fold.repeat,
                "fold": fold.fold,
                **scored(test.outcome, predicted),
                **decided(test.outcome, predicted, base),
                **truths(test.outcome, test.target),
            }
        )
        write_csv(predictions, table)
    text = ("unit", "patient", *(("truth", "decision") if samples.outcome.by_class else ()))
    # A class or a unit may be called None; only what is empty is missing.
    return pd.read_csv(
        predictions, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=[""]
    )
