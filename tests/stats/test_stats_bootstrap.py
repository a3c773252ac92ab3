"""The bootstrap of patients against scipy's, and proportions of clustered units against theory."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import bootstrap

from petnet.errors import InputError
from petnet.outcome import Outcome
from petnet.stats.bootstrap import percentile_interval, resampled
from petnet.stats.clustered import effective_number
from petnet.stats.headline import components_of_scores, ranked, weighted_headline
from petnet.stats.intervals import wilson_bounds


def mean_of(values):
    return lambda times: float(times @ values / times.sum())


def test_scipy_percentile_interval_of_a_mean():
    values = np.random.default_rng(1).exponential(size=80)
    found = percentile_interval(mean_of(values), np.arange(80), 0.9, resamples=6000)
    expected = bootstrap(
        (values,), np.mean, confidence_level=0.9, n_resamples=6000, method="percentile", rng=2
    ).confidence_interval
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.015)
    assert "conditional" in found.method


def test_copies_of_every_unit_add_nothing():
    values = np.random.default_rng(1).normal(size=50)
    alone = percentile_interval(mean_of(values), np.arange(50))
    copies = percentile_interval(mean_of(np.repeat(values, 4)), np.repeat(np.arange(50), 4))
    assert (copies.low, copies.high) == pytest.approx((alone.low, alone.high), abs=1e-12)


def test_undefined_resamples_are_drawn_again_and_the_rest_given_up():
    def rare(times):  # defined where the first unit is drawn: 63 %
        return float(times[1:].sum()) if times[0] else np.nan

    assert resampled(rare, np.arange(20), 500).size == 500

    def rarer(times):  # the first three times: 6 %
        return float(times[1:].sum()) if times[0] > 2 or times.max() == 1 else np.nan

    assert resampled(rarer, np.arange(20), 500).size < 500
    assert np.isnan(percentile_interval(rarer, np.arange(20), resamples=500).low)
    constant = percentile_interval(lambda times: 1.0, np.arange(9))
    assert (constant.value, np.isnan(constant.low)) == (1.0, True)
    assert np.isnan(percentile_interval(mean_of(np.ones(3)), np.zeros(3)).low)
    with pytest.raises(InputError, match="resamples"):
        resampled(rare, np.arange(20), 1)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "ordinal", "multilabel", "survival"])
def test_brute_force_weights_are_copies_for_every_kind(kind):
    rng = np.random.default_rng(3)
    names = {"binary": ("y",), "survival": ("risk",)}.get(kind, ("a", "b", "c"))
    outcome = Outcome(kind, names)
    target = {
        "survival": np.column_stack([rng.integers(1, 9, 40), rng.integers(0, 2, 40)]).astype(float),
        "multilabel": np.where(rng.random((40, 3)) < 0.2, np.nan, rng.integers(0, 2, (40, 3))),
        "binary": rng.integers(0, 2, 40).astype(float),
    }.get(kind, rng.integers(0, 3, 40).astype(float))
    prediction = rng.dirichlet(np.ones(len(names) + 1), 40)[:, 1:]
    if outcome.by_class:
        prediction /= prediction.sum(axis=1, keepdims=True)
    score = ranked(outcome, prediction)
    figure = weighted_headline(outcome, target, score)
    for _ in range(20):
        times = rng.integers(0, 4, 40)
        rows = np.repeat(np.arange(40), times)
        value = components_of_scores(outcome, target[rows], score[rows]).value
        assert figure(times.astype(float)) == pytest.approx(np.nanmean(value), abs=1e-6)


# ---------------------------------------------------------------- proportions


def test_statsmodels_cluster_robust_error_gives_the_effective_number():
    """The robust variance of an intercept, over the binomial one."""
    rng = np.random.default_rng(5)
    patient = np.repeat(np.arange(40), rng.integers(1, 6, 40))
    right = (rng.normal(size=40)[patient] + 0.6 * rng.normal(size=patient.size) < 0.5).astype(float)
    fitted = sm.OLS(right, np.ones(right.size)).fit(
        cov_type="cluster", cov_kwds={"groups": patient, "use_correction": True}
    )
    found = effective_number(right, patient)
    assert found == pytest.approx(right.mean() * (1 - right.mean()) / fitted.bse[0] ** 2, rel=1e-9)
    assert found < right.size / 1.5


def test_analytic_copies_of_a_patient_are_one():
    right = (np.arange(50) < 31).astype(float)
    found = effective_number(np.repeat(right, 6), np.repeat(np.arange(50), 6))
    assert found == pytest.approx(49)  # the variance has G / (G - 1)
    assert effective_number(right, np.arange(50)) == pytest.approx(49)
    # units that resemble each other less than by chance are not more than they are
    assert effective_number(np.tile([0, 1], 20), np.repeat(np.arange(20), 2)) == 40


def test_analytic_where_all_are_right_the_patients_count():
    patient = np.repeat(np.arange(8), 3)
    assert effective_number(np.ones(24), patient) == 8
    assert effective_number(np.zeros(24), patient) == 8
    assert effective_number([], []) == 0
    assert effective_number([1, 0, 1], [4, 4, 4]) == 1
    with pytest.raises(InputError, match="0 or 1"):
        effective_number([2], [0])


def test_simulation_shares_of_many_lesions_are_covered():
    """Wilson's interval, which takes lesions as independent, misses too often."""
    rng, hits, naive = np.random.default_rng(2), 0, 0
    for _ in range(400):
        rate = rng.beta(3, 1.5, 40)  # mean 2/3
        patient = np.repeat(np.arange(40), 5)
        right = (rng.random(200) < rate[patient]).astype(float)
        units = effective_number(right, patient)
        low, high = wilson_bounds(right.mean() * units, units)
        hits += low <= 2 / 3 <= high
        low, high = wilson_bounds(right.sum(), 200)
        naive += low <= 2 / 3 <= high
    assert 0.92 <= hits / 400 <= 0.98
    assert naive / 400 < 0.9
