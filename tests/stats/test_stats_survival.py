"""Survival against statsmodels, scipy and published figures.

The leukaemia remission times (weeks) of Freireich et al. 1963 (doi 10.1182/blood.V21.6.699.699)
stand in most textbooks: medians 23 and 8, log-rank chi-square 16.79, hazard ratio by Efron's ties
4.82 (log 1.572, standard error 0.412; Kleinbaum and Klein, Survival Analysis; more digits by
lifelines 0.30.3).
"""

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import CensoredData, chi2, ecdf
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from petnet.errors import InputError
from petnet.stats.concordance import harrell_c
from petnet.stats.survival import (
    hazard_ratio,
    kaplan_meier,
    log_rank,
    median_follow_up,
    median_survival,
)

# weeks, negative where censored: 21 treated with 6-mercaptopurine, then 21 with placebo
WEEKS = np.array([
    -6, 6, 6, 6, 7, -9, -10, 10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35,
    1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23,
])  # fmt: skip
TIME, EVENT = np.abs(WEEKS).astype(float), (WEEKS > 0).astype(float)
GROUP = np.repeat([0.0, 1.0], 21)


def drawn(seed, n=60, ties=True):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, n).astype(float)
    time = rng.exponential(10 * np.exp(-0.7 * group)) + 0.01
    event = (rng.random(n) < 0.7).astype(float)
    return (np.ceil(time) if ties else time), event, group


# ---------------------------------------------------------------- published figures


def test_published_leukaemia_remissions():
    treated, placebo = kaplan_meier(TIME[:21], EVENT[:21]), kaplan_meier(TIME[21:], EVENT[21:])
    # Kleinbaum and Klein, table of the treated group: S, by hand
    steps = {6: 0.8571, 7: 0.8067, 10: 0.7529, 13: 0.6902, 16: 0.6275, 22: 0.5378, 23: 0.4482}
    for week, value in steps.items():
        assert treated.survival[treated.time == week] == pytest.approx(value, abs=5e-5)
    assert treated.at_risk[treated.time == 6] == 21
    first, second = median_survival(treated), median_survival(placebo)
    assert (first.value, first.low) == (23, 13)
    assert np.isnan(first.high)  # not reached
    assert (second.value, second.low, second.high) == (8, 4, 11)
    assert log_rank(TIME, EVENT, GROUP) == pytest.approx(chi2.sf(16.793, 1), rel=1e-3)
    ratio = hazard_ratio(TIME, EVENT, GROUP)
    assert ratio.value == pytest.approx(4.816873, rel=1e-6)
    assert (ratio.low, ratio.high) == pytest.approx((2.146508, 10.809307), rel=1e-6)
    assert harrell_c(TIME, EVENT, GROUP) == pytest.approx(0.6900420757363254, abs=1e-15)


def test_lifelines_on_the_stanford_heart_transplants():
    """Figures of lifelines 0.30.3 on the data set that statsmodels brings along."""
    data = sm.datasets.heart.load_pandas().data
    time, event, age = (data[c].to_numpy() for c in ("survival", "censors", "age"))
    assert harrell_c(time, event, age) == pytest.approx(0.6092206366630076, abs=1e-14)
    decade = np.floor(age / 10)
    assert harrell_c(time, event, decade) == pytest.approx(0.6287047200878156, abs=1e-14)
    median = median_survival(kaplan_meier(time, event))
    assert (median.value, median.low, median.high) == (228, 65, 730)


# ---------------------------------------------------------------- libraries beside us


