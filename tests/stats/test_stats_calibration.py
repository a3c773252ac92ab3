"""Calibration against R's val.prob, statsmodels and theory."""

import csv
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from petnet.errors import InputError
from petnet.stats.calibration import (
    _logistic,
    average_over_repeats,
    brier,
    recalibration,
    reliability,
    repeated_calibration,
)
from petnet.stats.intervals import wilson

COVARIATES = ("mean_texture", "mean_smoothness", "mean_symmetry")


@pytest.fixture(scope="module")
def breast(reference):
    with (reference / "statistics" / "r_oracles" / "breast.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    columns = {k: np.array([float(r[k]) for r in rows]) for k in rows[0]}
    design = np.column_stack([np.ones(len(rows)), *(columns[k] for k in COVARIATES)])
    return columns["malignant"], design


@pytest.fixture(scope="module")
def oracle(reference):
    return (reference / "statistics" / "r_oracles" / "oracle.txt").read_text()


def val_prob(oracle, title):
    """Return the named figures of one val.prob print."""
    block = oracle.split(f"val.prob ({title})\n")[1].split("geeglm")[0].split("val.prob")[0]
    lines = block.splitlines()
    found = {}
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        names = re.findall(r"C \(ROC\)|\S+", names)
        found.update(zip(names, map(float, values.replace("NA", "nan").split()), strict=True))
    return found


def test_r_oracles_logistic_fit(breast, oracle):
    truth, design = breast
    expected = [float(v) for v in re.search(r"^lrm coef (.*)$", oracle, re.M)[1].split()]
    fitted, _ = _logistic(design, truth, np.zeros_like(truth))
    # lrm stopped at a gradient of 4.7e-8 (its Max Deriv), which leaves it nine digits
    assert fitted == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("title", "slope", "shift"),
    [("apparent", 1.0, 0.0), ("distorted 0.7*lp+0.3", 0.7, 0.3)],
    ids=["apparent", "distorted"],
)
def test_r_oracles_val_prob(breast, oracle, title, slope, shift):
    truth, design = breast
    fitted, _ = _logistic(design, truth, np.zeros_like(truth))
    p = expit(slope * (design @ fitted) + shift)
    expected, result = val_prob(oracle, title), recalibration(truth, p)
    assert result.slope.value == pytest.approx(expected["Slope"], abs=1e-10)
    assert result.intercept.value == pytest.approx(expected["Intercept"], abs=1e-10)
    assert brier(truth, p) == pytest.approx(expected["Brier"], abs=1e-11)
    assert result.clipped == 0


def test_statsmodels_recalibration(breast):
    import statsmodels.api as sm

    truth, design = breast
    lp = design @ np.array([-12, 0.3, 30.0, 12.0])
    result = recalibration(truth, expit(lp), level=0.9)
    joint = sm.GLM(truth, sm.add_constant(lp), family=sm.families.Binomial()).fit(tol=1e-14)
    large = sm.GLM(truth, np.ones(lp.size), offset=lp, family=sm.families.Binomial()).fit()
    bounds = joint.conf_int(0.1)
    for estimate, value, (low, high) in (
        (result.intercept, joint.params[0], bounds[0]),
        (result.slope, joint.params[1], bounds[1]),
        (result.in_the_large, large.params[0], large.conf_int(0.1)[0]),
    ):
        assert estimate.value == pytest.approx(value, rel=1e-7)
        assert estimate.low == pytest.approx(low, rel=1e-6)
        assert estimate.high == pytest.approx(high, rel=1e-6)


