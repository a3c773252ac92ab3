"""Cross-validation: every unit held out once per repeat, and resumed after a finished fold."""

import pandas as pd
import pytest
from cases import factory, samples

from petnet.cohort import make_splits
from petnet.errors import InputError
from petnet.evaluation.crossval import Procedure, cross_validate


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    data = samples(n=72)
    splits = make_splits(data.ids, data.groups, data.target, 3, 2, 1)
    run = tmp_path_factory.mktemp("run")
    procedure = Procedure(factory("lr"), seed=1, inner=3)
    return data, splits, run, procedure, cross_validate(procedure, data, splits, run)


def test_each_unit_is_predicted_once_per_repeat_by_models_that_did_not_see_it(trained):
    data, splits, _, _, table = trained
    assert (table.groupby(["unit", "repeat"]).size() == 1).all()
    assert len(table) == 2 * len(data)
    held_out = splits.table.merge(table, on=["repeat", "fold", "unit"])
    assert len(held_out) == len(table)


class Interrupted(Exception):
    pass


def test_an_interrupted_run_ends_with_the_same_predictions(trained, tmp_path):
    data, splits, _, procedure, whole = trained
    made = []

    def fails_at_the_third():
        made.append(1)
        if len(made) == 3:
            raise Interrupted
        return procedure.factory()

    broken = Procedure(fails_at_the_third, procedure.seed, procedure.inner)
    with pytest.raises(Interrupted):
        cross_validate(broken, data, splits, tmp_path)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("folds/*/predictions.csv")}
    assert len(stamps) == 2
    pd.testing.assert_frame_equal(cross_validate(procedure, data, splits, tmp_path), whole)
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps


def test_splits_of_other_units_are_refused(trained, tmp_path):
    data, splits, _, procedure, _ = trained
    with pytest.raises(InputError, match="splits"):
        cross_validate(procedure, data.take(range(40)), splits, tmp_path)
