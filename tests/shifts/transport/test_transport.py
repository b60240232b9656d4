"""`transport`: stacked M-estimation by numerical derivatives, slopes in the weights, arms, margins, refusals."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

import statinf as si

pytestmark = pytest.mark.filterwarnings("ignore:the .* weighted source rows have:statinf.errors.NumericalWarning")
METHODS = ("ipw", "gformula", "aipw")
FORMULA = "y ~ treat | x1 + x2"


def drawn(seed, n=150, m=120, binary=False):
    """A trial whose people differ from the population's, with an effect 1 + x1 of which the population's mean is 1.5."""
    random = np.random.default_rng(seed)
    x, v = random.standard_normal((n, 2)), random.standard_normal((m, 2)) * 0.9 + (0.5, -0.3)
    t = (random.uniform(size=n) < expit(0.3 * x[:, 0])).astype(float)
    y = 1.0 + x @ (0.5, 1.0) + t * (1.0 + x[:, 0]) + random.standard_normal(n)
    if binary:
        y = (y > 1.0).astype(float)
    trial = pd.DataFrame({"y": y, "treat": t, "x1": x[:, 0], "x2": x[:, 1], "site": np.arange(n) // 5})
    return trial.assign(w=random.uniform(0.5, 2.0, n)), pd.DataFrame({"x1": v[:, 0], "x2": v[:, 1]})


def stacked(trial, population, method, binary):
    """The arms' means and their covariance from estimating functions alone: roots by Newton, Jacobians by differences."""
    n, m = len(trial), len(population)
    x = np.column_stack([np.ones(n + m), np.concatenate([trial[["x1", "x2"]], population])])
    s = np.repeat([1.0, 0.0], [n, m])
    pad = np.zeros(m)
    y, t = np.append(trial["y"], pad), np.append(trial["treat"], pad)
    link = expit if binary else lambda u: u

    def psi(theta):
        g, a, b0, b1, mu = theta[:3], theta[3:6], theta[6:9], theta[9:12], theta[12:]
        e = expit(x @ a)
        out = [((1 - s) - expit(x @ g))[:, None] * x, (s * (t - e))[:, None] * x]
        for b, arm in ((b0, s * (1 - t)), (b1, s * t)):
            out.append((arm * (y - link(x @ b)))[:, None] * x)
        odds = np.exp(x @ g)
        ends = []
        for k, (b, arm, chance) in enumerate(((b0, s * (1 - t), 1 - e), (b1, s * t, e))):
            w, model = odds * arm / chance, link(x @ b)
            if method == "ipw":
                ends.append(w * (y - mu[k]))
            elif method == "gformula":
                ends.append((1 - s) * (model - mu[k]))
            else:  # the weighted mean of residuals is a parameter of its own
                ends += [w * (y - model - mu[2 + k]), (1 - s) * (model + mu[2 + k] - mu[k])]
        return np.column_stack([*out, *ends])

    q = 16 if method == "aipw" else 14
    theta = np.zeros(q)
    for _ in range(60):
        jacobian = slopes(lambda v: psi(v).sum(axis=0), theta)
        step = np.linalg.solve(jacobian, -psi(theta).sum(axis=0))
        theta = theta + step / max(1.0, np.abs(step).max())
        if np.abs(step).max() < 1e-11:
            break
    scores = psi(theta)
    bread = np.linalg.inv(slopes(lambda v: psi(v).sum(axis=0), theta))
    return theta[12:14], (bread @ scores.T @ scores @ bread.T)[12:14, 12:14]


def slopes(function, at):
    steps = 1e-5 * np.eye(len(at))
    return np.column_stack([(function(at + h) - function(at - h)) / 2e-5 for h in steps])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("binary", [False, True])
def test_against_stacked_estimating_functions(method, binary):
    trial, population = drawn(3, binary=binary)
    family = {"family": "binomial"} if binary and method != "ipw" else {}
    fit = si.transport(FORMULA, trial, population, method=method, **family)
    means, cov = stacked(trial, population, method, binary)
    found = fit.means()
    assert found.terms == ("treat[0]", "treat[1]")
    assert_allclose(found.theta, means, rtol=1e-8)
    assert_allclose(found.vcov, cov, rtol=1e-6)
    assert_allclose(fit.theta, means[1] - means[0], rtol=1e-8)
    assert_allclose(fit.vcov, [[cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]]], rtol=1e-6)
    ratio = si.transport(FORMULA, trial, population, method=method, comparison="ratio", **family)
    assert_allclose(ratio.theta, means[1] / means[0], rtol=1e-8)
    by_hand = found.transform(lambda p: {"r": p["treat[1]"] / p["treat[0]"]})
    assert_allclose(ratio._se(), by_hand._se(), rtol=1e-6)


