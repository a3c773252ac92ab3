"""The ideal observer of spread, against enumeration of all patterns and against its rivals."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import norm

from petnet.simulation.spread import SpreadObserver, draw_pattern


def pattern_shares(spread, regions):
    """Share of each non-empty pattern: chances, the empty one's handed to single regions."""
    empty = (1 - spread) ** regions
    shares = {}
    for pattern in product((0, 1), repeat=regions):
        count = sum(pattern)
        if count:
            share = spread**count * (1 - spread) ** (regions - count)
            shares[pattern] = share + (empty / regions if count == 1 else 0.0)
    return shares


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.4, 1.0])
def test_patterns_come_at_their_shares_brute_force(spread):
    drawn = draw_pattern(np.random.default_rng(3), spread, 3, 20_000)
    shares = pattern_shares(spread, 3)
    assert sum(shares.values()) == pytest.approx(1)
    for pattern, share in shares.items():
        found = (drawn == np.array(pattern, dtype=bool)).all(axis=1).mean()
        assert abs(found - share) <= 4 * np.sqrt(share * (1 - share) / 20_000)


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.4, 1.0])
@pytest.mark.parametrize("tracers", [("fdg",), ("fdg", "fapi")])
def test_likelihood_ratio_brute_force(spread, tracers):
    """Sum over all patterns of products of normal densities."""
    distances = {"fdg": 0.9, "fapi": 1.5}
    observer = SpreadObserver(4, spread, distances, 0.6)
    rng = np.random.default_rng(1)
    for _ in range(20):
        latents = {t: rng.normal(0, 1.5, 4) for t in tracers}
        marker = rng.normal()
        negative = positive = 0.0
        shares = pattern_shares(spread, 4) | {(0, 0, 0, 0): None}
        for pattern, share in shares.items():
            density = 1.0
            for t, x in latents.items():
                means = (np.array(pattern) - 0.5) * distances[t]
                density *= norm.pdf(x, means).prod()
            if share is None:
                negative = density * norm.pdf(marker, -0.3)
            else:
                positive += share * density * norm.pdf(marker, 0.3)
        expected = np.log(positive / negative)
        assert float(observer.log_ratio(latents, marker)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.4, 1.0])
@pytest.mark.parametrize("prevalence", [0.2, 0.9])
def test_odds_of_a_region_brute_force(spread, prevalence):
    """Bayes' rule over all patterns; the empty one is that of patients without spread."""
    distances = {"fdg": 0.9, "fapi": 1.5}
    observer = SpreadObserver(4, spread, distances, 0.6)
    shares = {p: prevalence * share for p, share in pattern_shares(spread, 4).items()}
    shares[0, 0, 0, 0] = 1 - prevalence
    rng = np.random.default_rng(1)
    for _ in range(20):
        latents = {t: rng.normal(0, 1.5, 4) for t in distances}
        marker = rng.normal()
        held, total = np.zeros(4), 0.0
        for pattern, share in shares.items():
            density = share * norm.pdf(marker, 0.3 if any(pattern) else -0.3)
            for t, x in latents.items():
                density *= norm.pdf(x, (np.array(pattern) - 0.5) * distances[t]).prod()
            held += density * np.array(pattern)
            total += density
        found = observer.region_log_odds(latents, marker, prevalence)
        np.testing.assert_allclose(found, np.log(held / (total - held)), atol=1e-9)


def test_the_whole_patient_tells_more_of_a_region_than_the_region_alone_trial():
    distances = {"fdg": 0.95, "fapi": 1.47}
    observer = SpreadObserver(13, 0.4, distances, 0.5)
    alone = norm.cdf(np.hypot(*distances.values()) / np.sqrt(2))
    assert observer.region_auc(("fdg", "fapi"), 0.5) > alone + 0.01
    assert observer.region_auc(("fdg", "fapi"), 0.5) > observer.region_auc(("fapi",), 0.5) + 0.01
    # where all patients have spread, only the region itself is left to look at
    independent = SpreadObserver(13, 0.4, distances, 0.0)
    assert independent.region_auc(("fdg", "fapi"), 1.0) == pytest.approx(alone, abs=0.004)
    assert independent.region_auc(("fdg",), 0.0) is None
    assert SpreadObserver(13, 1.0, distances).region_auc(("fdg",), 1.0) is None


def test_marker_alone_analytic():
    observer = SpreadObserver(13, 0.4, {"fdg": 0.9}, 0.8)
    assert float(observer.log_ratio({}, 1.5)) == pytest.approx(1.2)
    assert observer.auc((), True) == pytest.approx(norm.cdf(0.8 / np.sqrt(2)), abs=0.008)


def test_one_region_is_the_binormal_case_analytic():
    observer = SpreadObserver(1, 1.0, {"fdg": 1.0, "fapi": 1.2}, 0.5)
    both = np.sqrt(1.0 + 1.44)
    assert observer.auc(("fdg",), False) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.008)
    assert observer.auc(("fdg", "fapi"), False) == pytest.approx(
        norm.cdf(both / np.sqrt(2)), abs=0.008
    )
    assert observer.auc(("fdg", "fapi"), True) == pytest.approx(
        norm.cdf(np.hypot(both, 0.5) / np.sqrt(2)), abs=0.008
    )


def test_no_signal_is_chance_analytic():
    silent = SpreadObserver(13, 0.4, {"fdg": 0.0}, 0.0)
    for clinical in (False, True):
        assert silent.auc(("fdg",), clinical) == 0.5
    marker = SpreadObserver(13, 0.4, {"fdg": 0.0}, 0.7)
    assert marker.auc(("fdg",), True) == pytest.approx(norm.cdf(0.7 / np.sqrt(2)), abs=0.008)


@pytest.mark.parametrize("spread", [0.05, 0.4])
def test_no_rival_ranks_patients_better_trial(spread):
    """Sum and maximum of the evidence, a wrong share, one tracer less: on new patients."""
    distances = {"fdg": 0.95, "fapi": 1.47}
    observer = SpreadObserver(13, spread, distances)
    rng = np.random.default_rng(5)
    truth = np.zeros((30_000, 13), dtype=bool)
    truth[15_000:] = draw_pattern(rng, spread, 13, 15_000)
    labels = np.arange(30_000) >= 15_000
    latents = {
        t: rng.normal(size=truth.shape) + np.where(truth, 0.5, -0.5) * d
        for t, d in distances.items()
    }

    def auc(score):
        ranks = np.empty(score.size)
        ranks[np.argsort(score)] = np.arange(1, score.size + 1)
        n = labels.sum()
        return (ranks[labels].sum() - n * (n + 1) / 2) / (n * (~labels).sum())

    best = auc(observer.log_ratio(latents))
    assert best == pytest.approx(observer.auc(("fdg", "fapi"), False), abs=0.006)
    evidence = sum(d * latents[t] for t, d in distances.items())
    rivals = [
        evidence.sum(axis=1),
        evidence.max(axis=1),
        SpreadObserver(13, 0.8, distances).log_ratio(latents),
        observer.log_ratio({"fapi": latents["fapi"]}),
    ]
    for rival in rivals:
        assert auc(rival) < best
