import pickle

import numpy as np
import pandas as pd
import pytest

import statinf as si
from effects.oracle import K401, NSW, expected, folds, nsw, value
from statinf.effects.irm import scores

ADJUSTED = f"re78 ~ treat | {NSW}"


@pytest.fixture(scope="module")
def data():
    return nsw()


@pytest.fixture(scope="module")
def k401():
    return si.datasets.load("k401ksubs")


def near(fit, dataset, estimator, rel=2e-9):
    estimate, error = expected(dataset, estimator)
    assert fit.theta[0] == pytest.approx(estimate, rel=rel)
    if not np.isnan(error):
        assert fit.std_errors.iloc[0] == pytest.approx(error, rel=rel)


def test_difference_in_means(data):
    fit = si.effect("re78 ~ treat", data, method="dim")
    for kind, label in {"iid": "nonrobust", "HC0": "HC0", "HC1": "HC1", "HC2": "HC2", "HC3": "HC3"}.items():
        near(fit.with_vcov(kind), "nsw", f"diff_in_means:{label}")
    # estimatr's numbers are from data in text form, which agree to 1e-7.
    assert fit.cov.df == pytest.approx(307.13249, abs=1e-5)
    for kind, label in {"HC1": "stata", "HC2": "CR2"}.items():
        near(fit.with_vcov({"cluster": "educ", "type": kind}), "nsw", f"R_lm_robust:clusters=educ:{label}", 1e-7)


def test_regression_adjustment(data):
    fit = si.effect(ADJUSTED, data, method="regression")
    for kind in ("HC0", "HC2", "HC3"):
        near(fit.with_vcov(kind), "nsw", f"lin2013:{kind}")
    plain = si.effect(ADJUSTED, data, method="regression", interactions=False)
    for kind, label in {"iid": "nonrobust", "HC0": "HC0", "HC1": "HC1", "HC2": "HC2", "HC3": "HC3"}.items():
        near(plain.with_vcov(kind), "nsw", f"ols_adjusted:{label}")
    # statsmodels counts the estimation of the covariates' mean.
    population = si.effect(ADJUSTED, data, method="regression", target="population", vcov="HC0")
    near(population, "nsw", "ate:ra", 1e-7)
    assert "mean" in population.cov.label


@pytest.mark.parametrize("dataset", ["nsw", "401ksubs"])
def test_scores_without_folds(dataset, data, k401):
    frame, formula = (data, ADJUSTED) if dataset == "nsw" else (k401, f"nettfa ~ e401k | {K401}")
    near(si.effect(formula, frame), dataset, "aipw_ate:noxfit")
    near(si.effect(formula, frame, estimand="ATT"), dataset, "aipw_att:noxfit")
    assert si.effect(formula, frame, method="ipw").theta[0] == pytest.approx(
        value(dataset, "ipw_hajek:noxfit"), rel=2e-9
    )
    assert si.effect(formula, frame, method="ipw", estimand="ATT").theta[0] == pytest.approx(
        value(dataset, "att:ipw"), rel=1e-8
    )
    horvitz = si.effect(formula, frame, method="ipw", normalize=False)
    assert horvitz.theta[0] == pytest.approx(value(dataset, "ipw_ht:noxfit"), rel=2e-9)


def test_estimated_propensities_lower_the_standard_error(data):
    fit = si.effect(ADJUSTED, data, method="ipw")
    near(fit, "nsw", "ipw_hajek:noxfit:estimated_e", 1e-8)
    known = si.effect(ADJUSTED, data, method="ipw", propensity=fit.nuisance["propensity"])
    near(known, "nsw", "ipw_hajek:noxfit")
    assert fit.std_errors["treat"] < known.std_errors["treat"]


def test_weights_and_the_verb_agree(data):
    # Inverse probability weights handed to a regression are the same stacked system.
    w = si.balance(f"treat ~ {NSW}", data)
    stacked = si.lm("re78 ~ treat", data, weights=w)
    fit = si.effect(ADJUSTED, data, method="ipw")
    assert stacked.params["treat"] == pytest.approx(fit.params["treat"], rel=1e-8)
    assert stacked.std_errors["treat"] == pytest.approx(fit.std_errors["treat"], rel=1e-6)


