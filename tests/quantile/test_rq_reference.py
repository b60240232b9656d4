"""Quantile regression against R quantreg 5.94 (R 4.2.2); calls in tests/reference/quantile/make.R."""

import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.quantile import replicas
from statinf.quantile.rank_inversion import rank_intervals

FOLDER = Path(__file__).parents[1] / "reference" / "quantile"
BARRO = "`y.net` ~ lgdp2 + mse2 + fse2 + fhe2 + mhe2 + lexp2 + lintr2 + gedy2 + Iy2 + gcony2 + lblakp2 + pol2 + ttrad2"
FORMULAS = {
    "engel": "foodexp ~ income",
    "barro": BARRO,
    "boston": "medv ~ lstat + rm + crim + nox",
    "cobar": "z ~ x + y",
    "engel_weighted": "foodexp ~ income",
}
TAUS = np.array([0.1, 0.25, 0.5, 0.75, 0.9])


@cache
def numbers():
    return pd.read_csv(FOLDER / "numbers.csv")


@cache
def fit(name, rule="hall-sheather"):
    frame = pd.read_csv(FOLDER / f"{name.split('_')[0]}.csv")
    weights = 1 / frame["income"] if "weighted" in name else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return si.rq(FORMULAS[name], frame, tau=TAUS, weights=weights, bandwidth=rule)


def reference(name, what, tau):
    rows = numbers()
    return rows.loc[(rows.data == name) & (rows.what == what) & (rows.tau == tau), "value"].to_numpy()


def arrays(name):
    made = fit(name)
    return np.ascontiguousarray(made.design.parts[0].values), made.design.y, made.coef


@pytest.mark.parametrize("name", FORMULAS)
def test_coefficients_and_objective(name):
    made = fit(name)
    for k, tau in enumerate(TAUS):
        np.testing.assert_allclose(made.coef[k], reference(name, "coef", tau), rtol=1e-8, atol=1e-10)
        if "weighted" not in name:  # R's rho leaves the weights out
            np.testing.assert_allclose(made.objective[k], reference(name, "objective", tau)[0], rtol=1e-10)


@pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")
@pytest.mark.parametrize("rule", ["hall-sheather", "bofinger"])
@pytest.mark.parametrize("kind", ["iid", "nid", "ker"])
@pytest.mark.parametrize("name", FORMULAS)
def test_standard_errors(name, kind, rule):
    made = fit(name, rule).with_vcov(kind)
    errors = made.std_errors.to_numpy().reshape(len(TAUS), -1)
    p = made.pvalues.to_numpy().reshape(len(TAUS), -1)
    for k, tau in enumerate(TAUS):
        what = kind if rule == "hall-sheather" else f"{kind}_bofinger"
        np.testing.assert_allclose(errors[k], reference(name, what, tau), rtol=1e-8)
        if rule == "hall-sheather":
            np.testing.assert_allclose(p[k], reference(name, f"{kind}_pvalue", tau), rtol=1e-6, atol=1e-12)


@pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")
@pytest.mark.parametrize("reference_law", ["t", "z"])
@pytest.mark.parametrize("kind", ["iid", "nid"])
@pytest.mark.parametrize("name", ["engel", "barro", "boston"])
def test_rank_inversion(name, kind, reference_law):
    from scipy.stats import norm, t

    X, y, _ = arrays(name)
    critical = norm.ppf(0.975) if reference_law == "z" else t.ppf(0.975, len(y) - X.shape[1])
    for tau in TAUS:
        limits = rank_intervals(X, y, tau, critical, iid=kind == "iid")
        for side, end in enumerate(("low", "high")):
            np.testing.assert_allclose(
                limits[:, side], reference(name, f"rank_{kind}_{reference_law}_{end}", tau), rtol=1e-6
            )


def park_miller(count):
    state, out = 12345, np.empty(count)
    for i in range(count):
        state = 16807 * state % 2147483647
        out[i] = state / 2147483647
    return out


@pytest.mark.parametrize("kind", ["xy", "wxy", "pwy"])
@pytest.mark.parametrize("name", ["engel", "barro", "boston"])
def test_bootstraps_on_fixed_draws(name, kind):
    X, y, coef = arrays(name)
    n = len(y)
    u = park_miller(n * 100).reshape(100, n)
    if kind == "pwy":
        made = replicas.gradient_replicas(X, y, TAUS, coef, u)
    else:
        weights = (
            -np.log(u)
            if kind == "wxy"
            else np.stack([np.bincount(np.floor(n * r).astype(int), minlength=n) for r in u]).astype(float)
        )
        made = replicas.weighted_replicas(X, y, TAUS, coef, weights)
    # R solves pwy on barro by an interior point method whose last digits show in a few of its 100 draws.
    tolerance = 2e-4 if (name, kind) == ("barro", "pwy") else 1e-8
    for k, tau in enumerate(TAUS):
        np.testing.assert_allclose(made[:, k].std(axis=0, ddof=1), reference(name, f"boot_{kind}", tau), rtol=tolerance)


def test_cluster_bootstrap_on_fixed_draws():
    sheet = pd.read_csv(FOLDER / "engel_quantreg.csv")
    expected = sheet[(sheet.method == "boot_cluster_fixedU") & (sheet.tau == 0.5)].std_error.astype(float).to_numpy()
    made = fit("engel")
    X, y, coef = arrays("engel")
    multipliers = replicas.mammen(park_miller(47 * 200).reshape(200, 47))
    psi = (y - X @ coef[2] < -1e-9) - 0.5
    drawn = replicas.cluster_replicas(
        X, y, TAUS[2:3], made.coef[2:3], psi[None], np.repeat(np.arange(47), 5), multipliers
    )
    np.testing.assert_allclose(drawn[:, 0].std(axis=0, ddof=1), expected, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")
@pytest.mark.parametrize("name", ["engel", "barro", "boston"])
def test_equal_slopes(name):
    rows = numbers()
    statistic, p = rows.loc[(rows.data == name) & (rows.what == "equal_slopes_F"), "value"]
    frame = pd.read_csv(FOLDER / f"{name}.csv")
    test = si.rq(FORMULAS[name], frame, tau=[0.25, 0.5, 0.75]).equal_slopes()
    assert test.statistic == pytest.approx(statistic, rel=1e-6)
    assert test.p_value == pytest.approx(p, rel=1e-5)


def test_confidence_limits_of_predictions():
    made = si.rq("foodexp ~ income", si.datasets.load("engel"))
    shown = made.predict(pd.DataFrame({"income": [500, 1000, 2000]}), interval="confidence")
    rows = numbers()
    for column, what in {"q0.5": "fit", "q0.5_conf_low": "lower", "q0.5_conf_high": "higher"}.items():
        expected = rows.loc[(rows.data == "engel") & (rows.what == f"predict_{what}"), "value"]
        np.testing.assert_allclose(shown[column], expected, rtol=1e-8)


def test_nested_models():
    expected = numbers().loc[lambda r: r.what == "anova_nested_F", "value"].iloc[0]
    assert si.rq("foodexp ~ income", si.datasets.load("engel")).test("income = 0").statistic == pytest.approx(
        expected, rel=1e-8
    )