def test_statsmodels_and_scikit_learn_calibration_of_each_repeat_averaged(breast):
    import statsmodels.api as sm
    from sklearn.metrics import brier_score_loss

    truth, design = breast
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(3, truth.size)) * 2
    lps = 0.8 * (design @ np.array([-12, 0.3, 30.0, 12.0])) + noise
    repeat = np.repeat(["a", "b", "c"], truth.size)
    result = repeated_calibration(np.tile(truth, 3), expit(lps).ravel(), repeat)
    family = sm.families.Binomial()
    joint = [sm.GLM(truth, sm.add_constant(lp), family=family).fit(tol=1e-14) for lp in lps]
    large = [sm.GLM(truth, np.ones(lp.size), offset=lp, family=family).fit() for lp in lps]
    for estimate, fits, k in (
        (result.intercept, joint, 0), (result.slope, joint, 1), (result.in_the_large, large, 0),
    ):  # fmt: skip
        value = np.mean([fit.params[k] for fit in fits])
        half = 1.959963984540054 * np.mean([fit.bse[k] for fit in fits])
        assert estimate.value == pytest.approx(value, rel=1e-6)
        assert estimate.low == pytest.approx(value - half, rel=1e-6)
        assert estimate.high == pytest.approx(value + half, rel=1e-6)
        assert "mean over 3 repeats" in estimate.method
    scores = [brier_score_loss(truth, expit(lp)) for lp in lps]
    assert result.brier == pytest.approx(np.mean(scores), abs=1e-12)
    assert result.repeats == 3
    # the ensemble of the repeats has less spread: its slope is higher
    assert recalibration(truth, expit(lps).mean(axis=0)).slope.value > 1.05 * result.slope.value


def test_analytic_calibration_of_one_repeat_is_its_own():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, 100)
    truth = rng.random(100) < p
    one, line = repeated_calibration(truth, p, np.zeros(100)), recalibration(truth, p)
    assert one.slope.low == pytest.approx(line.slope.low, abs=1e-12)
    assert one.in_the_large.high == pytest.approx(line.in_the_large.high, abs=1e-12)
    assert "repeats" not in one.slope.method
    assert "conditional" in one.slope.method
    separated = np.where(truth, 0.9, 0.2)
    both = repeated_calibration(np.tile(truth, 2), np.append(p, separated), np.arange(200) // 100)
    assert np.isnan(both.slope.value)
    assert np.isfinite(both.in_the_large.value)


def test_analytic_recalibration_undoes_a_distortion():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, 400)
    truth = rng.random(400) < p
    first = recalibration(truth, p)
    again = recalibration(truth, expit(2 * logit(p) - 1))
    assert again.slope.value == pytest.approx(first.slope.value / 2, rel=1e-9)
    assert again.intercept.value == pytest.approx(
        first.intercept.value + first.slope.value / 2, rel=1e-9
    )
    refit = expit(first.intercept.value + first.slope.value * logit(p))
    assert recalibration(truth, refit).slope.value == pytest.approx(1, abs=1e-9)
    assert refit.mean() == pytest.approx(truth.mean(), abs=1e-12)


def test_analytic_in_the_large_of_a_constant():
    truth = np.repeat([0, 1], [6, 2])
    result = recalibration(truth, np.full(8, 0.5))
    assert result.in_the_large.value == pytest.approx(logit(0.25), abs=1e-9)
    assert np.isnan([result.slope.value, result.intercept.low]).all()


@pytest.mark.parametrize(
    "p", [[0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [0.1, 0.5, 0.5, 0.9]], ids=str
)
def test_analytic_no_slope_without_overlap(p):
    assert np.isnan(recalibration([0, 0, 1, 1], p).slope.value)


def test_analytic_certainty_is_clipped_and_counted():
    truth = np.array([0, 0, 1, 1, 0, 1])
    result = recalibration(truth, [0.0, 0.3, 0.2, 1.0, 1.0, 0.6])
    assert result.clipped == 3
    assert np.isfinite(result.slope.value)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(2, 25).flatmap(
        lambda n: st.tuples(
            st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda y: 0 < sum(y) < n),
            st.lists(st.floats(0, 1), min_size=n, max_size=n),
        )
    )
)
def test_analytic_recalibration_always_ends(case):
    """The score equations hold wherever there is a maximum, however odd the predictions."""
    truth, p = (np.array(c, dtype=float) for c in case)
    result = recalibration(truth, p)
    lp = logit(np.clip(p, 1e-6, 1 - 1e-6))
    mean = expit(lp + result.in_the_large.value)
    assert mean.sum() == pytest.approx(truth.sum(), abs=1e-6)
    if np.isfinite(result.slope.value) and lp.std() > 1e-3:
        mean = expit(result.intercept.value + result.slope.value * lp)
        assert (mean - truth).sum() == pytest.approx(0, abs=1e-6)
        assert (mean - truth) @ lp == pytest.approx(0, abs=1e-5)


