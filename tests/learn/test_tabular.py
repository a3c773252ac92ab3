"""The table encoder against scikit-learn and pandas."""

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from petnet.errors import InputError
from petnet.learn.tabular import TableEncoder, choose_columns, uncorrelated_columns


@pytest.fixture
def frame():
    rng = np.random.default_rng(3)
    made = pd.DataFrame(rng.normal(5, 2, size=(60, 4)), columns=list("abcd"))
    made.loc[[1, 5], "b"] = np.nan
    made["site"] = pd.Categorical(rng.choice(["x", "y", "z"], 60), categories=["x", "y", "z"])
    made["stage"] = pd.Categorical(
        rng.choice(["T1", "T2", "T3"], 60), categories=["T1", "T2", "T3"], ordered=True
    )
    made.loc[7, "site"] = None
    made.loc[8, "stage"] = None
    return made


def test_numbers_equal_scikit_learn(frame):
    train, test = frame.iloc[:40], frame.iloc[40:]
    encoder = TableEncoder().fit(train)
    columns = list("abcd")
    imputer = SimpleImputer(strategy="median").fit(train[columns])
    scaler = StandardScaler().fit(imputer.transform(train[columns]))
    oracle = scaler.transform(imputer.transform(test[columns])).clip(-5, 5)
    made = pd.DataFrame(encoder.transform(test), columns=encoder.names)
    np.testing.assert_allclose(made[columns].to_numpy(), oracle, rtol=1e-12)


def test_categories_and_gaps(frame):
    encoder = TableEncoder().fit(frame)
    made = pd.DataFrame(encoder.transform(frame), columns=encoder.names)
    oracle = pd.get_dummies(frame["site"], dtype=float).to_numpy()
    np.testing.assert_array_equal(made[["site=x", "site=y", "site=z"]].to_numpy(), oracle)
    assert made["b missing"].sum() == 2
    assert made["stage missing"].sum() == 1
    ranks = made["stage"][frame["stage"].notna()].rank(method="dense")
    assert ranks.corr(frame["stage"].cat.codes[frame["stage"].notna()]) == pytest.approx(1)


def test_level_numbers_expand_to_the_one_hot_table(frame):
    hot, numbered = TableEncoder().fit(frame), TableEncoder(one_hot=False).fit(frame)
    table = numbered.transform(frame)
    assert [numbered.names[i] for i in numbered.discrete] == ["b missing", "stage missing", "site"]
    np.testing.assert_array_equal(numbered.expand(table), hot.transform(frame))


def test_state_survives_json(frame):
    import json

    encoder = TableEncoder(0.9).fit(frame)
    again = TableEncoder.from_state(json.loads(json.dumps(encoder.state())))
    np.testing.assert_array_equal(again.transform(frame), encoder.transform(frame))


def test_correlated_and_constant_columns_go(frame):
    frame["twin"] = frame["a"] ** 3 + 2
    frame["flat"] = 4.0
    frame["empty"] = np.nan
    names = TableEncoder(max_correlation=0.95).fit(frame).names
    assert {"twin", "flat", "empty"}.isdisjoint(names)
    assert {"a", "b", "c", "d"} <= set(names)


def test_kept_columns_are_pairwise_below_the_limit_by_scipy():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    values = rng.normal(size=(80, 12)) @ rng.normal(size=(12, 12))
    names = [f"f{i}" for i in range(12)]
    kept = uncorrelated_columns(values, names, 0.4)
    rho = np.abs(spearmanr(values).statistic)
    for i, name in enumerate(names):
        earlier = [names.index(k) for k in kept if names.index(k) < i]
        assert (name in kept) == (not (rho[i, earlier] > 0.4).any())


def test_statistics_come_from_the_training_part_alone(frame):
    train, shifted = frame.iloc[:40], frame.copy()
    shifted.loc[40:, list("abcd")] += 1000.0
    np.testing.assert_array_equal(
        TableEncoder().fit(train).transform(train),
        TableEncoder().fit(shifted.iloc[:40]).transform(train),
    )


def test_refuses_absent_columns_and_idle_patterns(frame):
    encoder = TableEncoder().fit(frame)
    with pytest.raises(InputError, match="table without"):
        encoder.transform(frame.drop(columns="a"))
    with pytest.raises(InputError, match="matches none"):
        choose_columns(["a", "b"], ["c*"], "table")
    assert choose_columns(["ab", "b", "ac"], ["a*"], "table") == ["ab", "ac"]
