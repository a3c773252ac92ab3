"""Figures of several classes against scikit-learn, and pairs counted one by one."""

import warnings
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from petnet.errors import InputError
from petnet.outcome import Outcome
from petnet.stats.discrimination import auc
from petnet.stats.headline import components, headline
from petnet.stats.multiclass import (
    brier_multiclass,
    class_pairs,
    hand_till_m,
    log_loss,
    one_against_rest,
)


def drawn(n=80, classes=4, seed=0, rounded=True):
    """Truth with every class, and probabilities with some ties."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(n) % classes)
    p = rng.dirichlet(np.ones(classes), n) + 0.3 * np.eye(classes)[truth]
    p = np.round(p, 1) + 0.1 if rounded else p
    return truth, p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [3, 4, 6])
@pytest.mark.parametrize("seed", range(4))
def test_sklearn_m_of_hand_and_till(classes, seed):
    truth, p = drawn(classes=classes, seed=seed)
    expected = roc_auc_score(truth, p, multi_class="ovo", average="macro")
    assert hand_till_m(truth, p) == pytest.approx(expected, abs=1e-12)
    rest = roc_auc_score(truth, p, multi_class="ovr", average=None)
    assert one_against_rest(truth, p) == pytest.approx(rest, abs=1e-12)


def test_brute_force_class_pairs():
    truth, p = drawn(n=30)
    for pair, (a, b) in zip(class_pairs(truth, p), combinations(range(4), 2), strict=True):
        found = []
        for k, other in ((a, b), (b, a)):
            high, low = p[truth == k, k], p[truth == other, k]
            found.append(np.mean([[(h > o) + 0.5 * (h == o) for o in low] for h in high]))
        assert pair.classes == (a, b)
        assert pair.value == pytest.approx(np.mean(found), abs=1e-12)
        assert pair.pairs == (truth == a).sum() * (truth == b).sum()


def test_two_classes_give_the_auc_and_twice_the_brier_score():
    truth, p = drawn(classes=2)
    assert hand_till_m(truth, p) == pytest.approx(auc(truth, p[:, 1]), abs=1e-12)
    assert brier_multiclass(truth, p) == pytest.approx(2 * np.mean((p[:, 1] - truth) ** 2))


def test_sklearn_log_loss():
    truth, p = drawn()
    assert log_loss(truth, p) == pytest.approx(sklearn_log_loss(truth, p), rel=1e-12)


def test_analytic_brier_and_log_loss():
    assert brier_multiclass([0], [[0.0, 1.0, 0.0]]) == 2
    assert brier_multiclass([0, 1], [[0.6, 0.3, 0.1], [0, 1, 0]]) == pytest.approx(0.26 / 2)
    assert log_loss([2], [[0.0, 0.75, 0.25]]) == pytest.approx(np.log(4))
    assert log_loss([0], [[0.0, 1.0, 0.0]]) == pytest.approx(-np.log(1e-15))


def test_an_absent_class():
    truth, p = drawn()
    kept = truth != 3
    with pytest.raises(InputError, match="every class"):
        hand_till_m(truth[kept], p[kept])
    assert np.isnan(one_against_rest(truth[kept], p[kept])).tolist() == [False] * 3 + [True]
    assert [pair.pairs > 0 for pair in class_pairs(truth[kept], p[kept])] == [
        3 not in pair for pair in combinations(range(4), 2)
    ]


@pytest.mark.parametrize(
    ("truth", "p", "message"),
    [
        ([0, 3], [[0.5, 0.5, 0], [0.5, 0.5, 0]], "indices from 0 to 2"),
        ([0, 1], [[0.5, 0.4, 0], [0.5, 0.5, 0]], "add up to 1"),
        ([0, 1], [[0.5, 0.7, -0.2], [0.5, 0.5, 0]], "0 to 1"),
        ([0, 1], [[0.5, np.nan, 0.5], [0.5, 0.5, 0]], "0 to 1"),
        ([0], [[0.5, 0.5, 0], [0.5, 0.5, 0]], "equal length"),
    ],
)
def test_bad_input_is_refused(truth, p, message):
    with pytest.raises(InputError, match=message):
        hand_till_m(truth, p)


# ---------------------------------------------------------------- the headline of every kind

LABELS = ("a", "b", "c", "d")


def test_headline_of_classes_and_labels_is_that_of_sklearn():
    truth, p = drawn()
    found = headline(Outcome("multiclass", LABELS), truth.astype(float), p)
    assert found == pytest.approx(roc_auc_score(truth, p, multi_class="ovo"), abs=1e-12)
    rng = np.random.default_rng(5)
    target = rng.integers(0, 2, (60, 4)).astype(float)
    target[rng.random((60, 4)) < 0.2] = np.nan
    score = rng.random((60, 4))
    areas = []
    for k in range(4):
        known = ~np.isnan(target[:, k])
        areas.append(roc_auc_score(target[known, k], score[known, k]))
    assert headline(Outcome("multilabel", LABELS), target, score) == pytest.approx(np.mean(areas))
    known = ~np.isnan(target[:, 0])
    binary = headline(Outcome("binary", ("a",)), target[known, 0], score[known, :1])
    assert binary == pytest.approx(areas[0])


def test_headline_of_ordered_classes_and_times_counts_pairs():
    truth, p = drawn(n=25, rounded=False)
    score = p @ np.arange(4)
    pairs = [(i, j) for i in range(25) for j in range(25) if truth[i] > truth[j]]
    expected = np.mean([score[i] > score[j] for i, j in pairs])
    assert headline(Outcome("ordinal", LABELS), truth.astype(float), p) == pytest.approx(expected)
    rng = np.random.default_rng(3)
    target = np.column_stack([rng.exponential(size=25), rng.integers(0, 2, 25)])
    risk = rng.normal(size=(25, 1))
    (time, event), all_of = target.T, range(25)
    pairs = [(i, j) for i in all_of for j in all_of if event[i] and time[i] < time[j]]
    expected = np.mean([risk[i, 0] > risk[j, 0] for i, j in pairs])
    assert headline(Outcome("survival", ("risk",)), target, risk) == pytest.approx(expected)


UNDEFINED = {
    "binary": (Outcome(), np.ones(4), np.full((4, 1), 0.5)),
    "multiclass": (Outcome("multiclass", LABELS), np.array([0.0, 1, 2, 2]), np.full((4, 4), 0.25)),
    "ordinal": (Outcome("ordinal", LABELS), np.ones(4), np.full((4, 4), 0.25)),
    "multilabel": (
        Outcome("multilabel", ("a", "b")),
        np.array([[0, 1], [1, 1], [0, np.nan]]),
        np.full((3, 2), 0.5),
    ),
    "no event": (Outcome("survival", ("risk",)), np.array([[1.0, 0], [2, 0]]), np.zeros((2, 1))),
    "event last": (Outcome("survival", ("risk",)), np.array([[1.0, 0], [2, 1]]), np.zeros((2, 1))),
}


@pytest.mark.parametrize(("outcome", "target", "prediction"), UNDEFINED.values(), ids=UNDEFINED)
def test_headline_without_pairs_is_nan_and_silent(outcome, target, prediction):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(headline(outcome, target, prediction))


@pytest.mark.parametrize("kind", ["multiclass", "ordinal", "multilabel", "survival", "binary"])
def test_a_constant_prediction_is_chance(kind):
    rng = np.random.default_rng(7)
    labels = {"survival": ("risk",), "binary": ("y",)}.get(kind, ("a", "b", "c"))
    outcome = Outcome(kind, labels)
    target = {
        "survival": np.column_stack([rng.exponential(size=40), rng.integers(0, 2, 40)]),
        "multilabel": rng.integers(0, 2, (40, 3)).astype(float),
        "binary": rng.integers(0, 2, 40).astype(float),
    }.get(kind, rng.integers(0, 3, 40).astype(float))
    prediction = np.full((40, len(labels)), 1 / len(labels))
    assert headline(outcome, target, prediction) == pytest.approx(0.5)
    expected = {"multiclass": 3, "multilabel": 3}.get(kind, 1)
    assert components(outcome, target, prediction).value.shape == (expected,)
