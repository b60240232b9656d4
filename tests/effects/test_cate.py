import numpy as np
import pandas as pd
import pytest

import statinf as si
from effects.oracle import expected, folds, value
from statinf.effects import pseudo as ps
from statinf.effects.rate import rate, rate_of, toc_curve

COLUMNS = "age educ black hispan married nodegree re74 re75".split()
STANDARD = "re78 ~ treat | " + " + ".join(f"z_{c}" for c in COLUMNS)
PAIRS = {
    "DR/1": ("dr", None, None),
    "DR/nu": ("ivw", None, None),
    "Cov/1": ("dr", "cov", None),
    "Cov/nu": ("dr", "cov", "ivw"),
    "U/1": ("u", None, None),
    "U/AX(=R)": ("r", None, None),
    "U/X": ("u", None, "u-ivw"),
}


@pytest.fixture(scope="module")
def data():
    frame = si.datasets.load("nsw")
    for c in COLUMNS:
        frame[f"z_{c}"] = (frame[c] - frame[c].mean()) / frame[c].std(ddof=0)
    return frame


def draw(seed, n=400, slope=1.0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2))
    e = 1 / (1 + np.exp(-0.7 * x[:, 0]))
    d = (rng.random(n) < e).astype(float)
    y = x @ [1.0, 0.5] + d * (1.0 + slope * x[:, 0]) + rng.standard_normal(n)
    return pd.DataFrame({"y": y, "d": d, "a": x[:, 0], "b": x[:, 1]})


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("split", ["noxfit", "xfit5"])
def test_pseudo_outcome_regressions(data, pair, split):
    method, pseudo, weighting = PAIRS[pair]
    fit = si.cate(
        STANDARD, data, method=method, pseudo=pseudo, weighting=weighting, folds=1 if split == "noxfit" else folds(445)
    )
    assert fit.params.iloc[0] == pytest.approx(value("nsw", f"por_linear:{pair}:{split}:b0"), rel=2e-9)
    assert fit.params.iloc[1] == pytest.approx(value("nsw", f"por_linear:{pair}:{split}:b1"), rel=2e-9)


def test_r_learner_meets_econml(data):
    fit = si.cate(STANDARD, data, method="r", folds=folds(445))
    for i, name in enumerate(("intercept", "coef0")):
        assert (fit.theta[i], fit.std_errors.iloc[i]) == pytest.approx(
            expected("nsw", f"econml_LinearDML:{name}"), rel=2e-9
        )


def test_projection_and_groups_meet_doubleml(data):
    fit = si.cate(STANDARD, data, method="dr", folds=folds(445))
    projection = fit.blp(vcov="HC0")
    for i in range(3):
        assert (projection.theta[i], projection.std_errors.iloc[i]) == pytest.approx(
            expected("nsw", f"dml_irm_blp:b{i}"), rel=2e-9
        )
    assert (fit.ate().theta[0], fit.ate().std_errors.iloc[0]) == pytest.approx(
        expected("nsw", "aipw_ate:xfit5"), rel=2e-9
    )
    whole = si.cate(STANDARD, data, method="dr", folds=1).gate("nodegree")
    for i in (0, 1):
        assert (whole.theta[i], whole.std_errors.iloc[i]) == pytest.approx(
            expected("nsw", f"gate:nodegree={i}"), rel=2e-9
        )


def test_rank_weighted_effects(data):
    fit = si.cate(STANDARD, data, method="dr", folds=1)
    p = fit.learnt.evaluation[0]
    # The reference breaks ties by the order of rows.
    priority = -np.argsort(np.argsort(p["outcome0"] - p["outcome1"], kind="stable"), kind="stable").astype(float)
    assert fit.rate(priority).estimate == pytest.approx(value("nsw", "rate:autoc(S=m1-m0)"), rel=1e-8)
    assert fit.rate(priority, target="qini").estimate == pytest.approx(value("nsw", "rate:qini(S=m1-m0)"), rel=1e-8)
    gamma, w = np.random.default_rng(0).standard_normal(50), np.ones(50)
    # Equal priorities share their mean score: no ranking, no gain, and no dependence on the order of rows.
    np.testing.assert_allclose(toc_curve(gamma, np.zeros(50), w)[1], 0.0, atol=1e-12)
    ties = np.arange(50) // 10
    shuffled = np.random.default_rng(1).permutation(50)
    assert rate_of(gamma, ties, w, "autoc") == pytest.approx(
        rate_of(gamma[shuffled], ties[shuffled], w, "autoc"), rel=1e-10
    )


