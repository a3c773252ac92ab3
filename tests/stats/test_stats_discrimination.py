"""AUC, DeLong and cross-validated AUC against pROC, R, pairs counted one by one, and theory."""

import csv
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm, t

from petnet.errors import InputError
from petnet.stats.discrimination import (
    auc,
    delong_interval,
    delong_test,
    fold_aucs,
    repeated_auc,
    repeated_auc_interval,
    roc_curve,
    within_fold_auc,
)
from petnet.stats.roc import roc_band


def count_pairs(truth, score):
    """Concordant pairs (ties one half) and all pairs, one by one."""
    concordant, pairs = 0.0, 0
    for i in np.flatnonzero(truth == 1):
        for j in np.flatnonzero(truth == 0):
            concordant += (score[i] > score[j]) + 0.5 * (score[i] == score[j])
            pairs += 1
    return concordant, pairs


def brute_force_covariance(truth, a, b):
    """DeLong's covariance by its definition, with the full matrix of comparisons."""

    def psi(s):
        high, low = s[truth == 1][:, None], s[truth == 0][None, :]
        return (high > low) + 0.5 * (high == low)

    pa, pb = psi(a), psi(b)
    n1, n0 = pa.shape
    return np.cov(pa.mean(1), pb.mean(1))[0, 1] / n1 + np.cov(pa.mean(0), pb.mean(0))[0, 1] / n0


scored = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda y: 0 < sum(y) < n),
        st.lists(st.integers(0, 8), min_size=n, max_size=n),
        st.lists(st.integers(0, 8), min_size=n, max_size=n),
    )
)


# ---------------------------------------------------------------- proc: the aSAH data of pROC


