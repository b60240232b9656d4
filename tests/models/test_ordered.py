"""si.ordered against MASS, statsmodels, si.presto and the law itself, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

import statinf as si
from models.limited import DATA, SEARCHED, STATSMODELS, R, close, covariances_close, scores_by_differences
from statinf.numerics.limited.links import LINKS

FORMULA = "grade ~ x + z + g"
LAWS = {
    "logit": stats.logistic, "probit": stats.norm, "cloglog": stats.gumbel_l, "loglog": stats.gumbel_r, "cauchit": stats.cauchy
}  # fmt: skip


@pytest.mark.parametrize(
    ("link", "method"), [("logit", "logistic"), ("probit", "probit"), ("cloglog", "cloglog"), ("loglog", "loglog")]
)
def test_estimates_errors_and_probabilities_are_polrs(link, method):
    fit, theirs = si.ordered(FORMULA, DATA, link=link), R[f"polr {method}"]
    close(fit.theta, theirs["coef"] + theirs["zeta"], SEARCHED)
    covariances_close(fit.cov.matrix, theirs["vcov"], SEARCHED)
    close(-2 * fit.loglik, theirs["deviance"], 1e-11)
    close(fit.predict(DATA.head(3)), theirs["probabilities"], SEARCHED)
    if "HC0" in theirs:
        covariances_close(fit.with_vcov("HC0").cov.matrix, theirs["HC0"], SEARCHED)


@pytest.mark.parametrize(
    ("name", "formula", "options"),
    [("polr weighted", FORMULA, {"weights": "k"}), ("polr offset", "grade ~ z + g + offset(x)", {})],
)
def test_weights_and_offsets_are_polrs(name, formula, options):
    fit, theirs = si.ordered(formula, DATA, **options), R[name]
    close(fit.theta, theirs["coef"] + theirs["zeta"], SEARCHED)
    covariances_close(fit.cov.matrix, theirs["vcov"], SEARCHED)
    close(-2 * fit.loglik, theirs["deviance"], 1e-11)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_estimates_are_statsmodels(link):
    fit, theirs = si.ordered(FORMULA, DATA, link=link), STATSMODELS[f"OrderedModel {link}"]
    close(fit.theta, theirs["coef"] + theirs["cuts"], 1e-6)
    close(fit.std_errors.iloc[:4], theirs["errors"], SEARCHED)


def test_presto_without_a_penalty_has_the_opposite_sign():
    fit = si.ordered(FORMULA, DATA, vcov={"cluster": "id"})
    other = si.presto(FORMULA, DATA, penalty=0, parallel=True, vcov={"cluster": "id"})
    close(fit.theta, other.theta * np.repeat([-1.0, 1.0], [4, 3]))
    close(fit.std_errors, other.std_errors)
    assert fit.loglik == pytest.approx(other.loglik, rel=1e-12)
    assert fit.null_loglik == pytest.approx(other.null_loglik, rel=1e-12)


def log_probabilities(fit, link, columns):
    """Rows' log-likelihoods as a function of slopes and cutpoints, from scipy's distribution."""
    law, codes = LAWS[link], DATA["grade"].to_numpy() - 1

    def function(theta):
        cuts = np.concatenate([[-np.inf], theta[columns.shape[1] :], [np.inf]])
        eta = columns @ theta[: columns.shape[1]]
        return np.log(law.cdf(cuts[codes + 1] - eta) - law.cdf(cuts[codes] - eta))

    return function


@pytest.mark.parametrize("link", LINKS)
def test_scores_and_weighted_sandwich_by_differences(link):
    fit = si.ordered("grade ~ x + z", DATA, link=link, weights="w", vcov="HC0")
    rows, w = log_probabilities(fit, link, DATA[["x", "z"]].to_numpy()), DATA["w"].to_numpy()
    scores = scores_by_differences(rows, fit.theta)
    assert fit.loglik == pytest.approx(float(w @ rows(fit.theta)), rel=1e-12)
    assert np.abs(w @ scores).max() < 1e-6
    hessian = scores_by_differences(lambda t: w @ scores_by_differences(rows, t, 1e-4), fit.theta, 1e-4)
    influence = np.linalg.solve(-hessian, (w[:, None] * scores).T)
    covariances_close(fit.cov.matrix, influence @ influence.T, 1e-5)
    assert fit.cov.label == "HC0"


@pytest.mark.parametrize("link", LINKS)
def test_laws_keep_their_digits_in_both_tails(link):
    law, own, x = LINKS[link], LAWS[link], np.array([-30.0, -5.0, -0.3, 0.0, 0.7, 3.0, 30.0])
    close(law.log_below(x), own.logcdf(x), 1e-10)
    close(law.log_above(x), own.logsf(x), 1e-10)
    close(law.log_density(x), own.logpdf(x), 1e-12)
    inside = np.array([-1.5, 0.2, 1.1])
    slope = (own.logpdf(inside + 1e-5) - own.logpdf(inside - 1e-5)) / 2e-5
    close(law.bend(inside), slope, 1e-8)
    close(law.quantile(own.cdf(inside)), inside, 1e-12)


def test_brants_test_is_that_of_binary_fits():
    data = DATA.assign(q=(DATA["g"] == "q") * 1.0)
    fit = si.ordered("grade ~ x + q", data)
    X = np.column_stack([np.ones(len(data)), data["x"], data["q"]])
    slopes, pi = [], []
    for k in (1, 2, 3):
        one = si.glm("above ~ x + q", data.assign(above=(data["grade"] > k) * 1.0), family="binomial")
        slopes.append(one.theta[1:])
        pi.append(one.fitted)

    def cross(a, b):
        return (X * (pi[b] - pi[a] * pi[b])[:, None]).T @ X

    bread = [np.linalg.inv(cross(k, k)) for k in range(3)]
    joint = np.block(
        [[(bread[a] @ cross(min(a, b), max(a, b)) @ bread[b])[1:, 1:] for b in range(3)] for a in range(3)]
    )
    difference = np.kron(np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]), np.eye(2))
    gap = difference @ np.concatenate(slopes)
    found = fit.test_parallel()
    assert found.df == 4
    assert found.statistic == pytest.approx(gap @ np.linalg.solve(difference @ joint @ difference.T, gap), rel=1e-8)
    each = difference[[0, 2]]
    gap = each @ np.concatenate(slopes)
    assert fit.test_parallel("x").statistic == pytest.approx(
        gap @ np.linalg.solve(each @ joint @ each.T, gap), rel=1e-8
    )
    with pytest.raises(si.OptionError, match="'nonsense' is not a column"):
        fit.test_parallel("nonsense")


def test_the_robust_test_of_parallel_slopes_is_that_of_joined_fits():
    fit = si.ordered("grade ~ x + z", DATA, vcov={"cluster": "id", "type": "HC0"})
    binary = [
        si.glm("above ~ x + z", DATA.assign(above=(DATA["grade"] > k) * 1.0), family="binomial") for k in (1, 2, 3)
    ]
    parts = np.concatenate([one.influence for one in binary], axis=1)
    sums = pd.DataFrame(parts).groupby(DATA["id"]).sum().to_numpy()
    groups = len(sums)
    joint = groups / (groups - 1) * sums.T @ sums
    at = np.array([1, 2, 4, 5, 7, 8])
    theta = np.concatenate([one.theta for one in binary])[at]
    difference = np.kron(np.array([[-1.0, 1.0, 0.0], [0.0, -1.0, 1.0]]), np.eye(2))
    gap = difference @ theta
    wald = gap @ np.linalg.solve(difference @ joint[np.ix_(at, at)] @ difference.T, gap)
    assert fit.test_parallel().statistic == pytest.approx(wald, rel=1e-7)


def test_the_order_of_classes():
    named = DATA.assign(grade=DATA["grade"].map({1: "low", 2: "mid", 3: "high", 4: "top"}))
    order = ["low", "mid", "high", "top"]
    first = si.ordered("grade ~ x", DATA)
    given = si.ordered("grade ~ x", named, levels=order)
    declared = si.ordered("grade ~ x", named.assign(grade=pd.Categorical(named["grade"], order, ordered=True)))
    frame = pl.from_pandas(named).with_columns(pl.col("grade").cast(pl.Enum(order)))
    for fit in (given, declared, si.ordered("grade ~ x", frame)):
        close(fit.theta, first.theta, 1e-10)
        assert fit.levels == tuple(order) and fit.terms[-1] == "high|top"
    assert list(given.predict(named)) == order
    with pytest.raises(si.DataError, match="without an order"):
        si.ordered("grade ~ x", named)
    with pytest.raises(si.OptionError, match="levels= takes"):
        si.ordered("grade ~ x", named, levels="low")


def test_rows_weights_places_and_units_do_not_matter():
    first = si.ordered(FORMULA, DATA, weights="k", vcov="HC1", link="probit")
    repeated = si.ordered(FORMULA, DATA.loc[DATA.index.repeat(DATA["k"])], link="probit")
    close(repeated.theta, first.theta, 1e-9)
    covariances_close(repeated.cov.matrix, first.with_vcov("iid").cov.matrix)
    far = DATA.assign(x=1e7 + 3.0 * DATA["x"]).sample(frac=1, random_state=1)
    moved = si.ordered(FORMULA, far, weights="k", vcov="HC1", link="probit")
    close(moved.theta[:4] * [3.0, 1, 1, 1], first.theta[:4], 1e-6)
    close(moved._se()[:4] * [3.0, 1, 1, 1], first._se()[:4], 1e-6)


def test_kinds_of_weights():
    rows = DATA.loc[DATA.index.repeat(DATA["k"])]
    for verb, formula in ((si.ordered, FORMULA), (si.multinomial, "choice ~ x + z"), (si.tobit, "y0 ~ x")):
        counted, repeated = verb(formula, DATA, weights="k", weights_kind="frequency"), verb(formula, rows)
        assert counted.nobs == repeated.nobs and counted.df_resid == repeated.df_resid
        assert counted.glance_items()["bic"] == pytest.approx(repeated.glance_items()["bic"], rel=1e-12)
        for kind in ("iid", "HC0", "HC1"):
            covariances_close(counted.with_vcov(kind).cov.matrix, repeated.with_vcov(kind).cov.matrix, 1e-9)
        with pytest.raises(si.NotIdentifiedError, match="repeat the rows"):
            counted.bootstrap(40, kind="pairs")
        survey = verb(formula, DATA, weights="w", weights_kind="probability")
        assert survey.cov.kind == "HC1" and np.isnan(survey.loglik)
        with pytest.raises(si.NotIdentifiedError, match="probability"):
            survey.with_vcov("iid")


def test_steps_and_groups_are_several_fits():
    steps = si.ordered("grade ~ x + sw(z, g)", DATA)
    close(steps[1].theta, si.ordered("grade ~ x + g", DATA).theta, 1e-12)
    assert len(si.tobit("y0 ~ x", DATA, by="g")) == 3


def test_bootstraps_and_estimated_weights():
    fit = si.ordered("grade ~ x", DATA)
    for kind in ("multiplier", "bayesian"):
        drawn = fit.bootstrap(replicas=40, kind=kind, seed=2)
        # The standard deviation of 40 draws is off by 1 / sqrt(80) of itself: four of these.
        close(drawn.std_errors / fit.std_errors, np.ones(4), 4 / np.sqrt(80) + 0.1)
    data = DATA.assign(t=(DATA["z"] + np.sin(DATA["x"] * 9) > 0).astype(float))
    stacked = si.ordered("grade ~ t", data, weights=si.balance("t ~ x + z", data, method="ipw"))
    assert "weights estimated" in stacked.cov.label and "weights estimated" in repr(stacked)
    assert np.isfinite(stacked.test_parallel().statistic)


def test_aliased_columns_have_no_estimate():
    data = DATA.assign(twice=2.0 * DATA["x"])
    with pytest.warns(si.StatinfWarning, match="'twice'"):
        fit = si.ordered("grade ~ x + twice", data)
    assert np.isnan(fit.theta[1]) and fit.test_parallel().df == 2
    close(fit.predict(data), si.ordered("grade ~ x", data).predict(data), 1e-9)


def test_separation_is_named():
    data = DATA.assign(top=(DATA["grade"] == 4) * 1.0)
    with pytest.raises(si.NotIdentifiedError, match="separation: 'top'"):
        si.ordered("grade ~ x + top", data, link="probit")
    exact = pd.DataFrame({"g": [1, 1, 2, 2, 3, 3] * 5, "x": np.tile([1.0, 2, 3, 4, 5, 6], 5)})
    with pytest.raises(si.NotIdentifiedError, match="separation: 'x'"):
        si.ordered("g ~ x", exact)


@pytest.mark.parametrize(
    ("formula", "options", "error", "message"),
    [
        ("I(k > 1) ~ x", {}, si.DataError, "two categories"),
        ("grade ~ x", {"link": "log"}, si.OptionError, "'logit'"),
        ("x ~ z", {}, si.DataError, "not whole"),
        ("grade ~ x", {"vcov": "HC3"}, si.OptionError, "HC3"),
    ],
)
def test_bad_input(formula, options, error, message):
    with pytest.raises(error, match=message):
        si.ordered(formula, DATA, **options)
