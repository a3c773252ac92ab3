"""Kinds of outcome: shapes, strata, decisions. Oracles are worked by hand."""

import numpy as np
import pytest

from petnet.errors import InputError
from petnet.outcome import Outcome

CLASSES = ("PD", "SD", "PR", "CR")


def test_names_of_columns_by_kind():
    assert Outcome("binary", ("her2",)).score_columns == ("probability",)
    assert Outcome("ordinal", CLASSES).score_columns[0] == "probability_PD"
    assert Outcome("ordinal", CLASSES).truth_columns == ("truth",)
    both = Outcome("multilabel", ("r0", "r1"))
    assert (both.truth_columns, both.columns) == (("truth_r0", "truth_r1"), 2)
    assert Outcome("survival", ("risk",)).truth_columns == ("time", "event")


@pytest.mark.parametrize(
    ("kind", "labels"),
    [("nominal", ("a",)), ("multiclass", ("a", "b")), ("multilabel", ("a",)), ("ordinal", "aab")],
)
def test_what_is_no_outcome_is_refused(kind, labels):
    with pytest.raises(InputError, match="outcome"):
        Outcome(kind, tuple(labels))


def test_known_units():
    nan = np.nan
    several = np.array([[1, nan], [nan, nan], [0, 1.0]])
    assert Outcome("multilabel", ("a", "b")).known(several).tolist() == [True, False, True]
    assert Outcome("survival", ("risk",)).known(several).tolist() == [False, False, True]
    assert Outcome().known(np.array([0.0, nan])).tolist() == [True, False]
    assert Outcome("survival", ("risk",)).empty(3).shape == (3, 2)


def test_what_a_part_lacks():
    assert Outcome().lacking(np.array([1.0, 1, np.nan])) == "only [1]"
    assert not Outcome().lacking(np.array([1.0, 0]))
    assert (
        Outcome("multiclass", CLASSES).lacking(np.array([0.0, 1, 2])) == "only ['PD', 'SD', 'PR']"
    )
    assert not Outcome("ordinal", CLASSES).lacking(np.array([0.0, 3]))
    both = np.array([[1, 1], [0, 1], [np.nan, np.nan]])
    assert Outcome("multilabel", ("a", "b")).lacking(both) == "label b: only [1]"
    assert not Outcome("multilabel", ("a", "b")).lacking(both, every_label=False)
    assert not Outcome("multilabel", ("a", "b")).unknown(both)
    never = np.array([[1, np.nan], [0, np.nan]])
    assert Outcome("multilabel", ("a", "b")).unknown(never).startswith("label b: no unit")
    assert not Outcome("binary").unknown(np.array([np.nan]))
    alone = Outcome("multilabel", ("a", "b")).lacking(np.ones((3, 2)), every_label=False)
    assert alone == "label a: only [1]"
    assert Outcome("survival", ("risk",)).lacking(np.array([[3.0, 0]])) == "no event"


def test_decisions_weigh_classes_equally():
    """A class counts by how much more probable it is than its share of the training part."""
    prediction = np.array([[0.3], [0.1]])
    assert Outcome().decide(prediction, [0.2]).tolist() == [1, 0]
    three = Outcome("multiclass", ("a", "b", "c"))
    assert three.decide(np.array([[0.6, 0.3, 0.1]]), [0.8, 0.15, 0.05]).tolist() == [1]
    # ratios 1, 1, 1, 9: half of their sum, 6, is reached in the last class
    rising = Outcome("ordinal", CLASSES)
    assert rising.decide(np.array([[0.3, 0.3, 0.3, 0.9]]) / 1.8, [0.3, 0.3, 0.3, 0.1]).tolist() == [
        3
    ]
    assert rising.decide(np.full((1, 4), 0.25), [0.25] * 4).tolist() == [1]
    both = Outcome("multilabel", ("a", "b"))
    assert both.decide(np.array([[0.5, 0.5]]), [0.4, 0.6]).tolist() == [[1, 0]]
    assert both.decide(np.array([[1.0, 0.0]]), [1.0, 0.0]).tolist() == [[1, 0]]
    assert Outcome("survival", ("risk",)).decide(np.array([[0.1], [-2]]), [0.0]).tolist() == [1, 0]


def test_shares_and_strata():
    target = np.array([0.0, 1, 1, 3, np.nan])
    assert Outcome("ordinal", CLASSES).base(target) == [0.25, 0.5, 0.0, 0.25]
    labels = np.array([[1, 1], [0, np.nan], [0, 0], [0, 1.0]])
    several = Outcome("multilabel", ("a", "b"))
    assert several.base(labels) == pytest.approx([0.25, 2 / 3])
    assert several.strata(labels).tolist() == [1, 0, 0, 1]
    # the median would set four units against 46, which no five folds can share
    ties = np.repeat([[0.0, 0], [1, 0], [1, 1]], [10, 36, 4], axis=0)
    assert np.bincount(several.strata(ties)).tolist() == [10, 40]
    assert several.strata(np.ones((3, 2))).tolist() == [0, 0, 0]
    assert Outcome("survival", ("r",)).strata(np.array([[3.0, 1], [2, 0]])).tolist() == [1, 0]