CASES = [
    pytest.param({"method": "ipw"}, id="ipw"),
    pytest.param({"method": "aipw"}, id="aipw"),
    pytest.param({"method": "gformula", "family": "binomial", "comparison": "log_odds"}, id="gformula odds"),
    pytest.param({"method": "aipw", "ratio": "moment", "treatment_model": "constant"}, id="aipw moment"),
    pytest.param({"method": "aipw", "ratio_formula": "~ x1", "propensity": "chance"}, id="aipw ratio formula"),
]


@pytest.mark.parametrize("options", CASES)
def test_influence_is_the_slope_in_the_rows_weights(options):
    trial, population = drawn(4, n=90, m=60, binary="family" in options)
    trial["arm"] = np.where(trial["treat"] > 0, "drug", "placebo")
    if "propensity" not in options:  # a third arm
        trial.loc[trial.index % 3 == 0, "arm"] = "other"
    trial["chance"] = expit(trial["x2"] / 4)
    ws, wt = trial["w"].to_numpy(), np.linspace(0.5, 1.5, len(population))

    def fit(a, b):
        return si.transport("y ~ arm | x1 + x2", trial, population, weights=a, target_weights=b, **options)

    made = fit(ws, wt).moments()
    for given, influence in ((0, made.influence), (1, made.outside_influence)):
        for row in (2, 31):
            ends = []
            for step in (1e-4, -1e-4):
                moved = [ws.copy(), wt.copy()]
                moved[given][row] *= 1.0 + step
                ends.append(fit(*moved).theta)
            assert_allclose(influence[row], (ends[0] - ends[1]) / 2e-4, atol=1e-6)


def test_the_population_itself_as_trial_gives_the_trials_effect():
    trial, _ = drawn(5)
    inside = si.effect(FORMULA, trial, method="regression").theta
    assert_allclose(si.transport(FORMULA, trial, trial, method="gformula").theta, inside, rtol=1e-8)
    # Without a shift the odds are one, and what is left are the trial's inverse probability weights.
    inside = si.effect(FORMULA, trial, method="ipw").theta
    assert_allclose(si.transport(FORMULA, trial, trial, method="ipw").theta, inside, rtol=1e-8)


def test_each_half_of_the_doubly_robust_estimate_is_enough():
    trial, population = drawn(6, n=6000, m=6000)
    trial["p"] = expit(0.3 * trial["x1"])
    modifier = "~ x1 + x2 + I(x1**2) + I(x2**2)"
    right = si.transport(FORMULA, trial, population)
    weights = si.transport("y ~ treat | x2", trial, population, ratio_formula=modifier, propensity="p")
    models = si.transport(FORMULA, trial, population, ratio_formula="~ x2")
    wrong = si.transport("y ~ treat | x2", trial, population, method="gformula")
    for fit in (right, weights, models):
        assert abs(fit.theta[0] - 1.5) < 4 * fit._se()[0]
    assert abs(wrong.theta[0] - 1.5) > 4 * wrong._se()[0]


def test_known_means_stand_for_the_population():
    trial, population = drawn(7)
    margins = {name: float(population[name].mean()) for name in ("x1", "x2")}
    for method in METHODS:
        rows = si.transport(
            FORMULA, trial, population, method=method, **({} if method == "gformula" else {"ratio": "moment"})
        )
        known = si.transport(FORMULA, trial, margins, method=method)
        assert_allclose(known.theta, rows.theta, rtol=1e-7)
        assert (known._se() < rows._se()).all() and known.population_rows == 0