@pytest.fixture(scope="module")
def asah(reference):
    with (reference / "statistics" / "pROC_aSAH.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    columns = {k: np.array([float(r[k]) for r in rows]) for k in ("wfns", "s100b", "ndka")}
    return np.array([r["outcome"] == "Poor" for r in rows]), columns


PROC_AUC = {
    "wfns": 0.823678861788618,
    "s100b": 0.731368563685637,
    "ndka": 0.611957994579946,
}
PROC_DELONG = [
    ("wfns", "s100b", 2.20898359144091, 0.0271757822291882),
    ("wfns", "ndka", 2.79777591868904, 0.00514557970691098),
]


@pytest.mark.parametrize(("name", "expected"), PROC_AUC.items(), ids=PROC_AUC)
def test_proc_auc(asah, name, expected):
    truth, columns = asah
    assert auc(truth, columns[name]) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(("a", "b", "z", "p"), PROC_DELONG, ids=lambda v: str(v)[:6])
def test_proc_delong_test(asah, a, b, z, p):
    truth, columns = asah
    result = delong_test(truth, columns[a], columns[b])
    assert result.z == pytest.approx(z, abs=1e-10)
    assert result.p == pytest.approx(p, abs=1e-10)
    assert result.difference.value == pytest.approx(PROC_AUC[a] - PROC_AUC[b], abs=1e-14)


def test_proc_delong_interval(asah):
    truth, columns = asah
    result = delong_interval(truth, columns["ndka"], method="wald")
    assert result.low == pytest.approx(0.501244999, abs=5e-10)
    assert result.high == pytest.approx(0.722670990, abs=5e-10)
    assert "conditional" in result.method


# ---------------------------------------------------------------- r_oracles: oracle.txt


@pytest.fixture(scope="module")
def breast(reference):
    with (reference / "statistics" / "r_oracles" / "breast.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return {k: np.array([float(r[k]) for r in rows]) for k in rows[0]}


@pytest.fixture(scope="module")
def oracle(reference):
    return (reference / "statistics" / "r_oracles" / "oracle.txt").read_text()


BREAST = ("mean_radius", "mean_texture", "mean_smoothness", "mean_symmetry", "worst_texture")


@pytest.mark.parametrize("name", BREAST)
def test_r_oracles_auc_and_interval(breast, oracle, name):
    line = re.search(rf"^{name} auc (\S+) ci (\S+) \S+ (\S+) var (\S+)", oracle, re.M)
    value, low, high, variance = map(float, line.groups())
    result = delong_interval(breast["malignant"], breast[name], method="wald")
    assert result.value == pytest.approx(value, abs=1e-14)
    assert result.low == pytest.approx(low, abs=1e-12)
    assert result.high == pytest.approx(high, abs=1e-12)
    error = (result.high - result.low) / (2 * norm.ppf(0.975))
    assert error**2 == pytest.approx(variance, rel=1e-10)


def test_r_oracles_delong_test(breast, oracle):
    lines = re.findall(r"^DeLong (\w+) (\w+) Z (\S+) p (\S+) ci +(\S+) +(\S+) cov", oracle, re.M)
    assert len(lines) == 3
    for a, b, z, p, low, high in lines:
        result = delong_test(breast["malignant"], breast[a], breast[b])
        assert result.z == pytest.approx(float(z), abs=1e-10)
        assert result.p == pytest.approx(float(p), abs=1e-11)
        assert result.difference.low == pytest.approx(float(low), abs=1e-10)
        assert result.difference.high == pytest.approx(float(high), abs=1e-10)


# ---------------------------------------------------------------- brute_force


@settings(max_examples=60, deadline=None)
@given(scored)
def test_brute_force_auc_and_delong(case):
    truth, a, b = (np.array(c) for c in case)
    concordant, pairs = count_pairs(truth, a)
    assert auc(truth, a) == pytest.approx(concordant / pairs, abs=1e-14)
    if min(truth.sum(), (1 - truth).sum()) < 2:
        assert np.isnan(delong_interval(truth, a).low)
        return
    of_a, of_b, both = (brute_force_covariance(truth, u, v) for u, v in ((a, a), (b, b), (a, b)))
    test = delong_test(truth, a, b)
    error = (test.difference.high - test.difference.low) / (2 * norm.ppf(0.975))
    if np.isfinite(error):
        assert error**2 == pytest.approx(of_a + of_b - 2 * both, abs=1e-12)
    interval = delong_interval(truth, a, method="logit")
    if 0 < interval.value < 1:
        odds = np.log(interval.value / (1 - interval.value))
        half = norm.ppf(0.975) * np.sqrt(of_a) / (interval.value * (1 - interval.value))
        assert interval.low == pytest.approx(expit(odds - half), abs=1e-12)
        assert interval.high == pytest.approx(expit(odds + half), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(scored, st.randoms(use_true_random=False))
def test_brute_force_within_fold(case, random):
    truth, a, b = (np.array(c) for c in case)
    fold = np.array([random.randrange(3) for _ in truth])
    counted = [count_pairs(truth[fold == f], a[fold == f]) for f in np.unique(fold)]
    concordant, pairs = np.sum(counted, axis=0)
    if pairs == 0:
        with pytest.raises(InputError, match="at least one fold with both classes"):
            within_fold_auc(truth, a, fold)
        return
    once = within_fold_auc(truth, a, fold)
    assert once == pytest.approx(concordant / pairs, abs=1e-14)
    folds = fold_aucs(truth, a, fold, np.zeros_like(fold))
    assert folds.n_skipped == sum(p == 0 for _, p in counted)
    assert folds.share.sum() == pytest.approx(1)
    # a second repeat of its own folds counts as much as the first, whatever its pairs
    whole = np.zeros_like(fold)
    both = repeated_auc(
        np.tile(truth, 2),
        np.concatenate([a, b]),
        np.concatenate([fold, whole]),
        np.repeat(["first", "second"], truth.size),
    )
    assert both == pytest.approx((once + auc(truth, b)) / 2, abs=1e-14)


def test_brute_force_roc_curve():
    rng = np.random.default_rng(3)
    truth, score = rng.integers(0, 2, 60), rng.integers(0, 12, 60) / 4
    curve = roc_curve(truth, score)
    for fpr, tpr, threshold in zip(curve.fpr, curve.tpr, curve.threshold, strict=True):
        assert tpr == np.mean(score[truth == 1] >= threshold)
        assert fpr == np.mean(score[truth == 0] >= threshold)
    assert len(curve.threshold) == len(np.unique(score)) + 1
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(auc(truth, score), abs=1e-14)


# ---------------------------------------------------------------- analytic


def test_analytic_auc_of_order_alone():
    rng = np.random.default_rng(0)
    truth, score = rng.integers(0, 2, 50), rng.normal(size=50)
    assert auc(truth, score) == auc(truth, np.exp(3 * score))
    assert auc(truth, score) + auc(truth, -score) == pytest.approx(1, abs=1e-15)
    assert auc(truth, np.zeros(50)) == 0.5
    same = delong_test(truth, score, np.exp(score))
    assert (same.difference.value, same.z, same.p) == (0, 0, 1)


def test_analytic_complete_separation_has_no_interval():
    truth = np.array([0, 0, 0, 1, 1, 1])
    for method in ("logit", "wald"):
        result = delong_interval(truth, truth, method=method)
        assert result.value == 1
        assert np.isnan([result.low, result.high]).all()
    for n1, n0 in ((3, 3), (7, 11), (3, 49)):
        truth = np.repeat([1, 0], [n1, n0])
        against_constant = delong_test(truth, truth, np.zeros(n1 + n0))
        assert against_constant.difference.value == 0.5
        assert np.isnan(against_constant.p)


def test_analytic_corrected_resampled_t_of_equal_folds():
    """With equal folds the interval is Nadeau and Bengio's printed formula."""
    rng = np.random.default_rng(5)
    repeats, folds, size = 4, 5, 8
    truth = np.tile([0, 0, 0, 0, 0, 1, 1, 1], folds)
    shuffles = [rng.permutation(folds * size) for _ in range(repeats)]
    fold = np.concatenate([np.repeat(np.arange(folds), size) for _ in shuffles])
    truth, repeat = np.tile(truth, repeats), np.repeat(np.arange(repeats), folds * size)
    score = rng.normal(size=truth.size) + truth
    values = fold_aucs(truth, score, fold, repeat).value[:, 0]
    count = repeats * folds
    error = np.sqrt((1 / count + size / (size * (folds - 1))) * values.var(ddof=1))
    half = t.ppf(0.95, count - 1) * error
    wald = repeated_auc_interval(truth, score, fold, repeat, level=0.9, method="wald")
    assert wald.value == pytest.approx(values.mean(), abs=1e-14)
    assert wald.low == pytest.approx(wald.value - half, abs=1e-12)
    assert wald.high == pytest.approx(min(1, wald.value + half), abs=1e-12)
    logit = repeated_auc_interval(truth, score, fold, repeat, level=0.9)
    assert 0 < logit.low < logit.value < logit.high < 1
    assert "refitting" in logit.method


def test_analytic_interval_needs_spread():
    truth = np.array([0, 1, 0, 1])
    for fold in ([0, 0, 0, 0], [0, 0, 1, 1]):
        result = repeated_auc_interval(truth, truth, fold, np.zeros(4))
        assert result.value == 1
        assert np.isnan([result.low, result.high]).all()


def test_analytic_roc_band():
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1], 60)
    score = rng.normal(size=120) + truth
    band = roc_band(truth, score, resamples=400, seed=1)
    again = roc_band(truth, score, resamples=400, seed=1)
    assert np.array_equal(band.low, again.low)
    assert not np.array_equal(band.low, roc_band(truth, score, resamples=400, seed=2).low)
    assert (band.low <= band.tpr).all()
    assert (band.tpr <= band.high).all()
    assert (np.diff(band.tpr) >= 0).all()
    assert band.tpr[-1] == 1
    curve = roc_curve(truth, score)
    inside = np.interp(band.fpr, curve.fpr, curve.tpr)
    assert np.mean((band.low <= inside) & (inside <= band.high)) > 0.95
    assert "conditional on the fitted models" in band.method
    separated = roc_band(truth, truth)
    assert (separated.low == 1).all()
    ties = roc_band(truth, np.zeros(120))
    assert np.allclose(ties.tpr, ties.fpr)


def test_analytic_roc_band_resamples_whole_patients():
    """Six copies of every patient's row add nothing: the band stays as wide."""
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1], 30)
    score = rng.normal(size=60) + truth
    alone = roc_band(truth, score, group=np.arange(60), seed=1)
    copies = roc_band(
        np.repeat(truth, 6), np.repeat(score, 6), group=np.repeat(np.arange(60), 6), seed=1
    )
    assert np.allclose(alone.low, copies.low)
    assert np.allclose(alone.high, copies.high)
    assert "patients" in copies.method
    mixed = roc_band(truth, score, group=np.tile(np.arange(30), 2), resamples=50)
    assert np.isfinite(mixed.low).all()


