"""Saved models: the same bytes for the same fit, the same predictions, nothing foreign called."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from deep_cases import Crops, cohort, tiny

from petnet.errors import InputError
from petnet.models.deep import DeepModel
from petnet.models.protocol import FitContext


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def files(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}


@pytest.fixture(scope="module")
def train():
    return cohort(30, 1, blob=0.3, radiomics=0.5, clinical=0.5)


@pytest.fixture(scope="module")
def fitted(train):
    return tiny(epochs=2).fit(train, [], FitContext(seed=9))


def test_saved_and_loaded_predicts_the_same(fitted, tmp_path):
    test = cohort(20, 2)
    fitted.save(tmp_path)
    assert sorted(files(tmp_path)) == ["model.json", "weights.safetensors"]
    loaded = DeepModel.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(test), fitted.predict(test))
    assert (loaded.name, loaded.inputs, loaded.history) == (
        fitted.name,
        fitted.inputs,
        fitted.history,
    )
    loaded.save(tmp_path / "again")
    assert files(tmp_path / "again") == files(tmp_path)


def test_same_fit_gives_the_same_bytes_and_another_seed_does_not(fitted, train, tmp_path):
    fitted.save(tmp_path / "one")
    tiny(epochs=2).fit(train, [], FitContext(seed=9)).save(tmp_path / "two")
    tiny(epochs=2).fit(train, [], FitContext(seed=10)).save(tmp_path / "three")
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert files(tmp_path / "one") != files(tmp_path / "three")


def test_held_out_units_cannot_change_what_is_fitted(train, tmp_path):
    """The source of crops and the tables know the held-out units; noise in them changes nothing."""
    part = range(24)
    g = np.random.default_rng(4)
    noisy_images = train.images.array.clone()
    noisy_images[24:] = torch.from_numpy(g.normal(size=noisy_images[24:].shape)).float()
    noisy_table = train.radiomics.copy()
    noisy_table.iloc[24:] = g.normal(5, 9, noisy_table.iloc[24:].shape)
    noisy = replace(
        train,
        images=Crops(train.ids, noisy_images),
        radiomics=noisy_table,
        target=np.concatenate([train.target[:24], 1 - train.target[24:]]),
    )
    for name, samples in (("clean", train), ("noisy", noisy)):
        tiny(epochs=2).fit(samples.take(part), [], FitContext(seed=9)).save(tmp_path / name)
    assert files(tmp_path / "clean") == files(tmp_path / "noisy")


FOREIGN = [
    "os.system",
    "builtins.eval",
    "torch.load",
    "torch.nn.modules.module.os.system",
    "monai.networks.utils.convert_to_torchscript",
    "monai.networks.nets.resnet.torch.load",
    "petnet.models.parts.importlib",
    "petnet.models.training.torch.load",
    "torch.nn.init.os",
    "nowhere",
    "torch.nn.NoSuchThing",
]


@pytest.mark.parametrize("target", FOREIGN)
@pytest.mark.parametrize("part", ["encoder", "fusion", "net"])
def test_foreign_target_in_a_saved_model_is_refused(fitted, tmp_path, target, part):
    fitted.save(tmp_path)
    path = tmp_path / "model.json"
    found = json.loads(path.read_text())
    if part == "net":
        found["config"]["encoder"] = {
            "_target_": "petnet.models.encoders.MonaiEncoder",
            "net": {"_target_": target},
        }
    else:
        found["config"][part]["_target_"] = target
    path.write_text(json.dumps(found))
    with pytest.raises(InputError, match="_target_"):
        DeepModel.load(tmp_path)


@pytest.mark.parametrize("damage", ["no json", "no weights", "cut weights", "format", "argument"])
def test_damaged_saved_model_is_one_clear_error(fitted, tmp_path, damage):
    fitted.save(tmp_path)
    path, weights = tmp_path / "model.json", tmp_path / "weights.safetensors"
    found = json.loads(path.read_text())
    if damage == "no json":
        path.unlink()
    elif damage == "no weights":
        weights.unlink()
    elif damage == "cut weights":
        weights.write_bytes(weights.read_bytes()[:300])
    elif damage == "format":
        path.write_text(json.dumps({**found, "format": 99}))
    else:
        found["config"]["nonsense"] = 1
        path.write_text(json.dumps(found))
    with pytest.raises(InputError, match="saved model"):
        DeepModel.load(tmp_path)
