"""Classical models on tables: any scikit-learn classifier, tuned and resampled inside the fold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._param_validation import InvalidParameterError

from petnet.cohort.splits import Fold
from petnet.errors import InputError
from petnet.files import write_json
from petnet.learn.resampling import Smote
from petnet.learn.tabular import TableEncoder
from petnet.models.parts import SKLEARN, build
from petnet.models.protocol import FitContext, InputKind, Samples
from petnet.models.skops_store import dump_estimator, load_estimator
from petnet.stats.discrimination import auc

__all__ = ["ClassicalModel"]


@dataclass
class _Fitted:
    encoder: TableEncoder
    estimator: Any
    prior_shift: float


class ClassicalModel:
    """A scikit-learn classifier behind the model protocol.

    Within `fit`: columns are imputed, scaled and filtered, the classes are balanced by the
    resampler, the hyperparameters with the best mean AUC over the inner folds are chosen (each
    inner fold repeats all of these steps), and the final fit uses the whole training part.
    Probabilities are corrected for the class balance that resampling changed, by shifting the
    logit with the ratio of the odds (prior correction; King & Zeng, Political Analysis 2001,
    doi 10.1093/oxfordjournals.pan.a004868).

    Parameters
    ----------
    name : str
    inputs : sequence of {"radiomics", "clinical"}
    estimator : mapping
        `_target_` of a scikit-learn classifier with `predict_proba`, and its fixed arguments.
    grid : mapping of str to list
        Hyperparameter values to choose from; the first of equal ones wins.
    resampler : Smote, optional
    include : sequence of str, optional
        Shell patterns of the columns to use.
    max_correlation : float, optional
        As in `TableEncoder`.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[InputKind],
        estimator: Mapping[str, Any],
        grid: Mapping[str, Sequence[Any]] | None = None,
        resampler: Smote | Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        max_correlation: float | None = 0.95,
    ) -> None:
        self.name = name
        self.inputs = frozenset(inputs)
        allowed = set(get_args(InputKind)) - {"image"}
        if not self.inputs or not self.inputs <= allowed:
            raise InputError(f"model {name}", "inputs", f"some of {sorted(allowed)}", f"{inputs}")
        self.estimator = dict(estimator)
        self.grid = {key: list(values) for key, values in (grid or {}).items()}
        self.resampler = _as_smote(resampler)
        self.include = None if include is None else list(include)
        self.max_correlation = max_correlation
        self.chosen: dict[str, Any] = {}
        self._fitted: _Fitted | None = None

    def fit(self, train: Samples, inner: Sequence[Fold], context: FitContext) -> Self:
        """Tune on the inner folds, then fit on all of `train`."""
        frame, target = self._frame(train), _labels(self.name, train)
        candidates = [
            dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())
        ]
        self.chosen = candidates[0]
        if len(candidates) > 1 and inner:
            scores = [self._inner_auc(frame, target, inner, c, context.seed) for c in candidates]
            self.chosen = candidates[int(np.argmax(scores))]
        self._fitted = self._fit_once(frame, target, self.chosen, context.seed)
        return self

    def predict(self, samples: Samples) -> NDArray[np.float64]:
        """Return (n, 1) probabilities of the positive class."""
        if self._fitted is None:
            raise RuntimeError(f"model {self.name} is not fitted")
        return _probability(self._fitted, self._frame(samples))[:, None]

    def save(self, folder: Path) -> None:
        """Write model.json and estimator.skops."""
        if self._fitted is None:
            raise RuntimeError(f"model {self.name} is not fitted")
        folder.mkdir(parents=True, exist_ok=True)
        dump_estimator(self._fitted.estimator, folder / "estimator.skops")
        write_json(
            folder / "model.json",
            {
                "settings": {
                    "name": self.name,
                    "inputs": sorted(self.inputs),
                    "estimator": self.estimator,
                    "grid": self.grid,
                    "resampler": vars(self.resampler) if self.resampler else None,
                    "include": self.include,
                    "max_correlation": self.max_correlation,
                },
                "chosen": self.chosen,
                "encoder": self._fitted.encoder.state(),
                "prior_shift": self._fitted.prior_shift,
            },
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model; only scikit-learn's own types are trusted."""
        stored = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        made = cls(**stored["settings"])
        made.chosen = stored["chosen"]
        made._fitted = _Fitted(
            TableEncoder.from_state(stored["encoder"]),
            load_estimator(folder / "estimator.skops", SKLEARN),
            stored["prior_shift"],
        )
        return made

    def _frame(self, samples: Samples) -> pd.DataFrame:
        parts = [
            getattr(samples, kind) for kind in ("radiomics", "clinical") if kind in self.inputs
        ]
        frame: pd.DataFrame = pd.concat(parts, axis=1)
        return frame

    def _fit_once(
        self, frame: pd.DataFrame, target: NDArray[np.int64], chosen: Mapping[str, Any], seed: int
    ) -> _Fitted:
        encoder = TableEncoder(self.max_correlation, self.include, one_hot=False).fit(frame)
        values, labels = encoder.transform(frame), target
        if self.resampler is not None:
            values, labels = self.resampler.resample(values, target, encoder.discrete, seed)
        estimator = build({**self.estimator, **chosen})
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=seed)
        try:
            estimator.fit(encoder.expand(values), labels)
        except InvalidParameterError as error:
            raise InputError(
                f"model {self.name}", "estimator", "settings that scikit-learn takes", str(error)
            ) from error
        shift = _logit(target.mean()) - _logit(labels.mean())
        return _Fitted(encoder, estimator, float(shift))

    def _inner_auc(
        self,
        frame: pd.DataFrame,
        target: NDArray[np.int64],
        inner: Sequence[Fold],
        chosen: Mapping[str, Any],
        seed: int,
    ) -> float:
        scores = []
        for fold in inner:
            if len(np.unique(target[fold.train])) < 2 or len(np.unique(target[fold.test])) < 2:
                continue
            fitted = self._fit_once(frame.iloc[fold.train], target[fold.train], chosen, seed)
            held_out = _probability(fitted, frame.iloc[fold.test])
            scores.append(auc(target[fold.test], held_out))
        return float(np.mean(scores)) if scores else 0.5


def _as_smote(given: Smote | Mapping[str, Any] | None) -> Smote | None:
    if given is None or isinstance(given, Smote):
        return given
    return Smote(**{str(k): v for k, v in given.items() if k != "_target_"})


def _labels(name: str, samples: Samples) -> NDArray[np.int64]:
    if np.isnan(samples.target).any():
        missing = [i for i, t in zip(samples.ids, samples.target, strict=True) if np.isnan(t)]
        raise InputError(f"model {name}", "target", "a label for every unit", f"none for {missing}")
    return samples.target.astype(np.int64)


def _logit(p: float) -> float:
    return float(np.log(p) - np.log1p(-p))


def _probability(fitted: _Fitted, frame: pd.DataFrame) -> NDArray[np.float64]:
    raw = fitted.estimator.predict_proba(fitted.encoder.expand(fitted.encoder.transform(frame)))
    positive: NDArray[np.float64] = np.asarray(raw, dtype=np.float64)[:, 1]
    clipped = np.clip(positive, 1e-12, 1 - 1e-12)
    shifted = np.log(clipped) - np.log1p(-clipped) + fitted.prior_shift
    return 1.0 / (1.0 + np.exp(-shifted))