def test_identities(data):
    # A constant final stage: the R-learner is partially linear regression, the DR-learner the average effect.
    r = si.cate(STANDARD, data, method="r", effect="~ 1", folds=folds(445))
    plr = si.effect(STANDARD, data, method="plr", folds=folds(445))
    assert r.theta[0] == pytest.approx(plr.theta[0], rel=1e-10)
    assert r.with_vcov("HC0").std_errors.iloc[0] == pytest.approx(plr.std_errors.iloc[0], rel=1e-10)
    dr = si.cate(STANDARD, data, method="dr", effect="~ 1", folds=folds(445))
    irm = si.effect(STANDARD, data, method="irm", folds=folds(445))
    assert dr.theta[0] == pytest.approx(irm.theta[0], rel=1e-10)
    # In-sample least squares for both nuisances: the coefficient and HC0 error of a regression.
    plain = si.cate(STANDARD, data, method="r", effect="~ 1", treatment_model="lm", folds=1, vcov="HC0")
    assert (plain.theta[0], plain.std_errors.iloc[0]) == pytest.approx(expected("nsw", "ols_adjusted:HC0"), rel=1e-8)
    # A known constant propensity: inverse-variance weights change nothing.
    both = [si.cate(STANDARD, data, method=m, propensity=0.4, folds=folds(445)).theta for m in ("dr", "ivw")]
    np.testing.assert_allclose(*both, rtol=1e-9)
    flip = data.assign(treat=1 - data["treat"])
    for m in ("dr", "ivw", "r"):
        a, b = (si.cate(STANDARD, d, method=m, folds=folds(445)).theta for d in (data, flip))
        np.testing.assert_allclose(a, -b, rtol=1e-6)
    zero = data.assign(re78=5.0)
    np.testing.assert_allclose(si.cate(STANDARD, zero, method="ivw", folds=folds(445)).theta, 0.0, atol=1e-8)


def test_conditional_bias_is_a_product_of_errors():
    # Exact expectations over A and Y given X, for wrong nuisances: the formulas of the orthogonal scores.
    e, mu = 0.3, np.array([1.0, 2.5])
    e_hat, mu_hat = 0.45, np.array([0.6, 3.1])
    tau, nu_hat = mu[1] - mu[0], e_hat * (1 - e_hat)
    d = np.array([0.0, 1.0])
    p = {"outcome0": np.full(2, mu_hat[0]), "outcome1": np.full(2, mu_hat[1]), "propensity": np.full(2, e_hat)}
    p["mean"] = np.full(2, e_hat * mu_hat[1] + (1 - e_hat) * mu_hat[0])
    chance = np.array([1 - e, e])
    product, weight = ps.weighted_pseudo("dr", "ivw", mu, d, p)
    bias = chance @ product - nu_hat * tau
    assert bias == pytest.approx((e_hat - e) * ((1 - e_hat) * (mu_hat[1] - mu[1]) + e_hat * (mu_hat[0] - mu[0])))
    eta, eta_hat = e * mu[1] + (1 - e) * mu[0], p["mean"][0]
    product, weight = ps.weighted_pseudo("u", "r", mu, d, p)
    assert chance @ (product - weight * tau) == pytest.approx((e_hat - e) * (eta_hat - eta) - (e_hat - e) ** 2 * tau)
    for pseudo in ("dr", "u", "cov", "ipw"):
        plain = ps.weighted_pseudo(pseudo, "none", mu, d, p)[0]
        for weighting in ("ivw", "r", "arm", "u-ivw"):
            product, weight = ps.weighted_pseudo(pseudo, weighting, mu, d, p)
            np.testing.assert_allclose(product, weight * plain)


@pytest.mark.parametrize("method", ["dr", *(pytest.param(m, marks=pytest.mark.slow) for m in ("ivw", "r"))])
def test_intervals_of_linear_effects_cover(method):
    draws, hits = 200, np.zeros(2)
    for seed in range(draws):
        limits = si.cate("y ~ d | a + b", draw(seed), method=method, effect="~ a", seed=seed).conf_int().to_numpy()
        hits += (limits[:, 0] <= 1.0) & (limits[:, 1] >= 1.0)
    assert (np.abs(hits / draws - 0.95) < 3.0 * np.sqrt(0.95 * 0.05 / draws)).all()


@pytest.mark.slow
def test_inverse_variance_weights_cover_their_target_when_the_effect_is_not_linear():
    # The score of estimated weights matters here: the target is the overlap-weighted mean of the effect.
    x = np.random.default_rng(9).standard_normal(1_000_000)
    e = 1 / (1 + np.exp(-1.5 * x))
    target = np.average(x**2, weights=e * (1 - e))
    draws, hits = 200, 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        a = rng.standard_normal(500)
        d = (rng.random(500) < 1 / (1 + np.exp(-1.5 * a))).astype(float)
        frame = pd.DataFrame({"y": d * a**2 + rng.standard_normal(500), "d": d, "a": a, "a2": a**2})
        low, high = si.cate("y ~ d | a + a2", frame, method="ivw", effect="~ 1", seed=seed).conf_int().loc["d"]
        hits += low <= target <= high
    assert abs(hits / draws - 0.95) < 3.0 * np.sqrt(0.95 * 0.05 / draws)


