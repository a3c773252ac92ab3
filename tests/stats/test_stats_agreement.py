"""Figures of decisions against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
)
from sklearn.metrics import confusion_matrix as sklearn_confusion

from petnet.errors import InputError
from petnet.stats.agreement import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    quadratic_kappa,
)


@pytest.mark.parametrize("seed", range(5))
def test_sklearn(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, 70)
    decision = np.clip(truth + rng.integers(-1, 3, 70), 0, 3)
    found = confusion_matrix(truth, decision, 4)
    assert found.tolist() == sklearn_confusion(truth, decision).tolist()
    assert accuracy(found) == pytest.approx(accuracy_score(truth, decision))
    assert balanced_accuracy(found) == pytest.approx(balanced_accuracy_score(truth, decision))
    kappa = cohen_kappa_score(truth, decision, weights="quadratic")
    assert quadratic_kappa(found) == pytest.approx(kappa, abs=1e-12)


def test_two_classes_have_the_published_kappa_of_cohen():
    """Cohen 1960 (doi 10.1177/001316446002000104): weights do not matter with two classes."""
    table = np.array([[20.0, 5], [10, 15]])
    assert quadratic_kappa(table) == pytest.approx(0.4)


def test_undefined_figures_are_nan():
    assert np.isnan(quadratic_kappa(confusion_matrix([1, 1], [1, 1], 3)))
    assert np.isnan(balanced_accuracy(confusion_matrix([0, 1], [0, 2], 3)))
    assert np.isnan(accuracy(np.zeros((3, 3))))


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="decision"):
        confusion_matrix([0, 1], [0, 3], 3)
    with pytest.raises(InputError, match="equal length"):
        confusion_matrix([0, 1], [0, 1, 2], 3)
