"""Ideal observers' figures, against brute force on drawn patients and against fitted models."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import kstest

from petnet.errors import InputError
from petnet.simulation.latent import (
    OrdinalOdds,
    ProportionalHazards,
    combined_auc,
    harrell_c,
    ideal_auc,
    ideal_distance,
    mixture_quantile,
    ordered_share,
    posterior,
)

SHARES = (0.15, 0.3, 0.4, 0.15)


def pairs_brute_force(comparable, first, second):
    """Share of the ordered pairs (i, j) marked comparable in which i stands above j."""
    won = (first[:, None] > second[None, :]) + 0.5 * (first[:, None] == second[None, :])
    return (won * comparable).sum() / comparable.sum()


def batches(values):
    """Mean of values from independent samples, and its standard error."""
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


def test_distance_and_auc_are_inverse_analytic():
    assert ideal_distance(0.5) == 0.0
    assert ideal_distance(0.9213503964748574) == pytest.approx(2.0)  # Phi(sqrt 2)
    assert ideal_auc(ideal_distance(0.83)) == pytest.approx(0.83)
    assert combined_auc((0.8, 0.5)) == pytest.approx(0.8)
    assert combined_auc((ideal_auc(0.6), ideal_auc(0.8))) == pytest.approx(ideal_auc(1.0))


@pytest.mark.parametrize(("auc", "prevalence"), [(0.85, 0.4), (0.7, 0.1), (0.5, 0.5)])
def test_label_given_the_image_leaves_two_unit_normal_classes_analytic(auc, prevalence):
    rng = np.random.default_rng(4)
    distance = ideal_distance(auc)
    latent = np.array([mixture_quantile(u, distance, prevalence) for u in rng.random(8000)])
    label = rng.random(8000) < [posterior(x, distance, prevalence) for x in latent]
    assert abs(label.mean() - prevalence) < 3.5 * np.sqrt(prevalence * (1 - prevalence) / 8000)
    for values, middle in ((latent[label], distance / 2), (latent[~label], -distance / 2)):
        assert kstest(values - middle, "norm").pvalue > 1e-3
    error = np.sqrt(auc * (1 - auc) / label.sum())  # more than any estimate of it
    assert abs(ordered_share(label, latent) - auc) < 3.5 * error


@pytest.mark.parametrize("prevalence", [0.0, 1.0])
def test_one_class_is_a_shifted_normal_analytic(prevalence):
    side = 1 if prevalence else -1
    assert mixture_quantile(0.5, 2.0, prevalence) == pytest.approx(side)
    assert posterior(0.3, 2.0, prevalence) == prevalence


@pytest.mark.parametrize("uniform", [1e-12, 0.02, 0.5, 0.98, 1 - 1e-12])
def test_the_quantile_inverts_the_mixture_analytic(uniform):
    from scipy.stats import norm

    x = mixture_quantile(uniform, 1.5, 0.3)
    share = 0.3 * norm.cdf(x - 0.75) + 0.7 * norm.cdf(x + 0.75)
    assert share == pytest.approx(uniform, rel=1e-6)


@pytest.mark.parametrize(("c_index", "shares"), [(0.85, SHARES), (0.65, (1, 1, 1)), (0.5, SHARES)])
def test_ordinal_classes_have_their_shares_and_c_index_brute_force(c_index, shares):
    model = OrdinalOdds.of(shares, c_index)
    assert model.c_index == pytest.approx(c_index, abs=1e-6)
    np.testing.assert_allclose(model.shares, np.array(shares) / sum(shares), atol=1e-6)
    rng, found, seen = np.random.default_rng(2), [], []
    for _ in range(12):
        x = rng.normal(size=1500)
        noisy = model.beta * x + rng.logistic(size=1500)  # not by way of `probabilities`
        classes = np.searchsorted(model.cuts, noisy)
        seen.append(np.bincount(classes, minlength=len(shares)) / 1500)
        found.append(pairs_brute_force(classes[:, None] > classes[None, :], x, x))
    mean, error = batches(found)
    assert abs(mean - c_index) < 3.5 * error
    np.testing.assert_allclose(np.mean(seen, axis=0), np.array(shares) / sum(shares), atol=0.013)


def test_classes_drawn_follow_their_probabilities_brute_force():
    model = OrdinalOdds.of(SHARES, 0.8)
    rng = np.random.default_rng(0)
    for x in (-1.3, 0.0, 2.0):
        drawn = np.bincount([model.draw(x, u) for u in rng.random(4000)], minlength=4) / 4000
        noisy = np.searchsorted(model.cuts, model.beta * x + rng.logistic(size=200_000))
        np.testing.assert_allclose(drawn, np.bincount(noisy, minlength=4) / 200_000, atol=0.03)


def test_dichotomy_is_the_auc_of_the_better_half_brute_force():
    model = OrdinalOdds.of(SHARES, 0.85)
    rng, found = np.random.default_rng(3), []
    for _ in range(12):
        x = rng.normal(size=1500)
        better = model.beta * x + rng.logistic(size=1500) > model.cuts[1]
        found.append((x[better][:, None] > x[~better][None, :]).mean())
    mean, error = batches(found)
    assert abs(mean - model.dichotomy(2)) < 3.5 * error


@pytest.mark.parametrize(("c_index", "censored"), [(0.75, 0.3), (0.6, 0.6), (0.9, 0.0)])
def test_survival_has_its_c_index_and_censored_share_brute_force(c_index, censored):
    model = ProportionalHazards.of(c_index, censored)
    assert model.c_index == pytest.approx(c_index, abs=1e-6)
    rng, whole, harrell, share = np.random.default_rng(1), [], [], []
    for _ in range(12):
        x = rng.normal(size=1200)
        death = rng.exponential(1 / np.exp(model.beta * x))
        end = rng.exponential(size=1200) / model.censoring if censored else np.full(1200, np.inf)
        time, event = np.minimum(death, end), death <= end
        whole.append(pairs_brute_force(death[:, None] < death[None, :], x, x))
        comparable = (time[:, None] < time[None, :]) & event[:, None]
        harrell.append(pairs_brute_force(comparable, x, x))
        share.append(1 - event.mean())
    for found, expected in (
        (whole, c_index), (harrell, model.comparable_c_index), (share, censored),
    ):  # fmt: skip
        mean, error = batches(found)
        assert abs(mean - expected) <= 3.5 * error


def test_drawn_times_are_those_of_the_model_statsmodels():
    """A Cox model fitted to what was drawn finds beta."""
    from statsmodels.duration.hazard_regression import PHReg

    model = ProportionalHazards.of(0.75, 0.3)
    rng = np.random.default_rng(6)
    x = rng.normal(size=3000)
    time, event = np.array([model.draw(value, rng) for value in x]).T
    fitted = PHReg(time, x[:, None], status=event, ties="efron").fit()
    assert abs(fitted.params[0] - model.beta) < 3.5 * fitted.bse[0]
    assert abs(event.mean() - 0.7) < 3.5 * np.sqrt(0.21 / 3000)
    assert all(event for _, event in (ProportionalHazards(1.0, 0.0).draw(0, rng) for _ in "ab"))


def test_drawn_classes_are_those_of_the_model_statsmodels():
    """A proportional-odds model fitted to what was drawn finds beta."""
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    model = OrdinalOdds.of(SHARES, 0.8)
    rng = np.random.default_rng(7)
    x = rng.normal(size=2000)
    classes = [model.draw(value, u) for value, u in zip(x, rng.random(2000), strict=True)]
    fitted = OrderedModel(np.array(classes), x[:, None], distr="logit").fit(disp=False)
    assert abs(fitted.params[0] - model.beta) < 3.5 * fitted.bse[0]


def test_harrell_and_ordered_share_brute_force():
    rng = np.random.default_rng(5)
    time, event = rng.integers(1, 9, 40).astype(float), rng.random(40) < 0.6
    risk = rng.integers(0, 6, 40).astype(float)
    comparable = (time[:, None] < time[None, :]) & event[:, None]
    assert harrell_c(time, event, risk) == pytest.approx(pairs_brute_force(comparable, risk, risk))
    classes = rng.integers(0, 3, 40)
    above = classes[:, None] > classes[None, :]
    assert ordered_share(classes, risk) == pytest.approx(pairs_brute_force(above, risk, risk))
    assert np.isnan(ordered_share([1, 1], [0.0, 2.0]))
    assert np.isnan(harrell_c([1.0, 2.0], [0, 0], [1.0, 2.0]))


def test_probabilities_are_proportional_odds_analytic():
    model = OrdinalOdds(1.5, (-1.0, 0.5))
    np.testing.assert_allclose(model.probabilities(0.4)[0], expit(-1.0 - 0.6))
    np.testing.assert_allclose(model.probabilities(np.linspace(-5, 5, 9)).sum(axis=-1), 1)


def test_a_c_index_out_of_reach_is_refused():
    with pytest.raises(InputError, match="at most"):
        ProportionalHazards.of(0.9999, 0.3)
