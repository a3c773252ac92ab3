"""Losses against loops that follow the formulas word for word, and against statsmodels."""

import numpy as np
import pytest
import torch
from statsmodels.duration.hazard_regression import PHReg
from torch import nn

from petnet.models.losses import (
    balanced_binary,
    balanced_classes,
    balanced_labels,
    partial_likelihood,
)
from petnet.models.network import OrderedCutpoints

G = np.random.default_rng(7)


def tensor(values):
    return torch.as_tensor(np.asarray(values), dtype=torch.float64)


def entropy(logit, truth):
    """Binary cross-entropy of one logit."""
    probability = 1 / (1 + np.exp(-logit))
    return -np.log(probability if truth else 1 - probability)


def test_torch_binary_weight_is_negatives_to_positives():
    logits, target = tensor(G.normal(size=9)), tensor([1, 0, 0, 1, 0, 0, 0, 0, 1])
    torch_loss = nn.BCEWithLogitsLoss(pos_weight=tensor(3.0))
    found = balanced_binary(logits, target, tensor(0.25))
    assert found.item() == pytest.approx(torch_loss(logits, target).item(), rel=1e-12)


def test_brute_force_classes():
    logits, target = G.normal(size=(11, 3)), G.integers(0, 3, 11)
    shares = [0.5, 0.3, 0.2]
    total = 0.0
    for row, truth in zip(logits, target, strict=True):
        probability = np.exp(row[truth]) / np.exp(row).sum()
        total += -np.log(probability) / (3 * shares[truth])
    found = balanced_classes(tensor(logits), torch.as_tensor(target), tensor(shares))
    assert found.item() == pytest.approx(total / 11, rel=1e-12)


def test_brute_force_labels_with_gaps():
    logits = G.normal(size=(12, 4))
    target = G.integers(0, 2, (12, 4)).astype(float)
    target[G.random((12, 4)) < 0.3] = np.nan
    shares = [0.1, 0.5, 0.8, 1.0]
    total, known = 0.0, 0
    for i in range(12):
        for k, share in enumerate(shares):
            if np.isnan(target[i, k]):
                continue
            known += 1
            weight = 1.0
            if share < 1:
                weight = 0.5 / share if target[i, k] == 1 else 0.5 / (1 - share)
            total += weight * entropy(logits[i, k], target[i, k])
    found = balanced_labels(tensor(logits), tensor(target), tensor(shares))
    assert 0 < known < 48
    assert found.item() == pytest.approx(total / known, rel=1e-12)


def test_an_unknown_label_has_no_gradient():
    logits = torch.zeros(2, 2, requires_grad=True)
    target = torch.tensor([[1.0, torch.nan], [torch.nan, 0.0]])
    balanced_labels(logits, target, torch.tensor([0.5, 0.5])).backward()
    assert logits.grad.tolist() == [[-0.25, 0.0], [0.0, 0.25]]
    logits.grad = None
    nothing = balanced_labels(logits, torch.full((2, 2), torch.nan), torch.tensor([0.5, 0.5]))
    nothing.backward()
    assert nothing.item() == 0
    assert not logits.grad.any()


def test_brute_force_coral_of_ordered_classes():
    """CORAL (Cao et al. 2020, eq. 4) by hand: the sum over cut-points of binary entropies."""
    shares = [0.4, 0.3, 0.2, 0.1]
    above = [0.6, 0.3, 0.1]
    score, target = G.normal(size=(9, 1)), G.integers(0, 4, 9)
    odds = np.log(above) - np.log1p(-np.asarray(above))
    last = OrderedCutpoints((-np.diff(odds)).tolist()).double()
    with torch.no_grad():
        last.widening.copy_(tensor([0.3, -0.4]))
    cut = [odds[0]]
    for j, widening in enumerate([0.3, -0.4]):
        cut.append(cut[-1] - (odds[j] - odds[j + 1]) * np.exp(widening))
    assert cut == sorted(cut, reverse=True)
    total = 0.0
    for i in range(9):
        for k in range(3):
            share = sum(shares[k + 1 :])
            truth = target[i] > k
            # The class weight multiplies the odds by (1 - share) / share.
            logit = score[i, 0] + cut[k] + np.log((1 - share) / share)
            total += (0.5 / share if truth else 0.5 / (1 - share)) * entropy(logit, truth)
    truth = tensor(target[:, None] > np.arange(3))
    found = balanced_labels(last(tensor(score)), truth, tensor(above))
    assert found.item() == pytest.approx(total / 27, rel=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("values", [3, 8, 1000])
def test_statsmodels_partial_likelihood_with_ties(seed, values):
    g = np.random.default_rng(seed)
    n = 25
    x, coefficient = g.normal(size=(n, 2)), np.array([0.8, -1.3])
    time = g.integers(1, values + 1, n).astype(float)
    event = (g.random(n) < 0.6).astype(float)
    oracle = PHReg(time, x, status=event, ties="efron").loglike(coefficient)
    found = partial_likelihood(tensor(x @ coefficient), tensor(time), tensor(event))
    assert found.item() == pytest.approx(-oracle / event.sum(), rel=1e-10)


def test_brute_force_gradient_of_the_partial_likelihood():
    time, event = tensor([1, 1, 2, 2, 2, 3, 4]), tensor([1, 1, 1, 0, 1, 0, 1])
    hazard = tensor(G.normal(size=7)).requires_grad_()
    assert torch.autograd.gradcheck(lambda h: partial_likelihood(h, time, event), (hazard,))


def test_analytic_partial_likelihood_does_not_overflow():
    """Two units 2000 apart: the earlier event is certain, or as unlikely as exp(-2000)."""
    time, event = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0])
    for hazards, expected in (([1000.0, -1000.0], 0.0), ([-1000.0, 1000.0], 2000.0)):
        hazard = torch.tensor(hazards, requires_grad=True)
        loss = partial_likelihood(hazard, time, event)
        loss.backward()
        assert loss.item() == expected
        assert hazard.grad.isfinite().all()


def test_a_batch_without_events_teaches_nothing():
    hazard = torch.randn(5, requires_grad=True)
    loss = partial_likelihood(hazard, torch.arange(5.0), torch.zeros(5))
    loss.backward()
    assert loss.item() == 0
    assert not hazard.grad.any()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_losses_have_a_deterministic_form_on_cuda():
    generator = torch.Generator().manual_seed(1)
    score = torch.randn(20, 1, generator=generator)
    last = OrderedCutpoints([1.0, 0.5])
    labels = (torch.rand(20, 3, generator=generator) > 0.5).float()
    labels[0, 0] = torch.nan
    time, event = torch.arange(20.0) // 3, (torch.rand(20, generator=generator) > 0.5).float()
    shares = torch.tensor([0.5, 0.3, 0.2])

    def total(device):
        s = score.detach().to(device).requires_grad_()
        logits = last.to(device)(s)
        made = (
            balanced_labels(logits, labels.to(device), shares.to(device))
            + balanced_classes(logits, torch.arange(20, device=device) % 3, shares.to(device))
            + partial_likelihood(s[:, 0], time.to(device), event.to(device))
        )
        made.backward()
        return made.item(), s.grad.cpu()

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        here, there = total("cpu"), total("cuda")
    finally:
        torch.use_deterministic_algorithms(before)
    assert there[0] == pytest.approx(here[0], rel=1e-5)
    torch.testing.assert_close(there[1], here[1], rtol=1e-4, atol=1e-6)
