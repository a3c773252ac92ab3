"""Every kind of outcome: signals are found, models are stored, fits are repeated and resumed."""

import logging

import numpy as np
import pytest
import torch
from deep_cases import OUTCOMES, of_kind, tiny
from scipy.stats import somersd

from petnet.errors import InputError
from petnet.models.deep import DeepModel
from petnet.models.lightning_module import TrainingModule
from petnet.models.protocol import FitContext


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def pairs_in_order(first, second):
    """Return the share of pairs with the first's score above the second's, by brute force."""
    difference = first[:, None] - second[None, :]
    return ((difference > 0) + 0.5 * (difference == 0)).mean()


def brute_force_figure(kind, target, prediction):
    """Judge a prediction; 0.5 is chance."""
    if kind == "survival":
        time, event = target.T
        found, pairs = 0.0, 0
        for i in np.flatnonzero(event):
            later = (time > time[i]) | ((time == time[i]) & (event == 0))
            pairs += later.sum()
            if later.any():
                found += pairs_in_order(prediction[[i], 0], prediction[later, 0]) * later.sum()
        return found / pairs
    if kind == "ordinal":
        return (somersd(target, prediction @ np.arange(4.0)).statistic + 1) / 2
    if kind == "multiclass":
        target = np.stack([target == k for k in range(3)], axis=1).astype(float)
    columns = target.reshape(len(target), -1).T
    return np.mean(
        [
            pairs_in_order(score[truth == 1], score[truth == 0])
            for truth, score in zip(columns, prediction.T, strict=True)
        ]
    )


@pytest.mark.parametrize("kind", OUTCOMES)
def test_planted_linear_signal_is_found(kind):
    train, test = of_kind(kind, 200, 1), of_kind(kind, 300, 2)
    model = tiny(["radiomics"], epochs=10, batch_size=16).fit(train, [], FitContext(seed=5))
    assert brute_force_figure(kind, test.target, model.predict(test)) > 0.8


@pytest.mark.parametrize("kind", OUTCOMES)
def test_no_signal_is_not_found(kind):
    train, test = of_kind(kind, 100, 1, signal=0), of_kind(kind, 300, 2, signal=0)
    model = tiny(["radiomics"], epochs=3).fit(train, [], FitContext(seed=5))
    assert 0.35 < brute_force_figure(kind, test.target, model.predict(test)) < 0.65


@pytest.mark.parametrize("kind", OUTCOMES)
def test_predictions_have_the_shape_and_meaning_of_the_kind(kind):
    train = of_kind(kind, 60, 1)
    model = tiny(["radiomics"], epochs=2).fit(train, [], FitContext(seed=5))
    found = model.predict(train)
    assert found.shape == (60, train.outcome.outputs)
    assert found.dtype == np.float64
    if kind == "survival":
        early, late = train.target[:, 0] < 10, train.target[:, 0] > 30
        assert found[early].mean() > found[late].mean()
    else:
        assert ((found > 0) & (found < 1)).all()
    if train.outcome.by_class:
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(model.predict(train.take([7, 3])), found[[7, 3]], atol=1e-6)
    assert model.predict(train.take([])).shape == (0, train.outcome.outputs)


FIGURE = dict.fromkeys(OUTCOMES, "auroc") | {"ordinal": "c_index", "survival": "c_index"}


@pytest.mark.parametrize("kind", OUTCOMES)
def test_history_has_the_figures_of_the_kind(kind):
    train = of_kind(kind, 100, 1)
    model = tiny(["radiomics"], epochs=8, batch_size=100).fit(train, [], FitContext(seed=5))
    figures = [row[FIGURE[kind]] for row in model.history]
    assert figures[0] == 0.5  # all logits are 0 at first
    assert figures[-1] > 0.75
    assert model.history[-1]["loss"] < model.history[0]["loss"]
    assert all(0 <= row.get("accuracy", 0) <= 1 for row in model.history)


def files(model, folder):
    model.save(folder)
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize("kind", OUTCOMES)
def test_the_same_fit_is_the_same_bytes_and_comes_back_from_them(kind, tmp_path):
    train, test = of_kind(kind, 40, 1), of_kind(kind, 20, 2)

    def fit():
        return tiny(["image", "radiomics"], epochs=2).fit(train, [], FitContext(seed=9))

    model = fit()
    assert files(model, tmp_path / "one") == files(fit(), tmp_path / "two")
    loaded = DeepModel.load(tmp_path / "one")
    np.testing.assert_array_equal(loaded.predict(test), model.predict(test))
    assert files(loaded, tmp_path / "three") == files(model, tmp_path / "one")


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("kind", ["ordinal", "survival"])
def test_interrupted_and_resumed_equals_uninterrupted(kind, tmp_path, monkeypatch, caplog):
    train = of_kind(kind, 40, 1)

    def fit(workdir=None):
        return tiny(["radiomics"], epochs=5).fit(train, [], FitContext(9, workdir))

    whole, step = fit(), TrainingModule.training_step

    def interrupted(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (3, 2):
            raise Interrupted
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", interrupted)
        with pytest.raises(Interrupted):
            fit(tmp_path)
    torch.rand(17)  # a resumed process has another history of random numbers
    with caplog.at_level(logging.INFO):
        resumed = fit(tmp_path)
    assert "resuming after epoch 3" in caplog.text
    assert files(resumed, tmp_path / "resumed") == files(whole, tmp_path / "whole")


def test_checkpoint_of_another_kind_is_not_resumed(tmp_path, caplog):
    """The same units and numbers, once as nominal and once as ordered classes."""
    train = of_kind("multiclass", 40, 1)
    ordered = of_kind("ordinal", 40, 1)
    ordered.target[:] = train.target
    tiny(["clinical"], epochs=1).fit(train, [], FitContext(9, tmp_path))
    tiny(["clinical"], epochs=1).fit(ordered, [], FitContext(9, tmp_path))
    assert "another model, seed or set of units" in caplog.text


def test_the_cutpoints_of_an_ordinal_model_are_trained_and_stored(tmp_path):
    train = of_kind("ordinal", 100, 1)
    model = tiny(["radiomics"], epochs=5).fit(train, [], FitContext(seed=5))
    widening = model._network.last.widening
    assert widening.abs().min() > 1e-3
    model.save(tmp_path)
    assert torch.equal(DeepModel.load(tmp_path)._network.last.widening, widening)


def test_a_batch_without_events_is_survived():
    """Two of forty units have an event: of batches of four most have none."""
    train = of_kind("survival", 40, 1)
    train.target[:, 1] = np.isin(np.arange(40), [3, 17])
    model = tiny(["radiomics"], epochs=2, batch_size=4).fit(train, [], FitContext(seed=5))
    assert np.isfinite(model.predict(train)).all()


def test_a_loss_that_is_not_finite_is_named():
    train = of_kind("survival", 40, 1)
    wild = {"_target_": "torch.optim.SGD", "lr": 1e38}
    model = tiny(["radiomics"], epochs=4, optimizer=wild, scheduler=None, clip=None)
    with pytest.raises(InputError, match=r"loss finite.*lower lr"):
        model.fit(train, [], FitContext(seed=5))


def test_model_of_the_first_format_is_refused_by_name(tmp_path):
    tiny(["clinical"], epochs=1).fit(of_kind("binary", 20, 1), [], FitContext(seed=5)).save(
        tmp_path
    )
    path = tmp_path / "model.json"
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(InputError, match="format 1"):
        DeepModel.load(tmp_path)
