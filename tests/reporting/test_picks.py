"""Which units are shown: by hand on small examples."""

import numpy as np
import pytest

from petnet.outcome import Outcome
from petnet.reporting.picks import Standing, chosen_units, picks_of, standing_of

ORDINAL = Outcome("ordinal", ("PD", "SD", "PR"))


def test_standing_of_each_kind_by_hand():
    binary = standing_of(Outcome(), np.array([[0.2], [0.9]]), np.array([1.0, np.nan]))
    np.testing.assert_allclose(binary.rank, [0.2, 0.9])
    np.testing.assert_allclose(binary.error, [0.8, np.nan])
    p = np.array([[0.5, 0.25, 0.25], [0.0, 0.1, 0.9]])
    ordinal = standing_of(ORDINAL, p, np.array([2.0, 2.0]))
    np.testing.assert_allclose(ordinal.rank, [0.75, 1.9])
    np.testing.assert_allclose(ordinal.error, [1.25, 0.1])
    multiclass = standing_of(Outcome("multiclass", ("a", "b", "c")), p, np.array([1.0, np.nan]))
    np.testing.assert_allclose(multiclass.rank, [0.5, 0.9])
    np.testing.assert_allclose(multiclass.error, [0.75, np.nan])
    labels = standing_of(
        Outcome("multilabel", ("a", "b")),
        np.array([[0.2, 0.6], [0.4, 0.4]]),
        np.array([[1.0, np.nan], [np.nan, np.nan]]),
    )
    np.testing.assert_allclose(labels.rank, [0.4, 0.4])
    np.testing.assert_allclose(labels.error, [0.8, np.nan])
    survival = standing_of(
        Outcome("survival", ("risk",)), np.array([[-1.0], [2.0]]), np.ones((2, 2))
    )
    np.testing.assert_allclose(survival.rank, [-1, 2])
    assert np.isnan(survival.error).all()


def test_picks_are_wrong_then_highest_then_lowest_and_no_unit_twice():
    rank = np.arange(14) / 13
    error = np.where(np.isin(np.arange(14), (0, 5, 6)), 0.6 + np.arange(14) / 100, 0.1)
    picks = picks_of(Outcome(), Standing(rank, error), range(14))
    assert [(p.row, p.why) for p in picks] == [
        (6, "wrong"), (5, "wrong"), (0, "wrong"),
        (13, "highest"), (12, "highest"), (11, "highest"), (10, "highest"),
        (1, "lowest"), (2, "lowest"), (3, "lowest"), (4, "lowest"),
    ]  # fmt: skip


def test_a_risk_is_never_wrong():
    standing = Standing(np.array([0.0, 1.0, 2.0]), np.full(3, np.nan))
    picks = picks_of(Outcome("survival", ("risk",)), standing, range(3))
    assert [(p.row, p.why) for p in picks] == [(2, "highest"), (1, "highest"), (0, "lowest")]


def test_a_run_keeps_both_ends_and_the_most_wrong():
    rank, error = np.arange(20.0), np.zeros(20)
    error[[7, 9, 19]] = (3, 2, 4)
    chosen = chosen_units(Standing(rank, error), 6)
    assert chosen[:4] == [19, 18, 0, 1]
    assert chosen[4:] == [7, 9]


@pytest.mark.parametrize("known", [True, False])
def test_units_without_truth_are_not_the_most_wrong(known):
    error = np.full(20, np.nan)
    if known:
        error[3] = 0.1
    chosen = chosen_units(Standing(np.arange(20.0), error), 9)
    assert len(chosen) == len(set(chosen)) == 9
    assert chosen[:6] == [19, 18, 17, 0, 1, 2]
    assert chosen[6] == (3 if known else 16)