# ---------------------------------------------------------------- simulation


def test_simulation_delong_covers():
    rng = np.random.default_rng(11)
    truth = np.repeat([0, 1], [40, 25])
    expected = norm.cdf(1.2 / np.sqrt(2))
    hits = 0
    for _ in range(400):
        result = delong_interval(truth, rng.normal(size=65) + 1.2 * truth)
        hits += result.low <= expected <= result.high
    assert 0.92 <= hits / 400 <= 0.98


def test_simulation_pooled_auc_is_biased_low_and_within_fold_is_not():
    """A model that predicts its training prevalence is pooled to an AUC of 0, not of 0.5."""
    truth = np.repeat([0, 1], 10)
    score = (truth.sum() - truth) / (truth.size - 1)  # leave one out
    assert auc(truth, score) == 0
    fold = np.arange(20) % 5
    prevalence = np.array([truth[fold != f].mean() for f in fold])
    assert within_fold_auc(truth, prevalence, fold) == 0.5


def stratified(truth, count, rng):
    fold = np.empty(truth.size, dtype=int)
    for value in (0, 1):
        rows = rng.permutation(np.flatnonzero(truth == value))
        fold[rows] = (np.arange(rows.size) + rng.integers(count)) % count
    return fold


def refitted(features, truth, fold):
    """Out-of-fold scores of a linear discriminant refitted for every fold."""
    score = np.empty(truth.size)
    for f in np.unique(fold):
        train = fold != f
        groups = [features[train & (truth == v)] for v in (0, 1)]
        within = sum(np.cov(g.T) * (len(g) - 1) for g in groups) / (train.sum() - 2)
        weight = np.linalg.solve(within, groups[1].mean(0) - groups[0].mean(0))
        score[~train] = features[~train] @ weight
    return score


