"""Proportions, decision thresholds and repeats against R, exact sums and theory."""

import re
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binom

from petnet.errors import InputError
from petnet.stats.empirical import mean_and_error
from petnet.stats.intervals import clopper_pearson, wilson
from petnet.stats.thresholds import threshold_metrics

COUNTS = [(81, 263), (15, 148), (0, 20), (1, 29), (28, 29)]


@pytest.mark.parametrize(("k", "n"), COUNTS, ids=str)
def test_r_oracles_proportions(reference, k, n):
    text = (reference / "statistics" / "r_oracles" / "oracle.txt").read_text()
    line = re.search(rf"^{k} {n} CP (\S+) (\S+) Wilson (\S+) (\S+)", text, re.M)
    exact, score = clopper_pearson(k, n), wilson(k, n)
    printed = map(float, line.groups())
    for value, expected in zip(
        (exact.low, exact.high, score.low, score.high), printed, strict=True
    ):
        assert value == pytest.approx(expected, rel=1e-7)  # R printed eight digits
    assert exact.value == score.value == k / n


def test_analytic_clopper_pearson_tails():
    result = clopper_pearson(7, 30, level=0.9)
    assert binom.sf(6, 30, result.low) == pytest.approx(0.05)
    assert binom.cdf(7, 30, result.high) == pytest.approx(0.05)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_analytic_proportion_ends(interval):
    assert interval(0, 9).low == 0
    assert interval(9, 9).high == 1
    nothing = interval(0, 0)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    below, above = interval(3, 10), interval(7, 10)
    assert below.low == pytest.approx(1 - above.high)
    assert interval(3, 10, 0.99).high > below.high


def test_analytic_coverage():
    """Exact coverage, summed over the binomial: Clopper–Pearson never below its level."""
    n = 25
    exact = [clopper_pearson(k, n) for k in range(n + 1)]
    score = [wilson(k, n) for k in range(n + 1)]
    p = np.linspace(0.02, 0.98, 97)
    covered = {
        name: np.array(
            [
                sum(binom.pmf(k, n, q) * (e.low <= q <= e.high) for k, e in enumerate(all_))
                for q in p
            ]
        )
        for name, all_ in (("exact", exact), ("score", score))
    }
    assert covered["exact"].min() >= 0.95
    assert covered["score"].mean() == pytest.approx(0.95, abs=0.01)


def test_brute_force_threshold_metrics():
    rng = np.random.default_rng(0)
    truth, score = rng.integers(0, 2, 80), rng.integers(0, 6, 80)
    result = threshold_metrics(truth, score, 3, level=0.9)
    cells = {"tp": 0, "fp": 0, "tn": 0, "fn": 0}
    for y, s in zip(truth, score, strict=True):
        cells[("tp" if y else "fp") if s >= 3 else ("fn" if y else "tn")] += 1
    assert {k: getattr(result, k) for k in cells} == cells
    tp, fp, tn, fn = cells.values()
    assert result.sensitivity == wilson(tp, tp + fn, 0.9)
    assert result.specificity == wilson(tn, tn + fp, 0.9)
    assert result.ppv == wilson(tp, tp + fp, 0.9)
    assert result.npv == wilson(tn, tn + fn, 0.9)
    assert result.accuracy == wilson(tp + tn, 80, 0.9)


def test_analytic_threshold_metrics_of_nothing():
    none_called = threshold_metrics([0, 1], [0.1, 0.2], np.inf)
    assert np.isnan(none_called.ppv.value)
    assert none_called.npv.value == 0.5
    assert np.isnan(threshold_metrics([1, 1], [0.1, 0.2], 0).specificity.value)


def test_analytic_mean_and_error():
    result = mean_and_error([1.0, 2.0, 3.0, 4.0])
    assert (result.mean, result.count) == (2.5, 4)
    assert result.standard_error == pytest.approx(np.sqrt(5 / 3) / 2)
    assert result.errors_from(1.5) == pytest.approx(1 / result.standard_error)
    same = mean_and_error([0.5, 0.5])
    assert same.errors_from(0.5) == 0
    assert same.errors_from(0.6) == -np.inf


def test_estimate_in_words():
    estimate = wilson(81, 263)
    assert str(estimate) == "0.31 (0.26–0.37)"
    assert f"{estimate:.3f}" == "0.308 (0.255–0.366)"


def test_input_refused():
    for bad in ((5, 4), (-1, 4), (1.5, 4)):
        with pytest.raises(InputError, match="0 <= successes <= trials"):
            wilson(*bad)
    with pytest.raises(InputError, match="level"):
        clopper_pearson(1, 2, 1.0)
    with pytest.raises(InputError, match="at least two"):
        mean_and_error([0.5])
    with pytest.raises(InputError, match="finite"):
        mean_and_error([0.5, np.nan])
    with pytest.raises(InputError, match="threshold"):
        threshold_metrics([0, 1], [1, 2], np.nan)
    with pytest.raises(InputError, match="equal length"):
        threshold_metrics([0, 1], [1, 2, 3], 1)


def test_import_is_light():
    code = (
        "import sys, petnet.stats, petnet.stats.discrimination, petnet.stats.calibration, "
        "petnet.stats.clustered, petnet.stats.empirical, petnet.stats.roc, "
        "petnet.stats.thresholds; "
        "print([m for m in ('scipy', 'sklearn', 'pandas', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
