"""C-indices against pairs counted one by one, scipy's Somers' D, and other programs' figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import somersd

from petnet.errors import InputError
from petnet.stats import concordance
from petnet.stats.concordance import (
    expected_class,
    harrell,
    harrell_c,
    ordinal,
    ordinal_c,
    weighted_harrell,
    weighted_ordinal,
)
from petnet.stats.discrimination import auc


def count_pairs(time, event, score):
    """Concordant and comparable pairs by the rules of R's survival, one by one."""
    concordant, comparable = 0.0, 0
    for i in range(len(time)):
        for j in range(len(time)):
            sooner = event[i] and time[i] < time[j]
            just_before = event[i] and not event[j] and time[i] == time[j]
            if sooner or just_before:
                comparable += 1
                concordant += 1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0
    return concordant, comparable


censored = st.integers(2, 30).flatmap(
    lambda n: st.tuples(
        *(
            st.lists(st.integers(0, high), min_size=n, max_size=n)
            for high in (6, 1, 4)  # few values: many ties of time and of score
        )
    )
)


@settings(max_examples=150, deadline=None)
@given(censored)
def test_brute_force_harrell_with_censoring_and_ties(data):
    time, event, score = (np.array(values, dtype=float) for values in data)
    found = harrell(time, event, score)
    concordant, comparable = count_pairs(time, event, score)
    assert (found.concordant, found.comparable) == (concordant, comparable)
    if comparable:
        assert harrell_c(time, event, score) == concordant / comparable
    else:
        assert np.isnan(found.index)
        with pytest.raises(InputError, match="comparable pairs"):
            harrell_c(time, event, score)


@settings(max_examples=150, deadline=None)
@given(censored)
def test_somersd_of_scipy_is_the_ordinal_index(data):
    truth, _, score = (np.array(values, dtype=float) for values in data)
    if np.ptp(truth) == 0:
        with pytest.raises(InputError, match="two classes"):
            ordinal_c(truth, score)
        return
    table = np.array(
        [[((truth == a) & (score == b)).sum() for b in np.unique(score)] for a in np.unique(truth)]
    )
    if min(table.shape) < 2:  # scipy wants two rows and columns; all scores tie
        assert ordinal_c(truth, score) == 0.5
        return
    assert ordinal_c(truth, score) == pytest.approx((somersd(table).statistic + 1) / 2, abs=1e-12)


def test_two_classes_give_the_auc():
    rng = np.random.default_rng(1)
    truth, score = rng.integers(0, 2, 90), rng.integers(0, 20, 90)
    assert ordinal_c(truth, score) == pytest.approx(auc(truth, score), abs=1e-14)


def test_blocks_of_rows_count_the_same(monkeypatch):
    rng = np.random.default_rng(2)
    time, event, score = rng.exponential(size=150), rng.integers(0, 2, 150), rng.normal(size=150)
    whole = harrell(time, event, score)
    monkeypatch.setattr(concordance, "BLOCK", 1000)
    assert harrell(time, event, score) == whole
    assert ordinal(event, score).comparable == event.sum() * (1 - event).sum()


@settings(max_examples=60, deadline=None)
@given(censored, st.integers(0, 2**31))
def test_weights_are_copies_of_units(data, seed):
    time, event, score = (np.array(values, dtype=float) for values in data)
    times = np.random.default_rng(seed).integers(0, 4, time.size)
    copied = harrell(*(np.repeat(values, times) for values in (time, event, score))).index
    if not times.sum():
        return
    found = weighted_harrell(time, event, score)(times)
    assert found == pytest.approx(copied, rel=1e-5, nan_ok=True)
    copied = ordinal(np.repeat(time, times), np.repeat(score, times)).index
    assert weighted_ordinal(time, score)(times) == pytest.approx(copied, rel=1e-5, nan_ok=True)


def test_the_expected_class_is_a_mean_of_indices():
    p = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    assert expected_class(p) == pytest.approx([0.3 + 2 * 0.5, 0.0])
    with pytest.raises(InputError, match="two dimensions"):
        expected_class(p[0])


@pytest.mark.parametrize(
    ("time", "event", "score"),
    [([1, 2], [1, 2], [0, 1]), ([1, np.nan], [1, 0], [0, 1]), ([1, 2, 3], [1, 0], [0, 1])],
    ids=["event of 2", "missing time", "unequal lengths"],
)
def test_bad_input_is_refused(time, event, score):
    with pytest.raises(InputError):
        harrell(time, event, score)