def coverage(n, n_positive, cohorts, repeats, seed):
    rng = np.random.default_rng(seed)
    truth = (np.arange(n) < n_positive).astype(int)
    results = []
    for _ in range(cohorts):
        features = rng.normal(size=(n, 4))
        features[:, 0] += truth
        folds = [stratified(truth, 5, rng) for _ in range(repeats)]
        score = np.concatenate([refitted(features, truth, f) for f in folds])
        repeat = np.repeat(np.arange(repeats), n)
        results.append(
            repeated_auc_interval(np.tile(truth, repeats), score, np.concatenate(folds), repeat)
        )
    expected = np.mean([r.value for r in results])
    return np.mean([r.low <= expected <= r.high for r in results])


def test_simulation_corrected_t_covers_with_refitting():
    assert 0.90 <= coverage(100, 40, cohorts=100, repeats=3, seed=7) <= 1


@pytest.mark.full
@pytest.mark.parametrize(("n", "n_positive"), [(36, 13), (118, 45), (200, 30)])
def test_simulation_corrected_t_covers_with_refitting_in_small_cohorts(n, n_positive):
    assert 0.89 <= coverage(n, n_positive, cohorts=500, repeats=5, seed=7) <= 0.99


# ---------------------------------------------------------------- input

GOOD = ([0, 1, 0, 1], [0.1, 0.4, 0.2, 0.3])
BAD = {
    "one class": (([1, 1, 1], [1, 2, 3]), "at least one row of each class.*3 positive and 0"),
    "nan score": (([0, 1], [1.0, np.nan]), "score: expected finite numbers, but got nan at row 1"),
    "infinite": (([0, 1], [1.0, np.inf]), "expected finite numbers, but got inf"),
    "nan truth": (([0, 1, np.nan], [1, 2, 3]), "truth: expected finite numbers"),
    "third class": (([0, 1, 2], [1, 2, 3]), r"truth: expected 0 or 1, but got \[2.0\]"),
    "text": ((["a", "b"], [1, 2]), "truth: expected numbers"),
    "lengths": (([0, 1, 1], [1, 2]), "equal length, but got truth 3, score 2"),
    "empty": (([], []), "at least one row"),
    "matrix": (([[0, 1]], [1, 2]), "one dimension"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("function", [auc, roc_curve, delong_interval, roc_band])
def test_input_refused(function, arguments, message):
    with pytest.raises(InputError, match=message):
        function(*arguments)


def test_input_refused_elsewhere():
    with pytest.raises(InputError, match="'logit' or 'wald'"):
        delong_interval(*GOOD, method="bca")
    with pytest.raises(InputError, match="level"):
        delong_interval(*GOOD, level=95)
    with pytest.raises(InputError, match="equal length"):
        delong_test(*GOOD, [1, 2, 3])
    with pytest.raises(InputError, match="fold 3"):
        within_fold_auc(*GOOD, [0, 0, 1])
    with pytest.raises(InputError, match="repeat b: expected at least one fold"):
        repeated_auc(*GOOD, [0, 0, 0, 1], ["a", "a", "b", "b"])
    with pytest.raises(InputError, match="a label in every row, but got none at row 3"):
        within_fold_auc(*GOOD, [0, 0, 1, np.nan])
    with pytest.raises(InputError, match="labels of one type"):
        within_fold_auc(*GOOD, np.array([0, 0, "x", "x"], dtype=object))
    with pytest.raises(InputError, match="resamples"):
        roc_band(*GOOD, resamples=1)