@pytest.mark.parametrize("dataset", ["nsw", "401ksubs"])
def test_double_machine_learning_meets_doubleml(dataset, data, k401):
    frame, formula = (data, ADJUSTED) if dataset == "nsw" else (k401, f"nettfa ~ e401k | {K401}")
    split = folds(len(frame))
    near(si.effect(formula, frame, method="irm", folds=split), dataset, "dml_irm:ATE")
    near(si.effect(formula, frame, method="irm", folds=split, estimand="ATT"), dataset, "dml_irm:ATTE")
    near(si.effect(formula, frame, method="irm", folds=split, normalize=True), dataset, "dml_irm:ATE:normalize_ipw")
    near(si.effect(formula, frame, method="plr", folds=split), dataset, "dml_plr:partialling out")
    near(si.effect(formula, frame, method="plr", folds=split, score="iv-type"), dataset, "dml_plr:IV-type")
    linear = si.effect(formula, frame, method="plr", folds=split, treatment_model="lm")
    near(linear, dataset, "dml_plr:partialling out:ols_m")


def test_scikit_learn_gives_the_same_numbers(data):
    from sklearn.linear_model import LinearRegression, LogisticRegression

    own = si.effect(ADJUSTED, data, method="irm", folds=folds(445))
    logit = LogisticRegression(C=np.inf, tol=1e-12, max_iter=5000, solver="newton-cholesky")
    other = si.effect(
        ADJUSTED, data, method="irm", folds=folds(445), outcome_model=LinearRegression(), treatment_model=logit
    )
    assert own.theta[0] == pytest.approx(other.theta[0], rel=1e-7)


def test_local_effect_meets_doubleml(k401):
    fit = si.iv(f"nettfa ~ p401k | {K401} | e401k", k401, method="late", folds=folds(len(k401)))
    near(fit, "401ksubs", "dml_iivm:p401k<-e401k", 1e-8)
    assert fit.terms == ("p401k",)


def test_sensitivity_bounds(k401):
    formula, split = f"nettfa ~ e401k | {K401}", folds(len(k401))
    plr = si.effect(formula, k401, method="plr", folds=split, treatment_model="lm")
    irm = si.effect(formula, k401, method="irm", folds=split)
    for fit, name in ((plr, "dml_plr_sens"), (irm, "dml_irm_sens")):
        found = fit.sensitivity(0.03, 0.03)
        low, wrong_low = expected("401ksubs", f"{name}:theta_lower(cf=.03)")
        high, wrong_high = expected("401ksubs", f"{name}:theta_upper")
        assert (found.lower, found.upper) == pytest.approx((low, high), rel=1e-8)
        # DoubleML 0.11.4 prints the standard errors of the two bounds the wrong way round.
        assert (found.lower_se, found.upper_se) == pytest.approx((wrong_high, wrong_low), rel=1e-8)
        assert found.robustness_value == pytest.approx(value("401ksubs", f"{name}:RV"), rel=1e-5)
    assert plr.sensitivity().robustness_value == pytest.approx(value("401ksubs", "plr_sens:RV exact"), rel=1e-8)
    # At the robustness values the bound, and its confidence limit, are zero.
    at = plr.sensitivity(*[plr.sensitivity().robustness_value_ci] * 2)
    assert at.conf_low == pytest.approx(0.0, abs=1e-9)
    assert plr.sensitivity(*[at.robustness_value] * 2).lower == pytest.approx(0.0, abs=1e-9)


DOUBLEML = {
    "plr": ("ATE", 5.522199773835, 13.031425376097, (0.164758, 0.080215, 0.589899, 8.042744),
            (0.035115, 0.004594, -0.290962, -0.454483)),
    "irm": ("ATE", 4.717398967323, 12.394530996358, (0.159956, 0.119448, 0.511302, 8.417825),
            (0.036473, 0.010551, -0.218167, -0.536518)),
    "irm, ATT": ("ATT", 6.865267822546, 14.540179917079, (0.159956, 0.113859, 0.441377, 7.110298),
                 (0.036473, 0.005709, -0.204819, -0.3713)),
}  # fmt: skip
"""DoubleML 0.11.4: bounds at cf = .03, and `sensitivity_benchmark` of income and of age, each with its square."""


