"""The leak audit of the deep models, for every kind of outcome: passed, or failed if they leak."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cases import KINDS, factory, samples

from petnet.cohort import make_splits
from petnet.cohort.splits import Fold
from petnet.evaluation.audit import leak_audit
from petnet.evaluation.crossval import Procedure
from petnet.models import deep


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def lesions(kind):
    """Three lesions of each patient, and two folds that keep patients whole."""
    data = samples(48, kind=kind, per_patient=3)
    strata = data.outcome.strata(data.target)
    splits = make_splits(data.ids, data.groups, strata, 3, 1, 1)
    return data, list(splits.folds())[:2]


@pytest.mark.parametrize("kind", KINDS)
def test_passes_for_fusion_of_every_kind(kind, tmp_path):
    data, folds = lesions(kind)
    audits = leak_audit(Procedure(factory("fusion"), seed=1).fit, data, folds, tmp_path)
    assert all(audit.passed for audit in audits), audits
    assert all(audit.files >= 3 for audit in audits)


@pytest.mark.parametrize("kind", KINDS)
def test_fails_for_fusion_with_one_held_out_unit(kind, tmp_path):
    data, folds = lesions(kind)

    def leaky(given, fold, folder):
        more = Fold(fold.repeat, fold.fold, np.append(fold.train, fold.test[0]), fold.test)
        Procedure(factory("fusion"), seed=1).fit(given, more, folder)

    assert not any(audit.passed for audit in leak_audit(leaky, data, folds[:1], tmp_path))


@pytest.mark.parametrize("kind", KINDS)
def test_fails_for_a_head_that_knows_everyone(kind, tmp_path, monkeypatch):
    """The smallest leak there is: base rates, for survival the mean time, of all units."""
    data, folds = lesions(kind)
    learned = deep.learned_head

    def leaky(given, fold, folder):
        def learned_of_all(outcome, target):
            head = learned(outcome, given.target)
            if kind != "survival":
                return head
            return replace(head, shares=(float(given.target[:, 0].mean()),))

        monkeypatch.setattr(deep, "learned_head", learned_of_all)
        Procedure(factory("fusion"), seed=1).fit(given, fold, folder)

    audits = leak_audit(leaky, data, folds[:1], tmp_path)
    assert not any(audit.passed for audit in audits)
    assert all("model/model.json" in audit.changed for audit in audits), audits
