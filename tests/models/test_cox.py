"""Cox regression against closed forms, published fits, statsmodels and brute force."""

import numpy as np
import pytest
from scipy.optimize import brentq
from statsmodels.duration.hazard_regression import PHReg

from petnet.errors import InputError
from petnet.models.cox import CoxRegression

# Therneau & Grambsch, Modeling Survival Data (2000), appendix E.2, "data set 1".
BOOK = {
    "time": [9, 1, 1, 6, 6, 8],
    "event": [1, 1, 0, 1, 1, 0],
    "x": [0, 1, 1, 1, 0, 0],
}
# Remission of leukaemia in weeks, control and 6-MP (Freireich et al. 1963, doi
# 10.1182/blood.V21.6.699.699; the data of Cox 1972). Censored times have a plus.
CONTROL = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"
TREATED = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"


def drawn(n=60, columns=4, ties=True, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, columns))
    time = rng.exponential(np.exp(-values[:, 0] + 0.5 * values[:, 1]))
    time = np.ceil(time * 4) if ties else time
    return values, np.column_stack([time, (rng.random(n) < 0.7).astype(float)])


def brute_force(beta, values, outcome):
    """Efron's log partial likelihood, term by term as he wrote it."""
    time, event = outcome.T
    risk = np.exp(values @ beta)
    total = 0.0
    for t in np.unique(time[event == 1]):
        deaths = np.flatnonzero((time == t) & (event == 1))
        total += float((values[deaths] @ beta).sum())
        for k in range(len(deaths)):
            at_risk = sum(risk[j] for j in range(len(time)) if time[j] >= t)
            total -= np.log(at_risk - k / len(deaths) * risk[deaths].sum())
    return total


def book():
    values = np.array(BOOK["x"], dtype=float)[:, None]
    return values, np.column_stack([BOOK["time"], BOOK["event"]]).astype(float)


def test_book_closed_form():
    """The score of Efron's likelihood is a cubic in exp(beta); R prints 1.676857."""
    (found,) = CoxRegression(alpha=0).fit(*book()).coef_
    root = np.log(np.cos(np.arccos(45 / 23 * np.sqrt(3 / 23)) / 3) * 2 * np.sqrt(23 / 3))
    assert found == pytest.approx(root, abs=1e-10)
    assert found == pytest.approx(1.676857, abs=1e-6)


@pytest.mark.parametrize("alpha", [0.1, 1.0, 30.0])
def test_book_closed_form_with_a_penalty(alpha):
    """The book's score minus alpha times beta: the scaling of the penalty is fixed by this."""

    def score(beta):
        r = np.exp(beta)
        return (30 + 23 * r - r**3) / ((r + 1) * (r + 3) * (r + 5)) - alpha * beta

    (found,) = CoxRegression(alpha=alpha).fit(*book()).coef_
    assert found == pytest.approx(brentq(score, -5, 5, xtol=1e-14), abs=1e-10)


def test_published_leukaemia():
    """R: coxph(Surv(time, cens) ~ treat, MASS::gehan), Efron: 1.572, hazard ratio 4.82."""
    rows = [(float(t.rstrip("+")), "+" not in t, 1.0) for t in CONTROL.split()]
    rows += [(float(t.rstrip("+")), "+" not in t, 0.0) for t in TREATED.split()]
    table = np.array(rows)
    assert (len(table), table[:, 1].sum()) == (42, 30)
    (found,) = CoxRegression(alpha=0).fit(table[:, 2:], table[:, :2]).coef_
    assert found == pytest.approx(1.572, abs=5e-4)
    assert np.exp(found) == pytest.approx(4.82, abs=5e-3)


@pytest.mark.parametrize("ties", [True, False])
def test_without_a_penalty_equals_statsmodels(ties):
    values, outcome = drawn(ties=ties)
    found = CoxRegression(alpha=0).fit(values, outcome)
    oracle = PHReg(outcome[:, 0], values, status=outcome[:, 1], ties="efron")
    np.testing.assert_allclose(found.coef_, oracle.fit(tol=1e-12).params, atol=1e-6)
    tiny = CoxRegression(alpha=1e-9).fit(values, outcome)
    np.testing.assert_allclose(tiny.coef_, found.coef_, atol=1e-6)


@pytest.mark.parametrize(("n", "columns"), [(60, 4), (25, 40)])
def test_the_gradient_of_the_penalised_likelihood_is_zero(n, columns):
    """By central differences of the brute force; with more columns than units too."""
    values, outcome = drawn(n, columns)
    alpha, h = 3.0, 1e-5
    found = CoxRegression(alpha=alpha).fit(values, outcome).coef_
    assert np.abs(found).max() > 0.05
    for k in range(columns):
        step = h * np.eye(columns)[k]
        rise = brute_force(found + step, values, outcome) - brute_force(
            found - step, values, outcome
        )
        assert rise / (2 * h) == pytest.approx(alpha * found[k], abs=1e-5)


def test_wide_tables_have_the_solution_of_the_square_ones():
    """Columns that repeat others: the penalty shares the coefficient out among the copies."""
    values, outcome = drawn(20, 4)
    once = CoxRegression(alpha=1.0).fit(values, outcome).coef_
    copied = CoxRegression(alpha=1.0).fit(np.tile(values, 9) / 3, outcome).coef_
    np.testing.assert_allclose(copied, np.tile(once, 9) / 3, atol=1e-9)


def test_log_hazards_are_centred_on_the_training_part():
    values, outcome = drawn()
    found = CoxRegression(alpha=1.0).fit(values + 7, outcome)
    assert found.predict(values + 7).mean() == pytest.approx(0, abs=1e-12)
    moved = found.predict(values + 7 + np.eye(4)[0]) - found.predict(values + 7)
    np.testing.assert_allclose(moved, found.coef_[0], atol=1e-12)


def test_extreme_covariates_do_not_overflow():
    values, outcome = drawn()
    values[0] *= 1e4
    found = CoxRegression(alpha=1.0).fit(values, outcome)
    assert np.isfinite(found.coef_).all()


def test_a_table_without_columns_predicts_the_mean():
    _, outcome = drawn()
    found = CoxRegression().fit(np.zeros((60, 0)), outcome)
    np.testing.assert_array_equal(found.predict(np.zeros((3, 0))), np.zeros(3))


def test_separation_without_a_penalty_is_named():
    """The earlier, the larger: the likelihood rises for ever."""
    values = np.arange(10.0)[:, None]
    outcome = np.column_stack([10 - np.arange(10.0), np.ones(10)])
    with pytest.raises(InputError, match=r"alpha 0: expected convergence.*Raise alpha"):
        CoxRegression(alpha=0).fit(values, outcome)
    assert np.isfinite(CoxRegression(alpha=0.1).fit(values, outcome).coef_).all()


def test_a_constant_column_without_a_penalty_is_named():
    values, outcome = drawn()
    with pytest.raises(InputError, match="convergence"):
        CoxRegression(alpha=0).fit(np.column_stack([values, np.ones(60)]), outcome)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"event": 0}, "event: expected at least one"),
        ({"event": 2}, "event: expected 1 or 0"),
        ({"values": np.nan}, "finite"),
        ({"alpha": -1}, "alpha: expected 0 or more"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, message):
    values, outcome = drawn()
    outcome[:, 1] = change.get("event", outcome[:, 1])
    values[0, 0] = change.get("values", 0)
    with pytest.raises(InputError, match=message):
        CoxRegression(alpha=change.get("alpha", 1)).fit(values, outcome)