@pytest.mark.parametrize("name", list(DOUBLEML))
def test_benchmarks_of_the_bounds_meet_doubleml(k401, name):
    estimand, low, high, income, age = DOUBLEML[name]
    options = {"treatment_model": "lm"} if name == "plr" else {}
    fit = si.effect(
        f"nettfa ~ e401k | {K401}", k401, method=name[:3], estimand=estimand, folds=folds(len(k401)), **options
    )
    found = fit.sensitivity(0.03, 0.03)
    assert (found.lower, found.upper) == pytest.approx((low, high), rel=1e-7)
    table = fit.benchmark(["inc", "incsq"], ["age", "agesq"], "fsize")
    assert list(table["covariates"]) == ["inc + incsq", "age + agesq", "fsize"]
    np.testing.assert_allclose(table[["cf_y", "cf_d", "rho", "change"]].iloc[:2], [income, age], atol=1e-6)
    at = fit.sensitivity(*table[["cf_y", "cf_d"]].iloc[0], rho=table["rho"].iloc[0])
    assert (at.lower, at.upper) == pytest.approx(tuple(table[["lower", "upper"]].iloc[0]))
    with pytest.raises(si.OptionError, match="'incc' is not a covariate.*'inc'"):
        fit.benchmark("incc")


def test_bounds_of_other_estimands_are_those_of_arms_renamed(data):
    swapped = data.assign(treat=1 - data["treat"], re78=-data["re78"])
    first = si.effect(ADJUSTED, data, estimand="ATT").sensitivity(0.05, 0.02)
    other = si.effect(ADJUSTED, swapped, estimand="ATC").sensitivity(0.05, 0.02)
    for name in ("theta", "lower", "upper", "lower_se", "upper_se", "robustness_value_ci"):
        assert getattr(other, name) == pytest.approx(getattr(first, name), rel=1e-9), name
    every = si.effect(ADJUSTED, data, method="aipw").benchmark()
    assert len(every) == 8 and (every[["cf_y", "cf_d"]] >= 0).all(axis=None)


@pytest.mark.parametrize("estimand", ["ATE", "ATC"])
def test_estimated_weights_move_the_mean_that_interactions_are_taken_from(data, estimand):
    base = np.random.default_rng(3).uniform(0.5, 2.0, len(data))

    def fit(w):
        made = si.balance("treat ~ age + educ + married", data, weights=w)
        return si.effect(
            "re78 ~ treat | age + re75",
            data,
            method="regression",
            weights=made,
            estimand=estimand,
            target="population",
            vcov="HC0",
        )

    effects, means = fit(base).influence[:, 0], fit(base).means().influence
    for i in range(0, len(data), 89):
        step = np.where(np.arange(len(data)) == i, 1e-4 * base, 0.0)
        up, down = fit(base + step), fit(base - step)
        # A central difference of a smooth function: its error is the square of the step.
        near = {"rel": 1e-5, "abs": 1e-6 * np.abs(effects).max()}
        assert (up.theta[0] - down.theta[0]) / 2e-4 == pytest.approx(effects[i], **near)
        assert (up.means().theta - down.means().theta) / 2e-4 == pytest.approx(means[i], **near)


@pytest.mark.parametrize("method", ["plr", "irm", "aipw"])
def test_bounds_of_rows_repeated_within_clusters_are_those_of_weights(data, method):
    # Each row and its copies are one cluster: errors are then those of the rows, weighted by their numbers of copies.
    copies = np.random.default_rng(2).integers(1, 4, len(data))
    rows = data.assign(copies=copies, row=np.arange(len(data)), part=folds(len(data)))
    options = {"method": method, "vcov": {"cluster": "row", "type": "HC0"}} | (
        {} if method == "aipw" else {"folds": "part"}
    )
    weighted = si.effect(ADJUSTED, rows, weights="copies", **options)
    repeated = si.effect(ADJUSTED, rows.loc[rows.index.repeat(copies)].reset_index(drop=True), **options)
    one, other = (fit.sensitivity(0.05, 0.02, null=100.0).tidy() for fit in (weighted, repeated))
    np.testing.assert_allclose(one.to_numpy(float), other.to_numpy(float), rtol=1e-6)
    # Without a confounder the bound's error is the effect's.
    grouped = weighted.with_vcov({"cluster": "educ"})
    assert grouped.sensitivity(0.0, 0.0).lower_se == pytest.approx(grouped.std_errors.iloc[0], rel=1e-10)


