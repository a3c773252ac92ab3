"""Small samples of every kind with images; petnet's models from their own configs, made tiny."""

import numpy as np
import pandas as pd
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from petnet.cli import config_folder
from petnet.models.protocol import Samples
from petnet.outcome import Outcome

OUTCOMES = {
    "binary": Outcome(),
    "multiclass": Outcome("multiclass", ("a", "b", "c")),
    "ordinal": Outcome("ordinal", ("PD", "SD", "PR", "CR")),
    "multilabel": Outcome("multilabel", ("r0", "r1", "r2")),
    "survival": Outcome("survival", ("risk",)),
}
KINDS = list(OUTCOMES)


class Crops:
    """Crops in memory."""

    channels = ("pet", "ct", "mask")

    def __init__(self, ids, images):
        self.row = {unit: i for i, unit in enumerate(ids)}
        self.images = images
        self.shape = tuple(images.shape[2:])

    def crops(self, ids):
        return self.images[[self.row[u] for u in ids]]


def drawn_target(kind, n, rng):
    """Return the target and what the images and features may show of it, (n,) in 0..1."""
    if kind == "binary":
        target = rng.permutation(np.arange(n) % 3 == 0).astype(float)
        return target, target
    if kind == "survival":
        speed = rng.normal(size=n)
        time, event = rng.exponential(np.exp(-speed)), rng.permutation(np.arange(n) % 3 > 0)
        return np.column_stack([time, event]), 1 / (1 + np.exp(-speed))
    if kind == "multilabel":
        target = np.column_stack([rng.permutation(np.arange(n) % k == 0) for k in (2, 3, 4)])
        target = target.astype(float)
        shown = target[:, 0].copy()
        target[rng.permutation(n)[: n // 10], 0] = np.nan
        target[rng.permutation(n)[: n // 5], 1] = np.nan
        return target, shown
    classes = len(OUTCOMES[kind].labels)
    target = rng.permutation(np.minimum(np.arange(n) % (classes + 1), classes - 1)).astype(float)
    return target, target / (classes - 1)


def samples(n=60, seed=0, features=12, signal=1.0, size=8, kind="binary", per_patient=1):
    """Return n units, of which `per_patient` each (lesions) belong to one patient."""
    rng = np.random.default_rng(seed)
    target, shown = drawn_target(kind, n, rng)
    ids = tuple(f"u{i:03d}" for i in range(n))
    radiomics = pd.DataFrame(
        rng.normal(size=(n, features)), index=ids, columns=[f"f{i}" for i in range(features)]
    )
    radiomics["f0"] += signal * shown
    radiomics["measure__SUVmax"] = rng.gamma(4, 2, n) + signal * shown
    radiomics.iloc[2, 3] = np.nan
    clinical = pd.DataFrame({"age": rng.normal(60, 8, n)}, index=ids)
    clinical["site"] = pd.Categorical(rng.choice(["a", "b"], n), categories=["a", "b"])
    clinical["stage"] = pd.Categorical(rng.choice(["1", "2"], n), ["1", "2"], ordered=True)
    images = torch.as_tensor(rng.normal(size=(n, 3, size, size, size)), dtype=torch.float32)
    images[:, 0] += signal * torch.as_tensor(shown, dtype=torch.float32)[:, None, None, None]
    centers = tuple(rng.choice(["north", "south"], n))
    patients = ids if per_patient == 1 else tuple(f"p{i // per_patient:03d}" for i in range(n))
    return Samples(
        ids,
        patients,
        patients,
        centers,
        target,
        clinical,
        radiomics,
        Crops(ids, images),
        OUTCOMES[kind],
    )


def factory(model, *overrides):
    """Return what makes an unfitted model, from the configs that users run."""
    tiny = ["trainer=quick", "trainer.epochs=1"] if model != "lr" else []
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        chosen = [f"model={model}", "cohort=unused", *tiny, *overrides]
        config = compose("train", overrides=chosen)
    settings = OmegaConf.to_container(config.model, resolve=True)
    return lambda: instantiate(settings, _convert_="all")
