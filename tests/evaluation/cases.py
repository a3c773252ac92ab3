"""Small samples with images, and the three models of petnet from their own configs, made tiny."""

import numpy as np
import pandas as pd
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from petnet.cli import config_folder
from petnet.models.protocol import Samples


class Crops:
    """Crops in memory."""

    channels = ("pet", "ct", "mask")

    def __init__(self, ids, images):
        self.row = {unit: i for i, unit in enumerate(ids)}
        self.images = images
        self.shape = tuple(images.shape[2:])

    def crops(self, ids):
        return self.images[[self.row[u] for u in ids]]


def samples(n=60, seed=0, features=12, signal=1.0, size=8):
    rng = np.random.default_rng(seed)
    target = rng.permutation(np.arange(n) % 3 == 0).astype(float)
    ids = tuple(f"u{i:03d}" for i in range(n))
    radiomics = pd.DataFrame(
        rng.normal(size=(n, features)), index=ids, columns=[f"f{i}" for i in range(features)]
    )
    radiomics["f0"] += signal * target
    radiomics["measure__SUVmax"] = rng.gamma(4, 2, n) + signal * target
    radiomics.iloc[2, 3] = np.nan
    clinical = pd.DataFrame({"age": rng.normal(60, 8, n)}, index=ids)
    clinical["site"] = pd.Categorical(rng.choice(["a", "b"], n), categories=["a", "b"])
    clinical["stage"] = pd.Categorical(rng.choice(["1", "2"], n), ["1", "2"], ordered=True)
    images = torch.as_tensor(rng.normal(size=(n, 3, size, size, size)), dtype=torch.float32)
    images[:, 0] += signal * torch.as_tensor(target, dtype=torch.float32)[:, None, None, None]
    centers = tuple(rng.choice(["north", "south"], n))
    return Samples(ids, ids, ids, centers, target, clinical, radiomics, Crops(ids, images))


def factory(model, *overrides):
    """Return what makes an unfitted model, from the configs that users run."""
    tiny = ["trainer=quick", "trainer.epochs=1"] if model != "lr" else []
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        chosen = [f"model={model}", "cohort=unused", *tiny, *overrides]
        config = compose("train", overrides=chosen)
    settings = OmegaConf.to_container(config.model, resolve=True)
    return lambda: instantiate(settings, _convert_="all")
