"""Classical models on tables: any scikit-learn classifier, tuned and resampled inside the fold."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from glob import escape
from itertools import product
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from petnet.cohort.splits import Fold
from petnet.errors import InputError
from petnet.files import write_json
from petnet.learn.resampling import Smote
from petnet.learn.tabular import TableEncoder
from petnet.models.heads import Problem, assemble, problems
from petnet.models.parts import STORED
from petnet.models.protocol import FitContext, InputKind, Samples
from petnet.models.skops_store import dump_estimator, load_estimator
from petnet.models.table_fit import Fitted, Prepared, prepare
from petnet.outcome import BINARY, Outcome
from petnet.stats.headline import Components, components

__all__ = ["ClassicalModel"]

log = logging.getLogger(__name__)
_FORMAT = 2  # 1, of petnet 0.1.0, was for binary outcomes alone


class ClassicalModel:
    """A scikit-learn classifier, or a Cox regression, behind the model protocol.

    What there is to learn is divided into problems by the kind of outcome (`petnet.models.heads`).
    Within `fit`, and for each problem: columns are imputed, scaled and filtered, the classes are
    balanced by the resampler, the hyperparameters with the best headline figure over the inner
    folds are chosen (each inner fold repeats all of these steps; all problems share the choice),
    and the final fit uses the whole training part. Probabilities are corrected for the class
    balance that resampling changed, by weighting each class with the ratio of its shares and
    renormalising (prior correction; King & Zeng, Political Analysis 2001,
    doi 10.1093/oxfordjournals.pan.a004868). A problem of one class only is answered by the shares.

    Parameters
    ----------
    name : str
    inputs : sequence of {"radiomics", "clinical"}
    estimator : mapping
        `_target_` of a scikit-learn classifier with `predict_proba`, and its fixed arguments.
    grid : mapping of str to list
        Hyperparameter values to choose from; the first of equal ones wins.
    resampler : Smote, optional
        Not used for survival, which has no classes.
    include : sequence of str, optional
        Shell patterns of the columns to use, which may be nested lists. "{label}" stands for the
        label of a multilabel task, so that each may look at its own columns.
    max_correlation : float, optional
        As in `TableEncoder`.
    survival : mapping, optional
        `estimator` and `grid` for survival tasks, in place of those above: the estimator is fitted
        to (n, 2) times and events and predicts log relative hazards.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[InputKind],
        estimator: Mapping[str, Any],
        grid: Mapping[str, Sequence[Any]] | None = None,
        resampler: Smote | Mapping[str, Any] | None = None,
        include: Sequence[Any] | None = None,
        max_correlation: float | None = 0.95,
        survival: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.inputs = frozenset(inputs)
        allowed = set(get_args(InputKind)) - {"image"}
        if not self.inputs or not self.inputs <= allowed:
            raise InputError(f"model {name}", "inputs", f"some of {sorted(allowed)}", f"{inputs}")
        self.estimator = dict(estimator)
        self.grid = _lists(grid)
        self.resampler = _as_smote(resampler)
        self.include = None if include is None else list(_flat(include))
        self.max_correlation = max_correlation
        self.survival = None if survival is None else _as_survival(name, survival)
        self.outcome: Outcome = BINARY
        self.chosen: dict[str, Any] = {}
        self._fitted: list[Fitted] = []

    def fit(self, train: Samples, inner: Sequence[Fold], context: FitContext) -> Self:
        """Tune on the inner folds, then fit on all of `train`."""
        _check_target(self.name, train)
        self.outcome = train.outcome
        if self.outcome.kind == "survival" and self.resampler is not None:
            log.debug("model %s: survival has no classes: nothing is resampled", self.name)
        frame, seed = self._frame(train), context.seed
        candidates = self._candidates()
        self.chosen = candidates[0]
        if len(candidates) > 1 and inner:
            scores = self._inner_scores(frame, train.target, inner, candidates, seed)
            self.chosen = candidates[int(np.argmax(scores))]
        elif len(candidates) > 1:
            few = "too few patients of a class for inner folds"
            log.warning("model %s: not tuned: %s: %s is taken", self.name, few, self.chosen)
        prepared = self._prepare(frame, train.target, seed)
        for part in prepared:
            if part.lacks:
                log.warning(
                    "model %s: %s: %s: the average of the training part is predicted",
                    self.name,
                    part.problem.label,
                    part.lacks,
                )
        self._fitted = self._fit_all(prepared, self.chosen, seed)
        return self

    def predict(self, samples: Samples) -> NDArray[np.float64]:
        """Return the (n, K) prediction, as `petnet.outcome` says for the kind that was fitted."""
        if not self._fitted:
            raise RuntimeError(f"model {self.name} is not fitted")
        return self._predict(self._fitted, self._frame(samples))

    def save(self, folder: Path) -> None:
        """Write model.json and estimator.skops, which holds the estimators of all problems."""
        if not self._fitted:
            raise RuntimeError(f"model {self.name} is not fitted")
        folder.mkdir(parents=True, exist_ok=True)
        estimators = [fitted.estimator for fitted in self._fitted if fitted.estimator is not None]
        dump_estimator(estimators, folder / "estimator.skops")
        write_json(
            folder / "model.json",
            {
                "format": _FORMAT,
                "settings": {
                    "name": self.name,
                    "inputs": sorted(self.inputs),
                    "estimator": self.estimator,
                    "grid": self.grid,
                    "resampler": vars(self.resampler) if self.resampler else None,
                    "include": self.include,
                    "max_correlation": self.max_correlation,
                    "survival": self.survival,
                },
                "outcome": {"kind": self.outcome.kind, "labels": list(self.outcome.labels)},
                "chosen": self.chosen,
                "fitted": [fitted.state() for fitted in self._fitted],
            },
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model; only types of scikit-learn and petnet's own are trusted.

        Raises
        ------
        InputError
            Another version of petnet wrote it, or it holds other types.
        """
        path = folder / "model.json"
        stored = json.loads(path.read_text(encoding="utf-8"))
        found = stored.get("format", 1)
        if found != _FORMAT:
            remedy = "Train again, or use the version of petnet that made it"
            raise InputError(str(path), "format", f"{_FORMAT}", f"{found}", remedy)
        made = cls(**stored["settings"])
        made.outcome = Outcome(stored["outcome"]["kind"], tuple(stored["outcome"]["labels"]))
        made.chosen = stored["chosen"]
        estimators = iter(load_estimator(folder / "estimator.skops", STORED))
        made._fitted = [
            Fitted.from_state(state, None if state["constant"] else next(estimators))
            for state in stored["fitted"]
        ]
        return made

    def _frame(self, samples: Samples) -> pd.DataFrame:
        parts = [
            getattr(samples, kind) for kind in ("radiomics", "clinical") if kind in self.inputs
        ]
        frame: pd.DataFrame = pd.concat(parts, axis=1)
        return frame

    def _settings(self) -> tuple[dict[str, Any], dict[str, list[Any]]]:
        """Return the estimator and the grid for the kind of outcome."""
        if self.outcome.kind != "survival":
            return self.estimator, self.grid
        if self.survival is None:
            wanted = "an estimator, as the task is one of survival"
            raise InputError(f"model {self.name}", "survival", wanted, "none")
        return self.survival["estimator"], self.survival["grid"]

    def _candidates(self) -> list[dict[str, Any]]:
        _, grid = self._settings()
        return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]

    def _prepare(
        self, frame: pd.DataFrame, target: NDArray[np.float64], seed: int
    ) -> list[Prepared]:
        resampler = None if self.outcome.kind == "survival" else self.resampler
        encoders: dict[tuple[bytes, tuple[str, ...]], TableEncoder] = {}
        made = []
        for problem in problems(self.outcome, target):
            include = self._include(problem)
            # Problems that use the same units and columns share their encoder.
            key = problem.rows.tobytes(), tuple(include or ())
            if key not in encoders:
                encoder = TableEncoder(self.max_correlation, include, one_hot=False)
                encoders[key] = encoder.fit(frame.iloc[problem.rows])
            made.append(prepare(frame, problem, encoders[key], resampler, seed))
        return made

    def _include(self, problem: Problem) -> list[str] | None:
        if self.include is None or self.outcome.kind != "multilabel":
            return self.include
        return [pattern.replace("{label}", escape(problem.label)) for pattern in self.include]

    def _fit_all(
        self, prepared: Sequence[Prepared], chosen: Mapping[str, Any], seed: int
    ) -> list[Fitted]:
        settings = {**self._settings()[0], **chosen}
        return [part.fit(settings, seed) for part in prepared]

    def _predict(self, fitted: Sequence[Fitted], frame: pd.DataFrame) -> NDArray[np.float64]:
        return assemble(self.outcome, [part.predict(frame) for part in fitted])

    def _inner_scores(
        self,
        frame: pd.DataFrame,
        target: NDArray[np.float64],
        inner: Sequence[Fold],
        candidates: Sequence[Mapping[str, Any]],
        seed: int,
    ) -> list[float]:
        """Return the headline figure of each candidate, counted within the inner folds."""
        judged: list[list[Components]] = [[] for _ in candidates]
        for fold in inner:
            train, test = frame.iloc[fold.train], frame.iloc[fold.test]
            prepared = self._prepare(train, target[fold.train], seed)
            for found, chosen in zip(judged, candidates, strict=True):
                prediction = self._predict(self._fit_all(prepared, chosen, seed), test)
                found.append(components(self.outcome, target[fold.test], prediction))
        return [_pooled(found) for found in judged]


def _pooled(folds: Sequence[Components]) -> float:
    """Return the share of ordered pairs over all folds, averaged over components; 0.5 if none."""
    pairs = np.sum([fold.pairs for fold in folds], axis=0)
    right = np.sum([np.nan_to_num(fold.value) * fold.pairs for fold in folds], axis=0)
    return float(np.mean(right[pairs > 0] / pairs[pairs > 0])) if pairs.any() else 0.5


def _lists(grid: Mapping[str, Sequence[Any]] | None) -> dict[str, list[Any]]:
    return {key: list(values) for key, values in (grid or {}).items()}


def _flat(patterns: Any) -> Iterator[str]:
    """Yield the patterns of nested lists: configs put named sets of columns side by side."""
    if isinstance(patterns, str):
        yield patterns
    else:
        for part in patterns:
            yield from _flat(part)


def _as_smote(given: Smote | Mapping[str, Any] | None) -> Smote | None:
    if given is None or isinstance(given, Smote):
        return given
    return Smote(**{str(k): v for k, v in given.items() if k != "_target_"})


def _as_survival(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    if "estimator" not in given or not set(given) <= {"estimator", "grid"}:
        raise InputError(f"model {name}", "survival", "estimator and grid", f"{sorted(given)}")
    return {"estimator": dict(given["estimator"]), "grid": _lists(given.get("grid"))}


def _check_target(name: str, samples: Samples) -> None:
    known = samples.outcome.known(samples.target)
    if not known.all():
        missing = [i for i, k in zip(samples.ids, known, strict=True) if not k]
        raise InputError(f"model {name}", "target", "a label for every unit", f"none for {missing}")
