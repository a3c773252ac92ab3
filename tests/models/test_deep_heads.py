"""Heads: base rates come back, absent classes do not crash, what is refused is named."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from deep_cases import OUTCOMES, of_kind, tiny

from petnet.errors import InputError
from petnet.models.deep_heads import FLOOR, head_from_state, learned_head
from petnet.models.deep_inputs import checked_target, patterns
from petnet.models.protocol import FitContext
from petnet.outcome import Outcome

PROBABILITIES = ["binary", "multiclass", "ordinal", "multilabel"]


def minimise(head, target):
    """Return the logits, the same for every unit, that minimise a head's loss from a bad start."""
    made = head.targets(target)
    start = torch.linspace(1.5, -1.0, head.outputs)[None]
    columns, last = start.clone().requires_grad_(), head.last_layer()
    weights = [columns, *last.parameters()]
    with torch.no_grad():
        for weight in last.parameters():
            weight += 0.5
    optimizer = torch.optim.LBFGS(
        weights, max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = head.loss(last(columns).expand(len(target), -1), made)
        loss.backward()
        return loss

    before = closure().item()
    optimizer.step(closure)
    assert closure().item() < before - 0.01
    return last(columns).detach().double().numpy()


@pytest.mark.parametrize("kind", PROBABILITIES)
def test_analytic_knowing_nothing_predicts_the_base_rates(kind):
    """Of constant features the best prediction is the share of each class, however rare."""
    train = of_kind(kind, 200, 1)
    head = learned_head(train.outcome, train.target)
    found = head.prediction(minimise(head, train.target))
    if kind in ("multiclass", "ordinal"):
        shares = [(train.target == k).mean() for k in range(len(train.outcome.labels))]
    else:
        columns = train.target.reshape(200, -1).T
        shares = [np.mean([t for t in column if t == t]) for column in columns]
    assert len(set(np.round(shares, 2))) == len(shares)
    np.testing.assert_allclose(found, [shares], atol=2e-4)


@pytest.mark.parametrize("kind", OUTCOMES)
def test_analytic_untrained_model_predicts_the_base_rates(kind):
    train = of_kind(kind, 60, 1)
    still = {"_target_": "torch.optim.SGD", "lr": 0.0}
    model = tiny(["radiomics"], epochs=1, optimizer=still, scheduler=None)
    found = model.fit(train, [], FitContext(seed=5)).predict(train)
    np.testing.assert_allclose(found, np.tile(train.outcome.base(train.target), (60, 1)), atol=1e-7)


def test_log_hazards_are_centred_on_the_training_part():
    train, test = of_kind("survival", 60, 1), of_kind("survival", 60, 2)
    model = tiny(["radiomics"], epochs=3).fit(train, [], FitContext(seed=5))
    assert abs(model.predict(train).mean()) < 1e-12
    assert model.predict(train).std() > 0.1
    assert abs(model.predict(test).mean()) > 1e-4


def test_analytic_ordered_probabilities():
    """Proportional odds: cumulative logits are score + cut-point, the probabilities differences."""
    head = learned_head(OUTCOMES["ordinal"], np.repeat([0.0, 1, 2, 3], [4, 3, 2, 1]))
    logits = np.array([[0.0, 0.0, 0.0], [2.0, 1.5, -1.0]])
    odds = np.exp(logits) * [6 / 4, 3 / 7, 1 / 9]
    above = np.column_stack([np.ones(2), odds / (1 + odds), np.zeros(2)])
    np.testing.assert_allclose(head.prediction(logits), above[:, :-1] - above[:, 1:], rtol=1e-12)


def test_cutpoints_stay_ordered_whatever_is_learned():
    head = learned_head(OUTCOMES["ordinal"], np.repeat([0.0, 1, 2, 3], [400, 3, 200, 1]))
    last = head.last_layer()
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            last.widening.copy_(4 * torch.randn(2, generator=generator))
            logits = last(10 * torch.randn(50, 1, generator=generator))
        found = head.prediction(logits.double().numpy())
        assert (found > 0).all()
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("kind", ["multiclass", "ordinal"])
@pytest.mark.parametrize("absent", [0, 1, 2])
def test_class_without_a_unit_is_predicted_with_a_tiny_floor(kind, absent, caplog):
    train = of_kind(kind, 120, 1)
    train = train.take(np.flatnonzero(train.target != absent))
    with caplog.at_level(logging.WARNING):
        model = tiny(["radiomics"], epochs=3).fit(train, [], FitContext(seed=5))
    assert train.outcome.labels[absent] in caplog.text
    found = model.predict(train)
    np.testing.assert_allclose(found[:, absent], FLOOR, rtol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    base = train.outcome.base(train.target)
    np.testing.assert_allclose(found.mean(axis=0), base, atol=0.1)
    decided = train.outcome.decide(found, base)
    assert absent not in decided
    others = [k for k in range(len(base)) if k != absent]
    assert set(decided) <= set(others)
    assert len(set(decided)) > 1


@pytest.mark.parametrize("kind", ["multiclass", "ordinal"])
def test_two_of_the_classes_are_learned_as_a_binary_task(kind):
    train = of_kind(kind, 120, 1)
    train = train.take(np.flatnonzero(train.target < 2))
    model = tiny(["radiomics"], epochs=3).fit(train, [], FitContext(seed=5))
    found = model.predict(train)[:, 1]
    assert found[train.target == 1].mean() > found[train.target == 0].mean() + 0.1


def test_label_with_one_value_is_predicted_so_and_the_others_as_without_it(caplog):
    train = of_kind("multilabel", 60, 1)
    train.target[:, 1] = np.where(np.isnan(train.target[:, 1]), np.nan, 0.0)
    with caplog.at_level(logging.WARNING):
        model = tiny(["radiomics"], epochs=2).fit(train, [], FitContext(seed=5))
    assert "r1" in caplog.text
    found = model.predict(train)
    assert not found[:, 1].any()
    assert ((found[:, [0, 2]] > 0) & (found[:, [0, 2]] < 1)).all()
    assert not train.outcome.decide(found, train.outcome.base(train.target))[:, 1].any()


@pytest.mark.parametrize("kind", OUTCOMES)
def test_state_is_whole(kind):
    train = of_kind(kind, 60, 1)
    head = learned_head(train.outcome, train.target).settled(lambda: np.full((60, 1), 0.25))
    again = head_from_state(train.outcome, head.state())
    assert again == head


@pytest.mark.parametrize(
    ("kind", "row", "message"),
    [
        ("binary", 2.0, "0 or 1 for every training unit.*unit-007"),
        ("multiclass", 3.0, "0 to 2 for every training unit.*unit-007"),
        ("ordinal", np.nan, "0 to 3 for every training unit.*unit-007"),
        ("ordinal", 1.5, "0 to 3 for every training unit.*unit-007"),
        ("multilabel", [np.nan] * 3, "0, 1 or unknown.*unit-007"),
        ("multilabel", [0.5, 1, 0], "0, 1 or unknown.*unit-007"),
        ("survival", [np.nan, 1], "a time and 0 or 1.*unit-007"),
        ("survival", [3, np.nan], "a time and 0 or 1.*unit-007"),
    ],
)
def test_unusable_target_is_named(kind, row, message):
    train = of_kind(kind, 30, 1)
    train.target[7] = row
    with pytest.raises(InputError, match=message):
        checked_target(train)


@pytest.mark.parametrize(
    ("kind", "target", "message"),
    [
        ("binary", [0.0, 0], "both classes"),
        ("multiclass", [1.0, 1], "two or more classes"),
        ("ordinal", [3.0, 3], "two or more classes"),
        ("multilabel", [[0.0, 1, 0], [0, 1, np.nan]], "both values of some label"),
        ("multilabel", [[0.0, 1, np.nan], [0, 0, np.nan]], "r2: expected a known value"),
        ("survival", [[3.0, 0], [4, 0]], "an event"),
    ],
)
def test_target_without_anything_to_learn_is_named(kind, target, message):
    train = replace(of_kind(kind, 30, 1).take([0, 1]), target=np.array(target))
    with pytest.raises(InputError, match=message):
        checked_target(train)


def test_brute_force_ranks_of_times():
    """Times that differ by less than float32 can tell stay apart, ties stay ties."""
    target = np.array([[60 + 1e-9, 1], [60, 0], [0.5, 1], [60, 1.0]])
    head = learned_head(OUTCOMES["survival"], target)
    assert head.targets(target).tolist() == [[2, 1], [1, 0], [0, 1], [1, 1]]


def test_patterns_may_be_nested_and_name_the_labels():
    labels = Outcome("multilabel", ("r0", "r[1]"))
    found = patterns([["a*"], "{label}__*", [["b"]]], labels)
    assert found == ["a*", "r0__*", "r[[]1]__*", "b"]
    assert patterns([["a*"], "b"], Outcome()) == ["a*", "b"]
    assert patterns(None, labels) is None