@pytest.mark.slow  # benchmarks/heterogeneity_coverage.py has the table
def test_evaluations_cover():
    draws, gate, auto, band, size = 120, 0, 0, 0, 0
    for seed in range(draws):
        frame = draw(seed, 500)
        frame["g"] = np.where(frame["b"] > 0, "up", "down")
        fit = si.cate("y ~ d | a + b", frame, method="dr", seed=seed)
        limits = fit.gate("g").conf_int().to_numpy()
        gate += (limits[0, 0] <= 1.0 <= limits[0, 1]) and (limits[1, 0] <= 1.0 <= limits[1, 1])
        # The priority is a itself: AUTOC = E[a | top share], averaged over shares.
        low, high = fit.rate(frame["a"].to_numpy(), replicas=60, seed=seed).conf_int()
        auto += low <= 0.9034 <= high
        curve = fit.curve("a", knots=3, points=30, seed=seed).frame()
        truth = 1.0 + curve["a"].to_numpy()
        band += bool(((curve["band_low"] <= truth) & (truth <= curve["band_high"])).all())
        size += (
            si.cate("y ~ d | a + b", draw(seed, 300, 0.0), method="ivw", seed=seed).calibration().tidy()["statistic"][1]
            > 1.645
        )
    spread = 3.0 * np.sqrt(0.95 * 0.05 / draws)
    assert abs(gate / draws - 0.95**2) < 3.0 * np.sqrt(0.9025 * 0.0975 / draws)
    assert abs(auto / draws - 0.95) < spread
    assert band / draws > 0.95 - spread
    # A constant effect: one-sided tests of predictions made out of fold reject too rarely, never too often.
    assert size / draws < 0.05 + spread


def test_half_samples_cover_the_rank_weighted_effect():
    draws, hits = 150, 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        a = rng.standard_normal(500)
        low, high = rate(1.0 + a + 2.0 * rng.standard_normal(500), a, np.ones(500), replicas=60, seed=seed).conf_int()
        hits += low <= 0.9032 <= high
    assert abs(hits / draws - 0.95) < 3.0 * np.sqrt(0.95 * 0.05 / draws)


def test_autoc_of_a_normal_priority():
    rng = np.random.default_rng(0)
    a = rng.standard_normal(400_000)
    assert rate_of(a, a, np.ones(len(a)), "autoc") == pytest.approx(0.9034, abs=0.01)
    u = (np.argsort(np.argsort(-a)) + 0.5) / len(a)
    assert rate_of(a, a, np.ones(len(a)), "autoc") == pytest.approx(np.mean(a * (-np.log(u) - 1.0)), abs=1e-3)
    assert rate_of(a, a, np.ones(len(a)), "qini") == pytest.approx(np.mean(a * (0.5 - u)), abs=1e-3)


@pytest.mark.parametrize("method", ["s", "t", "x", "dr", "r", "u", "ivw"])
def test_every_learner_finds_a_linear_effect(method):
    frame, new = draw(0, 3000), draw(1, 500)
    fit = si.cate("y ~ d | a + b", frame, method=method)
    predicted = fit.predict(new)
    error = np.mean((predicted["estimate"] - (1.0 + new["a"])) ** 2)
    assert error < (0.5 if method in ("u", "s") else 0.05)
    assert np.corrcoef(fit.cate, 1.0 + frame["a"])[0, 1] > 0.8
    if method in ("s", "t", "x", "u"):
        with pytest.raises(si.NotIdentifiedError, match="standard errors"):
            fit.std_errors  # noqa: B018
    assert fit.rate(replicas=20).estimate > 0.3
    assert str(fit.summary())


def test_errors_fall_with_n():
    sizes, means = (250, 1000, 4000), []
    for n in sizes:
        errors = []
        for seed in range(8):
            new = draw(100 + seed, 400)
            fit = si.cate("y ~ d | a + b", draw(seed, n), method="ivw", final="spline", outcome_model="spline")
            errors.append(np.mean((fit.predict(new)["estimate"] - 1.0 - new["a"]) ** 2))
        means.append(np.mean(errors))
    slope = np.polyfit(np.log(sizes), np.log(means), 1)[0]
    assert slope < -0.6


