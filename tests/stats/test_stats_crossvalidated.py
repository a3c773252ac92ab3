"""Figures of several components over folds: against scikit-learn fold by fold, and by theory."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import t
from sklearn.metrics import roc_auc_score

from petnet.errors import InputError
from petnet.outcome import Outcome
from petnet.stats.concordance import ordinal_c
from petnet.stats.crossvalidated import corrected_interval, fold_figures
from petnet.stats.discrimination import fold_aucs
from petnet.stats.headline import components

REPEATS, FOLDS, N = 3, 4, 80
LABELS = Outcome("multilabel", ("a", "b", "c"))


def held_out(seed=0):
    """Fold and repeat of every row, and the unit it is about."""
    rng = np.random.default_rng(seed)
    unit = np.concatenate([rng.permutation(N) for _ in range(REPEATS)])
    return unit, np.tile(np.arange(N) % FOLDS, REPEATS), np.repeat(np.arange(REPEATS), N)


def judged(outcome, target, prediction, fold, repeat):
    def judge(rows):
        found = components(outcome, target[rows], prediction[rows])
        return found.value, found.pairs

    return fold_figures(judge, fold, repeat)


def labels(seed=0):
    rng = np.random.default_rng(seed)
    unit, fold, repeat = held_out(seed)
    target = (rng.random((N, 3)) < [0.5, 0.3, 0.1]).astype(float)
    target[rng.random((N, 3)) < 0.1] = np.nan
    score = rng.normal(size=(unit.size, 3)) + np.nan_to_num(target[unit]) * [0.5, 1, 2]
    return target[unit], score, fold, repeat


def test_sklearn_macro_auc_within_folds():
    target, score, fold, repeat = labels()
    folds = judged(LABELS, target, score, fold, repeat)
    means, per_repeat = [], np.zeros((REPEATS, 3))
    for k in range(3):
        for r in range(REPEATS):
            values, pairs = [], []
            for f in range(FOLDS):
                rows = (fold == f) & (repeat == r) & ~np.isnan(target[:, k])
                positive = int(target[rows, k].sum())
                if 0 < positive < rows.sum():
                    values.append(roc_auc_score(target[rows, k], score[rows, k]))
                    pairs.append(positive * (rows.sum() - positive))
            per_repeat[r, k] = np.average(values, weights=pairs)
        means.append(per_repeat[:, k].mean())
    assert folds.components == pytest.approx(means, abs=1e-12)
    assert folds.mean == pytest.approx(np.mean(means), abs=1e-12)
    assert folds.per_repeat == pytest.approx(per_repeat.mean(axis=1), abs=1e-12)
    assert folds.share.sum(axis=0) == pytest.approx(1)
    for k in range(3):
        known = ~np.isnan(target[:, k])
        alone = fold_aucs(target[known, k], score[known, k], fold[known], repeat[known])
        assert folds.only(k).mean == pytest.approx(alone.mean, abs=1e-12)
        assert folds.only(k).per_repeat == pytest.approx(per_repeat[:, k], abs=1e-12)


def test_analytic_labels_in_equal_folds_are_the_published_formula_of_their_means():
    """Without missing labels and with equal counts, the macro AUC of each fold is what varies."""
    rng = np.random.default_rng(4)
    _, fold, repeat = held_out()
    truth = np.zeros((fold.size, 3))
    for r in range(REPEATS):
        for f in range(FOLDS):
            rows = np.flatnonzero((fold == f) & (repeat == r))
            for k, positive in enumerate((10, 6, 3)):
                truth[rng.choice(rows, positive, replace=False), k] = 1
    score = rng.normal(size=truth.shape) + truth
    folds = judged(LABELS, truth, score, fold, repeat)
    values = folds.value.mean(axis=1)
    count, size = REPEATS * FOLDS, N // FOLDS
    error = np.sqrt((1 / count + size / (N - size)) * values.var(ddof=1))
    found = corrected_interval(folds, 0.9)
    assert found.value == pytest.approx(values.mean(), abs=1e-12)
    half = t.ppf(0.95, count - 1) * error / (found.value * (1 - found.value))
    assert found.low == pytest.approx(expit(logit(found.value) - half), abs=1e-12)
    assert found.high == pytest.approx(expit(logit(found.value) + half), abs=1e-12)
    assert "includes refitting" in found.method
    assert "left out" not in found.method


def test_a_fold_that_lacks_an_easy_label_is_not_taken_for_a_bad_one():
    """The two labels differ, but neither varies between folds: there is no spread."""
    truth = np.tile([[0.0, 0.0], [0, 0], [1, 1], [1, 1]], (6, 1))
    score = np.tile([[0.0, 0.0], [2, 0], [1, 1], [3, 1]], (6, 1))  # AUC 3/4 and 1 in each fold
    fold = np.repeat(np.arange(6), 4)
    truth[:4, 1] = np.nan
    folds = judged(Outcome("multilabel", ("a", "b")), truth, score, fold, np.zeros(24))
    assert folds.value[1:].tolist() == [[0.75, 1.0]] * 5
    assert folds.mean == pytest.approx(0.875)
    assert folds.n_partial == 1
    found = corrected_interval(folds)
    assert np.isnan([found.low, found.high]).all()
    assert "1 of 6 folds lack a class or label" in found.method
    score[4, 0] = 1.5  # now one fold of the first label differs: 1/2
    assert corrected_interval(
        judged(Outcome("multilabel", ("a", "b")), truth, score, fold, np.zeros(24))
    ).low == pytest.approx(0.75, abs=0.2)


def test_folds_and_parts_that_cannot_be_judged_are_counted():
    target, score, fold, repeat = labels(3)
    target[:, 2] = np.nan  # never known
    target[(fold == 0) & (repeat == 1)] = np.nan  # nothing to compare
    folds = judged(LABELS, target, score, fold, repeat)
    assert (folds.n_skipped, len(folds.value)) == (1, REPEATS * FOLDS - 1)
    assert folds.only(2) is None
    assert folds.defined.tolist() == [True, True, False]
    assert folds.mean == pytest.approx(np.mean(folds.components[:2]))
    method = corrected_interval(folds).method
    assert "1 of 12 folds left out: nothing to compare" in method
    assert "1 of 3 parts never comparable" in method
    target[repeat == 1] = np.nan
    with pytest.raises(InputError, match="repeat 1"):
        judged(LABELS, target, score, fold, repeat)


# ---------------------------------------------------------------- simulation


@pytest.mark.full
@pytest.mark.parametrize("kind", ["ordinal", "survival", "multilabel", "multiclass"])
def test_simulation_the_interval_covers_the_figure_of_a_refitted_model(kind):
    """Ridge regression refitted in every fold; what is covered is its mean figure on new units."""
    rng = np.random.default_rng(6)
    trials, n = 150, 120
    outcome = Outcome(kind, ("risk",) if kind == "survival" else ("a", "b", "c"))
    found, truths = [], []
    for _ in range(trials):
        x, target, response = drawn(kind, n, rng)
        prediction = np.zeros((3 * n, outcome.outputs))
        fold, repeat, unit = [], [], []
        for r in range(3):
            order = rng.permutation(n)
            for f in range(5):
                test = order[f::5]
                train = np.setdiff1d(order, test)
                rows = slice(len(fold), len(fold) + test.size)
                prediction[rows] = fitted(kind, x[train], response[train], x[test])
                fold += [f] * test.size
                repeat += [r] * test.size
                unit += list(test)
        folds = judged(outcome, target[unit], prediction, np.array(fold), np.array(repeat))
        found.append(corrected_interval(folds))
        new, aim, _ = drawn(kind, 2000, rng)
        chosen = rng.permutation(n)[: n * 4 // 5]
        guess = fitted(kind, x[chosen], response[chosen], new)
        truths.append(components(outcome, aim, guess).value.mean())
    covered = np.mean([e.low <= np.mean(truths) <= e.high for e in found])
    assert np.mean([e.value for e in found]) == pytest.approx(np.mean(truths), abs=0.02)
    assert 0.89 <= covered <= 0.995, covered


def drawn(kind, n, rng):
    """Return six columns, of which three carry signal, the target, and what is regressed on."""
    x = rng.normal(size=(n, 6))
    latent = 0.7 * x[:, :3] + rng.normal(size=(n, 3))
    if kind == "multilabel":
        target = (latent > 0.5).astype(float)
        return x, target, target
    if kind == "multiclass":
        target = latent.argmax(axis=1).astype(float)
        return x, target, np.eye(3)[target.astype(int)]
    one = latent.sum(axis=1)
    if kind == "ordinal":
        target = np.digitize(one, [-0.5, 1.5]).astype(float)
        return x, target, target[:, None]
    time, censored = np.exp(-one), rng.exponential(3, n)
    target = np.column_stack([np.minimum(time, censored), time <= censored]).astype(float)
    return x, target, -np.log(target[:, :1])


def fitted(kind, x, response, new):
    design, beyond = (np.column_stack([np.ones(len(a)), a]) for a in (x, new))
    beta = np.linalg.solve(design.T @ design + np.eye(7), design.T @ response)
    score = beyond @ beta
    if kind == "multiclass":
        odds = np.exp(5 * score)
        return odds / odds.sum(axis=1, keepdims=True)
    if kind == "ordinal":  # probabilities of three classes with the expected index wanted
        share = np.clip(score[:, 0] / 2, 0, 1)
        return np.column_stack([1 - share, np.zeros_like(share), share])
    return score


def test_the_ordinal_trial_ranks_by_the_fitted_score():
    x, target, response = drawn("ordinal", 50, np.random.default_rng(0))
    guess = fitted("ordinal", x, response, x)
    value = components(Outcome("ordinal", ("a", "b", "c")), target, guess).value[0]
    assert value == pytest.approx(ordinal_c(target, guess[:, 2]))
