"""Small planted cohorts and models for the tests of the deep model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from petnet.models.deep import DeepModel
from petnet.models.protocol import Samples
from petnet.outcome import Outcome

SIZE = 12


class Crops:
    """Crops in memory, by unit id."""

    channels = ("pet", "ct", "mask")

    def __init__(self, ids, array):
        self.rows = {unit: i for i, unit in enumerate(ids)}
        self.array = torch.as_tensor(array, dtype=torch.float32)
        self.shape = tuple(self.array.shape[2:])

    def crops(self, ids):
        return self.array[[self.rows[unit] for unit in ids]]


def cohort(n: int, seed: int, blob=0.0, radiomics=0.0, clinical=0.0) -> Samples:
    """n balanced units; each input holds the label with the given strength (0 = none)."""
    g = np.random.default_rng(seed)
    target = (np.arange(n) % 2).astype(float)
    axis = np.arange(SIZE) - (SIZE - 1) / 2
    radius = np.sqrt(sum(a**2 for a in np.meshgrid(axis, axis, axis)))
    image = g.normal(0, 0.3, (n, 3, SIZE, SIZE, SIZE)).astype(np.float32)
    image[:, 0] += blob * target[:, None, None, None] * (radius < 3)
    ids = tuple(f"unit-{i:03d}" for i in range(n))
    table = pd.DataFrame(g.normal(size=(n, 6)), index=list(ids), columns=list("abcdef"))
    table["a"] += radiomics * target
    table.iloc[3, 2] = np.nan
    marker = g.normal(size=n) + clinical * target
    site = pd.Categorical(g.choice(["antrum", "body"], n), categories=["antrum", "body"])
    columns = {"marker": marker, "site": site}
    frame = pd.DataFrame(columns, index=list(ids))
    return Samples(ids, ids, ids, ("one",) * n, target, frame, table, Crops(ids, image))


def settings(inputs=("image", "radiomics", "clinical"), **changes: Any) -> dict[str, Any]:
    """Settings of a tiny model."""
    branch = {"_target_": "petnet.models.fusion.TableBranch", "dropout": 0.1}
    given: dict[str, Any] = {
        "name": "tiny",
        "inputs": list(inputs),
        "encoder": {"_target_": "petnet.models.encoders.SmallResNet", "widths": [4, 8]},
        "radiomics": branch,
        "clinical": branch,
        "fusion": {"_target_": "petnet.models.fusion.Concatenation", "dropout": 0.1},
        "optimizer": {
            "_target_": "torch.optim.SGD",
            "lr": 0.05,
            "momentum": 0.9,
            "nesterov": True,
            "weight_decay": 1e-2,
        },
        "scheduler": {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 0.05},
        "augmentation": {
            "_target_": "petnet.imaging.augment.Augmentation",
            "flip": True,
            "noise": 0.05,
        },
        "epochs": 6,
        "batch_size": 8,
    }
    return {**given, **changes}


def tiny(*args: Any, **changes: Any) -> DeepModel:
    """Return a tiny model, not fitted."""
    return DeepModel(**settings(*args, **changes))


OUTCOMES = {
    "binary": Outcome(),
    "multiclass": Outcome("multiclass", ("red", "green", "blue")),
    "ordinal": Outcome("ordinal", ("PD", "SD", "PR", "CR")),
    "multilabel": Outcome("multilabel", ("r0", "r1", "r2")),
    "survival": Outcome("survival", ("risk",)),
}


def of_kind(kind: str, n: int, seed: int, signal=2.0) -> Samples:
    """n units whose outcome, unbalanced, depends on columns of `radiomics` as linearly as it can.

    The latent z is a column times `signal` plus logistic (multiclass and survival: Gumbel) noise,
    which makes every kind's own model the true one: logistic, softmax, proportional odds and
    proportional hazards. Labels have gaps, times are censored and, as they are whole months, tied.
    """
    g = np.random.default_rng(seed)
    made = cohort(n, seed)
    x = made.radiomics.fillna(0.0).to_numpy()
    outcome = OUTCOMES[kind]
    if kind == "binary":
        target = (signal * x[:, 0] + g.logistic(size=n) > 1.5).astype(float)
    elif kind == "multiclass":
        latent = signal * x[:, :3] + g.gumbel(size=(n, 3)) + [1.0, 0.0, -0.5]
        target = latent.argmax(axis=1).astype(float)
    elif kind == "ordinal":
        target = np.digitize(signal * x[:, 0] + g.logistic(size=n), [-2, 1, 2.5]).astype(float)
    elif kind == "multilabel":
        latent = signal * x[:, :3] + g.logistic(size=(n, 3))
        target = (latent > [0, 1, 2]).astype(float)
        target[g.random((n, 3)) < 0.1] = np.nan
        target[np.isnan(target).all(axis=1), 0] = 0.0
    else:
        time = 20 * np.exp(-signal * x[:, 0] / 2) * g.weibull(2, n)
        censored = g.uniform(5, 60, n)
        target = np.column_stack([np.ceil(np.minimum(time, censored)), time <= censored])
    return replace(made, target=target.astype(float), outcome=outcome)