@pytest.mark.filterwarnings("ignore:weak overlap")
def test_inverse_variance_weights_win_with_poor_overlap():
    errors = {m: [] for m in ("dr", "ivw", "u", "r")}
    for seed in range(12):
        train = si.datasets.simulate("nie_wager", 250, seed, setup="C", p=5)
        new = si.datasets.simulate("nie_wager", 500, 1000 + seed, setup="C", p=5)
        for m in errors:
            fit = si.cate(
                "y ~ treat | x1 + x2 + x3 + x4 + x5", train, method=m, learner="kernel_ridge", final="kernel_ridge"
            )
            errors[m].append(np.mean((fit.predict(new)["estimate"] - new["cate"]) ** 2))
    mean = {m: np.mean(v) for m, v in errors.items()}
    assert mean["u"] > 10 * mean["r"] and mean["dr"] > mean["ivw"]


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_frames_missing_rows_factors_and_saving(data, kind, tmp_path):
    some = data.assign(age=data["age"].where(data.index % 9 > 0), job=np.where(data["married"] > 0, "yes", "no"))
    formula = "re78 ~ treat | age + educ + C(job)"
    base = si.cate(formula, some, effect="~ C(job)", cluster="educ")
    other = (
        __import__("polars").from_pandas(some) if kind == "polars" else __import__("pyarrow").Table.from_pandas(some)
    )
    fit = si.cate(formula, other, effect="~ C(job)", cluster="educ")
    np.testing.assert_allclose(fit.theta, base.theta, rtol=1e-12)
    assert base.terms == ("treat", "treat:C(job)[T.yes]")
    assert type(fit.clan()).__module__.split(".")[0] == kind
    assert type(fit.predict(other)).__module__.split(".")[0] == kind
    rows = some.dropna().head(5)
    saved = si.load(base.save(tmp_path / "fit"))
    pd.testing.assert_frame_equal(saved.predict(rows), base.predict(rows))
    with pytest.raises(si.DataError, match="fit again"):
        saved.rate()


def test_repeats_weights_and_sklearn(data):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    fit = si.cate("re78 ~ treat | age + educ", data, method="r", repeats=3)
    np.testing.assert_allclose(fit.theta, np.median(fit.thetas, axis=0))
    w = np.arange(445) % 3
    zero = si.cate("re78 ~ treat | age + educ", data, method="dr", weights=w.astype(float), folds=folds(445))
    kept = si.cate(
        "re78 ~ treat | age + educ", data[w > 0], method="dr", weights=w[w > 0].astype(float), folds=folds(445)[w > 0]
    )
    np.testing.assert_allclose(zero.theta, kept.theta, rtol=1e-8)
    forest = RandomForestRegressor(20, min_samples_leaf=20)
    curve = si.cate(
        "re78 ~ treat | age + educ",
        data,
        method="ivw",
        outcome_model=forest,
        treatment_model=RandomForestClassifier(20, min_samples_leaf=20),
        final=forest,
        seed=4,
    )
    again = si.cate(
        "re78 ~ treat | age + educ",
        data,
        method="ivw",
        outcome_model=forest,
        treatment_model=RandomForestClassifier(20, min_samples_leaf=20),
        final=forest,
        seed=4,
    )
    assert np.array_equal(curve.predict(data)["estimate"], again.predict(data)["estimate"])


def test_faults_are_named(data):
    with pytest.raises(si.FormulaError, match="effects vary with covariates"):
        si.cate("re78 ~ treat | age", data, effect="~ treat")
    with pytest.raises(si.OptionError, match="weighting= is an option of method=.*, not of .t."):
        si.cate("re78 ~ treat | age", data, method="t", weighting="ivw")
    with pytest.raises(si.OptionError, match="needs covariates"):
        si.cate("re78 ~ treat", data)
    with pytest.raises(si.OptionError, match="groups"):
        si.cate("re78 ~ treat | age", data).gates(1)
    with pytest.raises(si.DataError, match="priority has shape"):
        si.cate("re78 ~ treat | age", data).rate(np.ones(3))
    with pytest.raises(si.OptionError, match="method"):
        si.cate("re78 ~ treat | age", data, method="w")
    with pytest.raises(si.OptionError, match="too few values"):
        si.cate("re78 ~ treat | age + married", data).curve("married")


def test_one_outcome_model_with_doubly_robust_scores_meets_econml(data):
    fit = si.cate(STANDARD, data, method="s", pseudo="dr", weighting="none", outcome_model="lm", folds=folds(445))
    for i, name in enumerate(("intercept", "coef0")):
        found = (fit.theta[i], fit.std_errors.iloc[i])
        assert found == pytest.approx(expected("nsw", f"econml_LinearDRLearner:{name}"), rel=2e-9)