def test_analytic_brier():
    assert brier([0, 1], [0, 1]) == 0
    assert brier([0, 1], [1, 0]) == 1
    assert brier([0, 1, 1, 1], [0.5] * 4) == 0.25
    assert brier([1, 1], [0.9, 0.7]) == pytest.approx((0.01 + 0.09) / 2)


def test_brute_force_reliability():
    rng = np.random.default_rng(1)
    p = rng.random(103)
    truth = rng.random(103) < p
    result = reliability(truth, p, bins=5, level=0.9)
    assert result.count.sum() == 103
    assert result.count.min() >= 20
    assert result.count.max() <= 21
    order, start = np.argsort(p), 0
    for b, count in enumerate(result.count):
        rows = order[start : start + count]
        start += count
        expected = wilson(int(truth[rows].sum()), int(count), 0.9)
        assert result.predicted[b] == pytest.approx(p[rows].mean())
        assert result.observed[b] == pytest.approx(expected.value)
        assert result.low[b] == pytest.approx(expected.low)
        assert result.high[b] == pytest.approx(expected.high)


def test_analytic_reliability_keeps_equal_predictions_together():
    p = np.array([0.2] * 7 + [0.9] * 3)
    result = reliability([0, 1] * 5, p, bins=10)
    assert result.count.tolist() == [7, 3]
    assert result.predicted == pytest.approx([0.2, 0.9])
    assert reliability([0], [0.4]).count.tolist() == [1]


def test_simulation_reliability_covers():
    rng = np.random.default_rng(4)
    hits = []
    for _ in range(60):
        p = rng.uniform(0.1, 0.9, 200)
        result = reliability(rng.random(200) < p, p)
        hits += list((result.low <= result.predicted) & (result.predicted <= result.high))
    assert 0.92 <= np.mean(hits) <= 0.99


def test_simulation_recalibration_covers():
    rng = np.random.default_rng(9)
    hits = 0
    for _ in range(300):
        lp = rng.normal(size=150)
        slope = recalibration(rng.random(150) < expit(0.2 + 0.8 * lp), expit(lp)).slope
        hits += slope.low <= 0.8 <= slope.high
    assert 0.92 <= hits / 300 <= 0.98


def test_analytic_average_over_repeats():
    result = average_over_repeats(
        ["b", "a", "b", "a", "c"], [1, 0, 1, 0, 1], [0.2, 0.4, 0.6, 0.5, 0.9]
    )
    assert result.unit.tolist() == ["a", "b", "c"]
    assert result.truth.tolist() == [False, True, True]
    assert result.probability == pytest.approx([0.45, 0.4, 0.9])
    assert result.rows.tolist() == [2, 2, 1]


def test_input_refused():
    with pytest.raises(InputError, match="unit a: expected one truth in all rows"):
        average_over_repeats(["a", "a"], [0, 1], [0.2, 0.3])
    for function in (brier, reliability, recalibration):
        with pytest.raises(InputError, match=r"probability: expected 0 to 1, but got 1\.2 at row"):
            function([0, 1], [0.5, 1.2])
        with pytest.raises(InputError, match="finite numbers"):
            function([0, 1], [0.5, np.nan])
        with pytest.raises(InputError, match="equal length"):
            function([0, 1, 0], [0.5, 0.2])
    with pytest.raises(InputError, match="each class"):
        recalibration([1, 1], [0.5, 0.6])
    with pytest.raises(InputError, match="bins"):
        reliability([0, 1], [0.5, 0.6], bins=0)
