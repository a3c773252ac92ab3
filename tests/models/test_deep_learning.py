"""Planted signals are found, and every input is looked at."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from deep_cases import Crops, cohort, tiny

from petnet.models.lightning_module import step_seed
from petnet.models.protocol import FitContext, Model
from petnet.stats.discrimination import auc


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def held_out_auc(model, train, test):
    model.fit(train, [], FitContext(seed=5))
    return auc(test.target, model.predict(test)[:, 0])


def test_protocol():
    assert isinstance(tiny(), Model)
    assert tiny(["image"]).inputs == {"image"}


def test_planted_bright_blob_is_found_in_images():
    train, test = cohort(60, 1, blob=0.5), cohort(60, 2, blob=0.5)
    assert held_out_auc(tiny(["image"], epochs=15), train, test) > 0.9


@pytest.mark.parametrize("name", ["radiomics", "clinical"])
def test_planted_table_signal_is_found_by_fusion(name):
    train, test = cohort(60, 1, **{name: 3.0}), cohort(60, 2, **{name: 3.0})
    assert held_out_auc(tiny(epochs=10), train, test) > 0.9


def test_no_signal_is_not_found():
    train, test = cohort(60, 1), cohort(200, 2)
    assert held_out_auc(tiny(epochs=3), train, test) < 0.7


@pytest.fixture(scope="module")
def fused():
    train = cohort(40, 1, blob=0.4, radiomics=1.0, clinical=1.0)
    return tiny(epochs=3).fit(train, [], FitContext(seed=5)), train


@pytest.mark.parametrize("name", ["image", "radiomics", "clinical"])
def test_fusion_looks_at_each_input(fused, name):
    model, train = fused
    before = model.predict(train)
    if name == "image":
        blank = replace(train, images=Crops(train.ids, torch.zeros_like(train.images.array)))
    else:
        table = getattr(train, name).copy()
        table[table.columns[0]] = 0.0
        blank = replace(train, **{name: table})
    assert np.abs(model.predict(blank) - before).max() > 1e-4


def test_predictions_are_probabilities_in_the_order_of_the_units(fused):
    model, train = fused
    all_of_them = model.predict(train)
    assert all_of_them.shape == (40, 1)
    assert all_of_them.dtype == np.float64
    assert ((all_of_them > 0) & (all_of_them < 1)).all()
    some = [7, 3, 30]
    np.testing.assert_allclose(model.predict(train.take(some)), all_of_them[some], atol=1e-6)
    assert model.predict(train.take([])).shape == (0, 1)


def test_analytic_untrained_network_predicts_the_prevalence():
    """Weighted logits of 0 are odds of 1; without the weight they are the prior odds."""
    train = cohort(40, 1).take([*range(0, 40, 2), *range(1, 10, 2)])
    model = tiny(epochs=1, optimizer={"_target_": "torch.optim.SGD", "lr": 0.0}, scheduler=None)
    model.fit(train, [], FitContext(seed=5))
    np.testing.assert_allclose(model.predict(train), 5 / 25, rtol=1e-12)


def test_analytic_weighted_loss_is_that_of_balanced_classes():
    """At logits of 0 the weighted loss is log 2 · 2 n⁻ / n, whatever the batch."""
    train = cohort(40, 1).take([*range(0, 40, 2), *range(1, 10, 2)])
    model = tiny(
        epochs=1,
        batch_size=25,
        optimizer={"_target_": "torch.optim.SGD", "lr": 0.0},
        scheduler=None,
    )
    model.fit(train, [], FitContext(seed=5))
    assert model.history[0]["loss"] == pytest.approx(np.log(2) * 2 * 20 / 25, rel=1e-6)


def test_history_has_the_training_figures(fused):
    model, _ = fused
    assert [row["epoch"] for row in model.history] == [0, 1, 2]
    assert all(0 <= row["auroc"] <= 1 and 0 <= row["accuracy"] <= 1 for row in model.history)


def test_step_seed_depends_on_each_part():
    seeds = {step_seed(s, e, b) for s in range(3) for e in range(3) for b in range(3)}
    assert len(seeds) == 27


def test_a_fit_leaves_the_generators_and_settings_of_torch_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    mode = torch.get_deterministic_debug_mode()
    tiny(["clinical"], epochs=1).fit(cohort(20, 1), [], FitContext(seed=5))
    assert torch.equal(torch.rand(4), expected)
    assert torch.get_deterministic_debug_mode() == mode


def test_training_says_nothing_but_its_own_log(capfd, caplog):
    with caplog.at_level(logging.INFO):
        tiny(["clinical"], epochs=1).fit(cohort(20, 1), [], FitContext(seed=5))
    out, err = capfd.readouterr()
    assert out == ""
    assert "ightning" not in err
    assert {record.name.split(".")[0] for record in caplog.records} == {"petnet"}