def test_levels_clusters_frames_and_what_a_fit_shows():
    trial, population = drawn(8)
    trial["arm"] = np.where(trial["treat"] > 0, "drug", "placebo")
    fit = si.transport("y ~ arm | x1 + x2", trial, population, cluster="site")
    assert fit.terms == ("arm",) and fit.levels == ("placebo", "drug") and "clustered by site" in fit.cov.label
    assert_allclose(fit.theta, si.transport(FORMULA, trial, population).theta, rtol=1e-9)
    other = si.transport("y ~ arm | x1 + x2", trial, population, treated="placebo")
    assert_allclose(other.theta, -fit.theta, rtol=1e-9)
    table = fit.overlap()
    assert list(table["arm"]) == ["placebo", "drug"] and table["rows"].sum() == len(trial)
    assert "In the trial, arm" in str(fit.summary()) and fit.in_trial.shape == (1,)
    polars = si.transport(FORMULA, pl.from_pandas(trial), pl.from_pandas(population))
    assert isinstance(polars.overlap(), pl.DataFrame)
    gone = population.assign(x1=population["x1"].where(population.index > 4))
    assert si.transport(FORMULA, trial, gone).population_rows == len(population) - 5
    fit.plot("balance")
    ratio = si.density_ratio("~ x1 + x2", trial, population)
    mixed = trial.sample(frac=1.0, random_state=1)
    given, plain = (si.transport(FORMULA, data, population, ratio=r) for data, r in ((mixed, ratio), (trial, None)))
    assert_allclose([given.theta, given._se()], [plain.theta, plain._se()], rtol=1e-9)
    assert "included" in given.cov.label and "fixed" not in given.cov.label
    fixed = si.transport(FORMULA, trial, population, ratio="ulsif")
    assert "density ratio taken as fixed" in fixed.cov.label


@pytest.mark.parametrize("options", [{"propensity": "p"}, {}, {"treatment_model": "constant"}])
def test_sizes_are_those_of_the_weights_that_outcomes_have(options):
    """Of arms with unlike probabilities few rows hold the weight, whatever the density ratio."""
    trial, population = drawn(10)
    trial["p"] = np.where(trial["x1"] > 0, 0.9, 0.1)
    trial["treat"] = (np.random.default_rng(1).random(len(trial)) < trial["p"]) * 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = si.transport(FORMULA, trial, population, method="ipw", **options)
    chance = trial["p"]
    if not options:
        chance = si.glm("treat ~ x1 + x2", trial, family="binomial").predict(trial)["estimate"]
    own = np.where(trial["treat"] > 0, chance, 1 - chance) if "treatment_model" not in options else 1.0
    w = fit.ratio.values / own
    for arm, line in enumerate(fit.overlap().itertuples()):
        some = w[trial["treat"] == arm]
        assert_allclose(
            [line.ess, line.largest_share], [some.sum() ** 2 / (some @ some), some.max() / some.sum()], rtol=1e-6
        )


def test_refusals():
    trial, population = drawn(9)
    with pytest.raises(si.FormulaError, match="names no covariates"):
        si.transport("y ~ treat", trial, population)
    with pytest.raises(si.DataError, match="'x1' has many values"):
        si.transport("y ~ x1 | x2", trial, population)
    with pytest.raises(si.DataError, match="population frame.*'x2'"):
        si.transport(FORMULA, trial, population[["x1"]])
    with pytest.raises(si.OptionError, match="uses no density ratio"):
        si.transport(FORMULA, trial, population, method="gformula", ratio="moment")
    with pytest.raises(si.OptionError, match="propensity"):
        si.transport(FORMULA, trial, population, propensity=1.5)
    with pytest.raises(si.DataError, match="strictly between 0 and 1 in 150 rows"):
        si.transport(FORMULA, trial.assign(p=1.0), population, propensity="p")
    with pytest.raises(si.OptionError, match="comparison"):
        si.transport(FORMULA, trial, population, comparison="odds")
    with pytest.raises(si.NotIdentifiedError, match="strictly between 0 and 1"):
        si.transport(FORMULA, trial, population, comparison="log_odds")
    with pytest.raises(si.NotIdentifiedError, match="no common support"):
        si.transport(FORMULA, trial, population + 50.0)
    with pytest.raises(si.OptionError, match="sampling weights"):
        si.transport(FORMULA, trial, population, weights=si.balance("treat ~ x1", trial))
    with pytest.raises(si.NotIdentifiedError, match="uses no weights"):
        si.transport(FORMULA, trial, population, method="gformula").overlap()


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_intervals_cover(method):
    replicas = 500
    covered = 0
    for seed in range(replicas):
        fit = si.transport(FORMULA, *drawn(seed, 500, 500), method=method)
        low, high = fit.conf_int().to_numpy()[0]
        covered += low <= 1.5 <= high
    assert_allclose(covered / replicas, 0.95, atol=4 * np.sqrt(0.95 * 0.05 / replicas))