@pytest.mark.parametrize("seed", range(4))
def test_scipy_and_statsmodels_kaplan_meier(seed):
    time, event, _ = drawn(seed)
    curve = kaplan_meier(time, event, 0.9)
    died = event == 1
    found = ecdf(CensoredData(uncensored=time[died], right=time[~died])).sf
    assert curve.time.tolist() == found.quantiles.tolist()
    assert curve.survival == pytest.approx(found.probabilities, abs=1e-12)
    inner = (curve.survival > 0) & (curve.survival < 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns where the band does not exist
        band = found.confidence_interval(0.9, method="log-log")
    for bound, expected in ((curve.low, band.low), (curve.high, band.high)):
        assert bound[inner] == pytest.approx(expected.probabilities[inner], abs=1e-12)
    steps = SurvfuncRight(time, event)  # at times of events only
    at = np.isin(curve.time, steps.surv_times)
    assert curve.survival[at] == pytest.approx(steps.surv_prob, abs=1e-12)
    assert curve.at_risk[at].tolist() == steps.n_risk.tolist()
    assert curve.events[at].tolist() == steps.n_events.tolist()
    assert (curve.events.sum(), curve.censored.sum()) == (died.sum(), (~died).sum())
    assert curve.at_risk[0] == time.size


@pytest.mark.parametrize("seed", range(4))
def test_statsmodels_log_rank_and_hazard_ratio(seed):
    time, event, group = drawn(seed)
    assert log_rank(time, event, group) == pytest.approx(survdiff(time, event, group)[1], rel=1e-9)
    fitted = PHReg(time, group[:, None], status=event, ties="efron").fit(disp=0)
    found = hazard_ratio(time, event, group, 0.9)
    assert found.value == pytest.approx(np.exp(fitted.params[0]), rel=1e-6)
    low, high = np.exp(fitted.conf_int(alpha=0.1)[0])
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-5)


def test_exchanged_groups_give_the_inverse():
    time, event, group = drawn(9)
    one, other = hazard_ratio(time, event, group), hazard_ratio(time, event, 1 - group)
    assert one.value == pytest.approx(1 / other.value, rel=1e-9)
    assert one.low == pytest.approx(1 / other.high, rel=1e-9)


# ---------------------------------------------------------------- analytic values and the ends


def test_without_censoring_the_curve_counts_survivors():
    time = np.arange(1.0, 11)
    curve = kaplan_meier(time, np.ones(10))
    assert curve.survival == pytest.approx(1 - time / 10, abs=1e-12)
    assert median_survival(curve).value == 5  # exactly one half, in spite of rounding
    assert np.isnan(curve.low[-1])


def test_follow_up_is_not_shortened_by_deaths():
    time = np.array([1.0, 1, 1, 1, 10, 20, 30])
    event = np.array([1.0, 1, 1, 1, 0, 0, 0])
    assert median_follow_up(time, event) == 20  # of the three who could be followed
    assert np.isnan(median_follow_up(time, np.ones(7)))


def test_before_the_first_event_all_survive_for_certain():
    curve = kaplan_meier([1, 2, 3], [0, 1, 0])
    assert (curve.survival[0], curve.low[0], curve.high[0]) == (1, 1, 1)
    assert np.isnan(median_survival(kaplan_meier([1, 2], [0, 0])).value)


@pytest.mark.parametrize(
    ("time", "event", "group"),
    [
        ([1, 2, 3, 4], [1, 1, 0, 0], [1, 1, 0, 0]),
        ([1, 2, 3, 4], [1, 1, 1, 1], [1, 1, 1, 1]),
        ([1, 2, 3, 4], [0, 0, 0, 0], [1, 0, 1, 0]),
    ],
    ids=["events in one group", "one group", "no event"],
)
def test_no_finite_hazard_ratio_is_nan(time, event, group):
    found = hazard_ratio(time, event, group)
    assert np.isnan([found.value, found.low, found.high]).all()
    defined = len(set(group)) > 1 and any(event)
    assert np.isnan(log_rank(time, event, group)) != defined


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="group"):
        hazard_ratio([1, 2], [1, 1], [0, 2])
    with pytest.raises(InputError, match="equal length"):
        log_rank([1, 2], [1, 1], [0, 1, 1])
    with pytest.raises(InputError, match="0 or 1"):
        kaplan_meier([1, 2], [1, 2])
