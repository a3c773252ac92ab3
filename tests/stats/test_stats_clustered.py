"""AUC of several units per patient against DeLong, scikit-learn and simulation."""

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from petnet.errors import InputError
from petnet.stats.clustered import clustered_auc_interval
from petnet.stats.discrimination import delong_interval


def cohort(rng, patients=60):
    truth = (np.arange(patients) % 5 < 2).astype(int)
    return truth, np.round(rng.normal(size=patients) + truth, 1)  # with ties


def width(estimate):
    return estimate.high - estimate.low


def test_delong_copies_of_every_unit_add_nothing():
    truth, score = cohort(np.random.default_rng(4))
    alone = delong_interval(truth, score)
    for k in (2, 5):
        patient = np.repeat(np.arange(truth.size), k)
        copies = clustered_auc_interval(np.repeat(truth, k), np.repeat(score, k), patient)
        assert copies.value == pytest.approx(alone.value, abs=1e-14)
        assert width(copies) == pytest.approx(width(alone), rel=0.1)
        naive = delong_interval(np.repeat(truth, k), np.repeat(score, k))
        assert width(naive) < 1.2 * width(alone) / np.sqrt(k)
        assert "bootstrap of patients" in copies.method
        assert "conditional" in copies.method


def test_scikit_learn_spread_over_resampled_patients():
    """The standard error is the spread of scikit-learn's AUC over patients drawn by hand."""
    rng = np.random.default_rng(8)
    patient = np.repeat(np.arange(30), rng.integers(1, 6, 30))
    truth = (rng.normal(size=patient.size) + rng.normal(size=30)[patient] > 0.3).astype(int)
    score = rng.normal(size=patient.size) + rng.normal(size=30)[patient] + truth
    rows = [np.flatnonzero(patient == p) for p in range(30)]
    drawn = []
    for _ in range(1000):
        chosen = np.concatenate([rows[p] for p in rng.integers(30, size=30)])
        drawn.append(roc_auc_score(truth[chosen], score[chosen]))
    result = clustered_auc_interval(truth, score, patient, method="wald")
    error = width(result) / (2 * norm.ppf(0.975))
    assert result.value == pytest.approx(roc_auc_score(truth, score), abs=1e-14)
    assert error == pytest.approx(np.std(drawn), rel=0.08)  # Monte Carlo: 2.7 % of 1000 and 2000
    odds = clustered_auc_interval(truth, score, patient)
    half = norm.ppf(0.975) * error / (result.value * (1 - result.value))
    assert logit(odds.high) == pytest.approx(logit(result.value) + half, abs=1e-9)
    assert logit(odds.low) == pytest.approx(logit(result.value) - half, abs=1e-9)


def test_simulation_patients_with_many_lesions_are_covered():
    """DeLong's interval misses the expected AUC too often where patients shift their scores."""
    rng = np.random.default_rng(1)
    expected, hits, naive = norm.cdf(1.2 / np.sqrt(2 * 1.0)), 0, 0
    for _ in range(150):
        patient = np.repeat(np.arange(40), 4)
        truth = np.repeat((np.arange(40) < 16).astype(int), 4)
        score = rng.normal(size=40)[patient] * 0.9 + rng.normal(size=160) * np.sqrt(0.19)
        score += 1.2 * truth
        found = clustered_auc_interval(truth, score, patient, resamples=200)
        hits += found.low <= expected <= found.high
        wrong = delong_interval(truth, score)
        naive += wrong.low <= expected <= wrong.high
    assert 0.9 <= hits / 150 <= 0.99
    assert naive / 150 < 0.8


def test_analytic_the_seed_decides():
    truth, score = cohort(np.random.default_rng(4))
    one, again, other = (
        clustered_auc_interval(truth, score, np.arange(60) // 2, seed=s) for s in (0, 0, 1)
    )
    assert one == again
    assert one != other
    named = clustered_auc_interval(truth, score, [f"P{k // 2:02d}" for k in range(60)])
    assert named == one


def test_analytic_no_interval_without_two_patients_of_a_class():
    patient = [0, 0, 1, 2, 3]
    lonely = clustered_auc_interval([1, 1, 0, 0, 0], [3, 1, 2, 0, 0], patient)
    assert lonely.value == pytest.approx(5 / 6)
    assert np.isnan([lonely.low, lonely.high]).all()
    perfect = clustered_auc_interval([1, 1, 0, 0], [3, 3, 1, 1], [0, 1, 2, 3])
    assert perfect.value == 1
    assert np.isnan(perfect.low)


def test_input_refused():
    with pytest.raises(InputError, match="equal length"):
        clustered_auc_interval([0, 1], [1, 2], [0, 1, 2])
    with pytest.raises(InputError, match="each class"):
        clustered_auc_interval([1, 1], [1, 2], [0, 1])
    with pytest.raises(InputError, match="resamples"):
        clustered_auc_interval([0, 1], [1, 2], [0, 1], resamples=1)