def test_standard_errors_of_the_bounds_by_simulation():
    # Which bound has the larger error: the draws' own spread decides between us and DoubleML.
    lows, highs, errors = [], [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(400)
        v = rng.standard_normal(400)
        frame = pd.DataFrame({"y": v + 2 * x + v * (rng.exponential(1.0, 400) - 1.0), "d": v + 0.5 * x, "x": x})
        found = si.effect("y ~ d | x", frame, method="plr", seed=seed).sensitivity(0.2, 0.2)
        lows.append(found.lower)
        highs.append(found.upper)
        errors.append((found.lower_se, found.upper_se))
    mean = np.mean(errors, axis=0)
    spread = np.array([np.std(lows), np.std(highs)])
    assert np.argmax(mean) == np.argmax(spread)
    # Heavy tails: the standard deviation of 300 draws is itself good to about a tenth.
    np.testing.assert_allclose(mean, spread, rtol=0.2)


def test_groups(data):
    fit = si.effect(ADJUSTED, data, by="nodegree")
    assert fit.terms == ("treat[0]", "treat[1]")
    split = si.effect(ADJUSTED, data, by="nodegree", folds=folds(445))
    share = data["nodegree"].mean()
    whole = si.effect(ADJUSTED, data, folds=folds(445))
    assert split.theta @ [1 - share, share] == pytest.approx(whole.theta[0], rel=1e-10)
    for level, estimate in zip((0, 1), fit.theta, strict=True):
        assert estimate == pytest.approx(value("nsw", f"gate:nodegree={level}"), rel=1e-8)
    for method in ("dim", "regression"):
        formula = "re78 ~ treat" if method == "dim" else "re78 ~ treat | age + educ"
        both = si.effect(formula, data, method=method, by="nodegree")
        one = si.effect(formula, data[data["nodegree"] == 1], method=method)
        assert both.theta[1] == pytest.approx(one.theta[0], rel=1e-10)
        assert both.std_errors.iloc[1] == pytest.approx(one.std_errors.iloc[0], rel=1e-10)
    assert both.test("treat[0] = treat[1]").df == 1


def test_identities(data):
    flip = data.assign(treat=1 - data["treat"])
    for method in ("ipw", "aipw", "plr", "irm", "regression"):
        a, b = (
            si.effect(
                ADJUSTED,
                d,
                method=method,
                seed=1,
                **({} if method in ("ipw", "aipw", "regression") else {"folds": folds(445)}),
            )
            for d in (data, flip)
        )
        assert a.theta[0] == pytest.approx(-b.theta[0], rel=1e-8)
        assert a.std_errors.iloc[0] == pytest.approx(b.std_errors.iloc[0], rel=1e-8)
    att, atc = si.effect(ADJUSTED, data, estimand="ATT"), si.effect(ADJUSTED, flip, estimand="ATC")
    assert att.theta[0] == pytest.approx(-atc.theta[0], rel=1e-8)
    same = si.effect(ADJUSTED, data, method="irm", propensity=0.4, outcome_model=0.0)
    treated = data["treat"] == 1
    direct = (data["re78"] * (treated / 0.4 - (~treated) / 0.6)).mean()
    assert same.theta[0] == pytest.approx(direct, rel=1e-10)


def test_row_weights_are_repeated_rows(data):
    w = np.arange(445) % 3
    repeated = data.loc[data.index.repeat(w)]
    for method in ("dim", "regression", "ipw", "aipw"):
        formula = "re78 ~ treat" if method == "dim" else ADJUSTED
        a = si.effect(formula, data, method=method, weights=w.astype(float))
        b = si.effect(formula, repeated, method=method)
        assert a.theta[0] == pytest.approx(b.theta[0], rel=1e-7)


def test_repeated_splits(data):
    fit = si.effect(ADJUSTED, data, method="irm", repeats=7, seed=3)
    errors = np.array([np.sqrt((m.influence**2).sum()) for m in fit.splits.moments])
    assert fit.theta[0] == np.median(fit.thetas)
    assert fit.std_errors.iloc[0] == pytest.approx(
        np.sqrt(np.median(errors**2 + (fit.thetas[:, 0] - fit.theta[0]) ** 2)), rel=1e-10
    )
    again = si.effect(ADJUSTED, data, method="irm", repeats=7, seed=3)
    assert np.array_equal(again.thetas, fit.thetas)
    assert fit.sensitivity().lower < fit.theta[0]
    assert fit.with_vcov({"cluster": "educ"}).std_errors.iloc[0] > 0


@pytest.mark.parametrize("method", ["dim", "regression", "ipw", "aipw", "plr", "irm"])
def test_intervals_cover(method):
    draws, hits = 200, 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((300, 2))
        chance = 0.5 if method == "dim" else 1 / (1 + np.exp(-0.5 * x[:, 0]))
        d = (rng.random(300) < chance).astype(float)
        slope = 0.0 if method == "plr" else 1.0
        y = 1.0 * d + slope * d * x[:, 1] + x @ [1.0, 0.5] + rng.standard_normal(300) * (1 + 0.5 * d)
        frame = pd.DataFrame({"y": y, "d": d, "a": x[:, 0], "b": x[:, 1]})
        formula = "y ~ d" if method == "dim" else "y ~ d | a + b"
        options = {"target": "population"} if method == "regression" else {}
        low, high = si.effect(formula, frame, method=method, seed=seed, **options).conf_int().loc["d"]
        hits += low <= 1.0 <= high
    assert abs(hits / draws - 0.95) < 3.0 * np.sqrt(0.95 * 0.05 / draws)


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_frames_missing_rows_and_saving(data, kind, tmp_path):
    some = data.assign(age=data["age"].where(data.index % 9 > 0), job=np.where(data["married"] > 0, "yes", "no"))
    formula = "re78 ~ treat | age + C(job)"
    base = si.effect(formula, some, by="job")
    other = (
        __import__("polars").from_pandas(some) if kind == "polars" else __import__("pyarrow").Table.from_pandas(some)
    )
    fit = si.effect(formula, other, by="job")
    np.testing.assert_allclose(fit.theta, base.theta, rtol=1e-12)
    assert base.terms == ("treat[no]", "treat[yes]")
    assert type(fit.tidy()).__module__.split(".")[0] == kind
    saved = si.load(base.save(tmp_path / "fit"))
    assert str(saved.summary()) == str(base.summary())
    with pytest.raises(si.DataError, match="fit again"):
        saved.sensitivity()
    assert len(base.augment()) == len(some)


def test_row_wise_predictions_of_a_lean_fit_are_refused_by_name(data):
    with pytest.raises(si.DataError, match="row-wise predictions need the rows"):
        pickle.loads(pickle.dumps(si.effect(ADJUSTED, data))).augment()


def test_joint_and_bootstrap(data):
    naive, robust = si.effect("re78 ~ treat", data, method="dim", vcov="HC0"), si.effect(ADJUSTED, data)
    both = si.joint(naive, robust, names=["naive", "adjusted"])
    assert both.test("naive: treat = adjusted: treat").p_value > 0.05
    draws = robust.bootstrap(400, seed=1)
    assert draws.std_errors.iloc[0] == pytest.approx(robust.std_errors.iloc[0], rel=0.15)


def test_faults_are_named(data):
    with pytest.raises(si.DataError, match="'treat' does not vary"):
        si.effect(ADJUSTED, data[data["treat"] == 1])
    with pytest.raises(si.DataError, match=r"'age' has .* values"):
        si.effect("re78 ~ age | educ", data)
    with pytest.raises(si.DataError, match="one treatment column is needed"):
        si.effect("re78 ~ treat + age | educ", data)
    with pytest.raises(si.OptionError, match="method='dim' compares means"):
        si.effect(ADJUSTED, data, method="dim")
    with pytest.raises(si.OptionError, match="adjusts for covariates"):
        si.effect("re78 ~ treat", data)
    with pytest.raises(si.DataError, match="fold 0 leaves no row to learn outcome1"):
        si.effect(ADJUSTED, data, method="irm", folds=1 - data["treat"].to_numpy())
    with pytest.raises(si.ConvergenceError, match="arms do not overlap"):
        si.effect("re78 ~ treat | twin", data.assign(twin=data["treat"] + 0.01 * data["age"]))
    sure = np.where(data["treat"] == 1, 0.999, 0.001)
    with pytest.raises(si.NotIdentifiedError, match="no overlap: 445 of 445 rows"):
        si.effect(ADJUSTED, data, method="irm", treatment_model=_Fixed(sure), folds=folds(445))
    with pytest.warns(match="weak overlap"):
        si.effect(ADJUSTED, data, method="irm", clip=0.38)
    from sklearn.linear_model import LinearRegression

    with pytest.raises(si.OptionError, match="predict_proba"):
        si.effect(ADJUSTED, data, method="irm", treatment_model=LinearRegression())
    with pytest.raises(si.DataError, match="strictly between 0 and 1"):
        si.effect(ADJUSTED, data, method="ipw", propensity="nodegree")
    with pytest.raises(si.NotIdentifiedError, match="omitted-variable"):
        si.effect(ADJUSTED, data, method="ipw").sensitivity()
    with pytest.raises(si.OptionError, match="estimand"):
        si.effect(ADJUSTED, data, estimand="ATX")
    with pytest.raises(si.NotIdentifiedError, match="leverages"):
        si.effect(ADJUSTED, data, vcov="HC3")


class _Fixed:
    def __init__(self, values):
        self.values = values

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        p = np.where(np.arange(len(X)) % 2, 0.9999, 0.0001)
        return np.column_stack([1.0 - p, p])


def test_scores_without_an_outcome_model_are_inverse_probability_weighting():
    rng = np.random.default_rng(0)
    y, d, e = rng.standard_normal(50), (rng.random(50) < 0.5).astype(float), np.full(50, 0.5)
    zero = np.zeros(50)
    found = scores(y, d, e, zero, zero, "ATE", np.ones(50))
    np.testing.assert_allclose(found.b, 2 * d * y - 2 * (1 - d) * y)


@pytest.mark.parametrize("method", ["irm", "plr"])
def test_several_splits_keep_what_the_target_of_a_density_ratio_adds(method):
    """Most of the error is that of the target's 12 rows; each split says about the same of it."""
    random = np.random.default_rng(5)
    data = pd.DataFrame({"x": random.normal(size=300)})
    data["t"] = (random.random(300) < 1.0 / (1.0 + np.exp(-data["x"]))) * 1
    data["y"] = data["t"] * (1.0 + data["x"]) + data["x"] + random.normal(size=300)
    ratio = si.density_ratio("~ x", data, pd.DataFrame({"x": random.normal(size=12) + 0.3}))
    once, thrice = (si.effect("y ~ t | x", data, method=method, weights=ratio, repeats=r) for r in (1, 3))
    parts = []
    for fit in (once, thrice):
        moments = fit.moments()
        parts.append([(moments.influence**2).sum(), (moments.outside_influence**2).sum()])
    assert sum(parts[0]) == pytest.approx(once.std_errors.iloc[0] ** 2, rel=1e-9)
    assert parts[0][1] > parts[0][0] and parts[1] == pytest.approx(parts[0], rel=0.1)
    draws = thrice.bootstrap(400, seed=1).std_errors.iloc[0]
    # A standard deviation of 400 draws is off by less than 4 / sqrt(800) of itself.
    assert draws == pytest.approx(np.sqrt(sum(parts[1])), rel=4 / np.sqrt(800))
