"""`shift`: coefficients, stacked standard errors, the specification test, risks, cross-validation."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

import statinf as si
from shifts.samples import QUADRATIC, number, two
from statinf.errors import NumericalWarning

pytestmark = pytest.mark.filterwarnings(
    "ignore:the .* weighted source rows have an effective:statinf.errors.NumericalWarning"
)


def simulated(n=400, seed=0, **constants):
    data = si.datasets.simulate("covariate_shift", n, seed=seed, **constants)
    return data[data["sample"] == "source"], data[data["sample"] == "target"], data.attrs["truth"]


def test_mle_meets_reference():
    source, target = two()
    fit = si.shift("y ~ x1 + x2", source, target)
    assert_allclose(fit.theta, number("OLS", "coef"), rtol=1e-9)
    assert_allclose(fit.with_vcov("HC0").std_errors, number("OLS", "se_HC0"), rtol=1e-9)
    assert_allclose(fit.with_vcov("iid").std_errors, number("OLS", "se_model(n-p)"), rtol=1e-9)
    assert_allclose(fit.inflation * 3, number("OLS", "trace(Sigma_T Sigma_S^-1)")[0], rtol=1e-9)
    assert fit.cov.label == "HC1"
    assert_allclose(np.mean((target["y"] - fit.predict()["estimate"]) ** 2), number("OLS", "target_mse")[0], rtol=1e-9)


@pytest.mark.parametrize(("columns", "name"), [("x1 + x2", "linear"), (QUADRATIC, "quadratic")])
def test_mwle_meets_reference(columns, name):
    source, target = two()
    fit = si.shift("y ~ x1 + x2", source, target, method="mwle", ratio_formula=f"~ {columns}")
    assert_allclose(fit.theta, number(name, "wls_coef"), rtol=1e-7)
    assert_allclose(fit.std_errors, number(name, "wls_se_stacked_sandwich"), rtol=1e-7)
    assert_allclose(fit.with_vcov("fixed").std_errors, number(name, "wls_se_HC0_fixed_w"), rtol=1e-7)
    assert_allclose(np.mean((target["y"] - fit.predict()["estimate"]) ** 2), number(name, "target_mse")[0], rtol=1e-7)
    assert fit.cov.label == "HC0, weights estimated"


def test_known_ratios_meet_reference():
    source, target = two()
    fit = si.shift("y ~ x1 + x2", source, target, method="mwle", ratio=source["w_true"].to_numpy())
    assert_allclose(fit.theta, number("WLS(true w)", "coef"), rtol=1e-9)
    assert_allclose(fit.std_errors, number("WLS(true w)", "se_HC0"), rtol=1e-9)
    assert_allclose(fit.ratio.ess, number("true w", "ess")[0], rtol=1e-9)
    assert fit.cov.label == "HC0"


def test_kernel_ratios_say_that_weights_count_as_fixed():
    source, target = two()
    fit = si.shift("y ~ x1 + x2", source, target, method="mwle", ratio="kmm")
    assert fit.cov.label == "HC0, weights taken as fixed"
    assert "weights taken as fixed" in str(fit.summary())


@pytest.mark.parametrize("family", ["binomial", "poisson", "gamma"])
def test_families_are_those_of_glm(family):
    source, target = two()
    rng = np.random.default_rng(1)
    eta = 0.3 + 0.4 * source["x1"]
    draws = {
        "binomial": rng.binomial(1, 1 / (1 + np.exp(-eta))),
        "poisson": rng.poisson(np.exp(eta)),
        "gamma": rng.gamma(2, np.exp(eta)),
    }
    source["z"] = draws[family].astype(float)
    w = si.density_ratio("~ x1 + x2", source, target)
    fit = si.shift("z ~ x1 + x2", source, target, method="mwle", family=family)
    plain = si.glm("z ~ x1 + x2", source, family=family, weights=w)
    assert_allclose(fit.theta, plain.theta, rtol=1e-9)
    assert_allclose(fit.std_errors, plain.std_errors, rtol=1e-9)
    assert fit.specification_test().df == 3
    assert (fit.risk()["excess_risk"].to_numpy() > 0).all()
    table = fit.cross_validate(powers=[0.0, 1.0], folds=3)
    assert np.isfinite(table["risk"].to_numpy()).all()


def test_identical_samples_change_nothing():
    source, _ = two()
    plain = si.shift("y ~ x1 + x2", source, source)
    weighted = si.shift("y ~ x1 + x2", source, source, method="mwle")
    assert_allclose(plain.inflation, 1.0, rtol=1e-12)
    assert_allclose(weighted.theta, plain.theta, atol=1e-9)
    known = si.shift("y ~ x1 + x2", source, source, method="mwle", ratio=np.full(300, 2.0))
    test = known.specification_test()
    assert (test.df, test.p_value) == (0, 1.0)


def test_specification_test_is_the_quadratic_form_of_influence_values():
    source, target = two()
    fit = si.shift("y ~ x1 + x2", source, target)
    w = si.density_ratio("~ x1 + x2", source, target)
    a = si.lm("y ~ x1 + x2", source, vcov="HC0")
    b = si.lm("y ~ x1 + x2", source, weights=w)
    moves = b.influence - a.influence
    outside = b.moments().outside @ b.moments().bread.T
    covariance = moves.T @ moves + outside.T @ outside
    gap = b.theta - a.theta
    expected = gap @ np.linalg.solve(covariance, gap)
    test = fit.specification_test()
    assert_allclose(test.statistic, expected, rtol=1e-8)
    assert_allclose(test.p_value, chi2.sf(expected, 3), rtol=1e-6)
    again = si.shift("y ~ x1 + x2", source, target, method="mwle").specification_test()
    assert_allclose(again.statistic, expected, rtol=1e-8)


def test_comparisons_take_rows_of_a_cluster_together():
    source, target = two()
    source["g"] = np.random.default_rng(2).integers(0, 30, len(source))
    n, groups = len(source), np.unique(source["g"]).size
    w = si.density_ratio("~ x1 + x2", source, target)
    a, b = si.lm("y ~ x1 + x2", source, vcov="HC0"), si.lm("y ~ x1 + x2", source, weights=w)
    moves = np.zeros((groups, 3))
    np.add.at(moves, source["g"], b.influence - a.influence)
    outside = b.moments().outside @ b.moments().bread.T
    covariance = (moves.T @ moves + outside.T @ outside) * groups / (groups - 1) * (n - 1) / (n - 3)
    gap = b.theta - a.theta
    fit = si.shift("y ~ x1 + x2", source, target, cluster="g", seed=1)
    assert_allclose(fit.specification_test().statistic, gap @ np.linalg.solve(covariance, gap), rtol=1e-8)
    # The variance of the estimates at the target's columns is that of the tables.
    x = np.column_stack([np.ones(len(target)), target[["x1", "x2"]]])
    scale = si.lm("y ~ x1 + x2", source, weights=w).sigma ** 2
    variance = 0.5 * np.mean(np.einsum("ij,jk,ik->i", x, fit.vcov, x)) / scale
    assert_allclose(fit.risk()["variance"].iloc[0], variance, rtol=1e-2)
    # Rows of a cluster are in one fold: with as many folds as clusters the held-out rows are those of the cluster.
    found = fit.cross_validate((0.0,), folds=groups)
    held = np.empty(n)
    for g in range(groups):
        here = source["g"].to_numpy() == g
        held[here] = si.lm("y ~ x1 + x2", source[~here]).predict(source[here])["estimate"]
    loss, share = (source["y"].to_numpy() - held) ** 2, w.values / w.values.sum()
    assert_allclose(found["risk"].iloc[0], loss @ share, rtol=1e-8)
    parts = np.bincount(source["g"], (loss - loss @ share) * share)
    assert_allclose(found["std_error"].iloc[0], np.sqrt((parts**2).sum()), rtol=1e-8)
    with pytest.raises(si.OptionError, match="30 clusters of the source"):
        fit.cross_validate(folds=groups + 1)
    # They are those of the fit after a bootstrap too.
    drawn = fit.bootstrap(20, seed=1)
    assert_allclose(drawn.specification_test().statistic, fit.specification_test().statistic, rtol=1e-12)
    assert drawn.risk().equals(fit.risk())
    assert drawn.cross_validate((0.0,), folds=groups).equals(found)


def test_specification_test_keeps_its_size_and_has_power():
    """100 samples: the number of rejections at 5% under a right model lies within the 99.9% binomial band."""
    rejected = {0.0: 0, 0.5: 0}
    for curvature in rejected:
        for seed in range(100):
            source, target, _ = simulated(400, seed, tilt=(0.5, -0.25), curvature=curvature)
            test = si.shift("y ~ x1", source, target, ratio_formula="~ x1 + x2").specification_test()
            rejected[curvature] += test.p_value < 0.05
    assert rejected[0.0] <= 13  # qbinom(0.9995, 100, 0.05)
    assert rejected[0.5] >= 95


def bounded(n, rng):
    """Source x ~ U(-1, 1), target density proportional to exp(x) there, y = x + x^2 + noise; the target's best line."""
    x = rng.uniform(-1, 1, n)
    u = rng.uniform(size=n)
    target = np.log(np.exp(-1) + u * (np.exp(1) - np.exp(-1)))
    return pd.DataFrame({"x": x, "y": x + x**2 + 0.3 * rng.standard_normal(n)}), pd.DataFrame({"x": target})


def best_line():
    from scipy.integrate import quad

    def mean(f):
        return quad(lambda x: f(x) * np.exp(x), -1, 1)[0] / (np.exp(1) - np.exp(-1))

    m = [mean(lambda x, k=k: x**k) for k in range(4)]
    slope = 1 + (m[3] - m[1] * m[2]) / (m[2] - m[1] ** 2)
    return np.array([m[1] + m[2] - slope * m[1], slope])


@pytest.mark.parametrize("ratio", ["logistic", "moment"])
def test_mwle_intervals_cover_the_line_of_the_target(ratio):
    """150 samples of n = 400 with bounded weights: hits of 95% intervals within the 99.9% binomial band."""
    truth, hits = best_line(), np.zeros(2)
    rng = np.random.default_rng(11)
    for _ in range(150):
        fit = si.shift("y ~ x", *bounded(400, rng), method="mwle", ratio=ratio)
        limits = fit.conf_int().to_numpy()
        hits += (limits[:, 0] < truth) & (truth < limits[:, 1])
    assert (hits >= 132).all() and (hits <= 149).all(), hits  # qbinom(c(0.0005, 0.9995), 150, 0.95)


def test_risk_ranks_the_estimators_as_the_truth_does():
    source, target, _ = simulated(2000, 1, tilt=(0.5, -0.25), curvature=0.0)
    right = si.shift("y ~ x1", source, target, ratio_formula="~ x1 + x2").risk().set_index("estimator")["variance"]
    assert right["mle"] < right["mwle"]
    source, target, _ = simulated(2000, 1, tilt=(0.5, -0.25))
    wrong = si.shift("y ~ x1", source, target, ratio_formula="~ x1 + x2").risk().set_index("estimator")["excess_risk"]
    assert wrong["mwle"] < wrong["mle"]


def test_cross_validation_is_refitting_by_folds():
    source, target = two()
    fit = si.shift("y ~ x1 + x2", source, target)
    table = fit.cross_validate(powers=[0.0, 0.5], folds=4, seed=3)
    from statinf.backend import generator

    fold = np.empty(300, dtype=int)
    fold[fit.samples.at_source] = generator(3, 7).permutation(300) % 4
    w = si.density_ratio("~ x1 + x2", source, target).values
    for k, power in enumerate((0.0, 0.5)):
        loss = np.empty(300)
        for f in range(4):
            part = si.lm("y ~ x1 + x2", source[fold != f], weights=w[fold != f] ** power, vcov="iid")
            held = source[fold == f]
            loss[fold == f] = (held["y"] - part.predict(held)["estimate"].to_numpy()) ** 2
        assert_allclose(table["risk"][k], np.average(loss, weights=w), rtol=1e-9)


def test_multiplier_bootstrap_counts_the_target_sample():
    source, target = two()
    fit = si.shift("y ~ x1 + x2", source, target, method="mwle")
    draws = fit.bootstrap(4000, seed=1)
    # The standard deviation of 4,000 draws has a relative error near 1 / sqrt(8000) for normal draws.
    assert_allclose(draws.std_errors, fit.std_errors, rtol=0.08)


def test_frames_missing_rows_weights_and_clusters():
    source, target = two()
    source["id"], source["s"] = np.arange(300) // 3, np.linspace(0.5, 1.5, 300)
    expected = si.shift("y ~ x1 + x2", source, target, method="mwle", weights="s", cluster="id")
    for make in (pl.from_pandas, pa.Table.from_pandas):
        fit = si.shift("y ~ x1 + x2", make(source), make(target), method="mwle", weights="s", cluster="id")
        assert_allclose(fit.std_errors, expected.std_errors, rtol=1e-10)
    assert isinstance(si.shift("y ~ x1", pl.from_pandas(source), target).risk(), pl.DataFrame)
    assert "clustered by id" in expected.cov.label
    source.loc[5, "y"] = np.nan
    target.loc[2, "x1"] = np.nan
    fit = si.shift("y ~ x1 + x2", source, target, method="mwle")
    assert fit.nobs == 299 and fit.target_rows == 199
    assert np.isfinite(fit.std_errors).all()
    assert fit.specification_test().df == 3


def test_saved_fits_predict(tmp_path):
    source, target = two()
    fit = si.shift("y ~ x1 + x2", source, target, method="mwle")
    again = si.load(fit.save(tmp_path / "fit.si"))
    assert_allclose(again.predict(target)["estimate"], fit.predict()["estimate"])
    with pytest.raises(si.DataError):
        again.specification_test()
    with pytest.raises(si.DataError, match="newdata"):
        again.predict()


class TestTargetMean:
    def test_meets_reference(self):
        source, target = two()
        quadratic = {"ratio_formula": f"~ {QUADRATIC}"}
        for options, row in (
            ({"method": "gcomp"}, ("outcome linear OLS", "G-comp")),
            ({"method": "ipw"} | quadratic, ("quadratic logistic", "IPW Hajek")),
            ({"method": "ipw", "normalize": False} | quadratic, ("quadratic logistic", "IPW HT")),
            ({"method": "aipw"} | quadratic, ("both", "AIPW (Hajek)")),
            ({"method": "aipw", "normalize": False} | quadratic, ("both", "AIPW (HT, mean over n)")),
        ):
            fit = si.target_mean("y ~ x1 + x2", source, target, **options)
            assert_allclose(fit.theta, number(*row), rtol=1e-8)

    def test_influence_values_are_the_infinitesimal_jackknife(self):
        source, target = two()
        for method in ("aipw", "ipw", "gcomp"):
            fit = si.target_mean("y ~ x1 + x2", source, target, method=method)
            step = 1e-4
            for row in (3, 200):
                ws = np.ones(300)
                ws[row] += step
                wt = np.ones(200)
                wt[row % 200] += step
                up = si.target_mean("y ~ x1 + x2", source, target, method=method, weights=ws).theta[0]
                across = si.target_mean("y ~ x1 + x2", source, target, method=method, target_weights=wt).theta[0]
                assert_allclose((up - fit.theta[0]) / step, fit.on_source[row], rtol=2e-3, atol=1e-6)
                assert_allclose((across - fit.theta[0]) / step, fit.on_target[row % 200], rtol=2e-3, atol=1e-6)

    @pytest.mark.parametrize("normalize", [True, False])
    @pytest.mark.parametrize("method", ["aipw", "ipw"])
    def test_variances_under_row_weights_are_those_of_the_slopes_in_them(self, method, normalize):
        source, target = (frame.iloc[:40].reset_index(drop=True) for frame in two())
        rng = np.random.default_rng(0)
        ws, wt = rng.choice([0.2, 3.0], 40), rng.choice([0.5, 2.0], 40)

        def fitted(ws, wt):
            return si.target_mean(
                "y ~ x1", source, target, method=method, normalize=normalize, ratio_formula="~ x2", weights=ws, target_weights=wt
            )  # fmt: skip

        step, variance = 1e-4, 0.0
        for row in range(40):
            turn = np.where(np.arange(40) == row, step, 0.0)
            for moves in ((turn, 0 * turn), (0 * turn, turn)):
                up, down = (fitted(ws * (1 + s * moves[0]), wt * (1 + s * moves[1])).theta[0] for s in (1, -1))
                variance += ((up - down) / (2 * step)) ** 2
        # Central differences leave terms of the step squared.
        assert_allclose(fitted(ws, wt).std_errors["mean"] ** 2, variance, rtol=1e-5)

    @pytest.mark.parametrize("method", ["aipw", "ipw"])
    def test_a_given_ratio_is_divided_by_the_weights_that_it_was_made_with(self, method, tmp_path):
        source, target = two()
        source["w"] = np.random.default_rng(0).choice([20.0, 90.0], len(source))
        how = {"method": method, "normalize": False}
        w = si.density_ratio("~ x1", source, target, weights="w")
        saved = si.load(w.save(tmp_path / "w.si"))
        blocks = [si.blocks(frame, rows=70) for frame in (source, target)]
        there = si.target_mean(
            "y ~ 1", *blocks, **how, ratio=si.density_ratio("~ x1", *blocks, weights="w"), ratio_formula=None
        )
        mixed = source.sample(frac=1, random_state=1)
        mean = w.values @ source["y"] / source["w"].sum()
        if method == "ipw":
            direct = si.target_mean("y ~ 1", source, target, **how, weights="w", ratio_formula="~ x1")
            assert_allclose(direct.theta[0], mean, rtol=1e-10)
        fits = [si.target_mean("y ~ 1", source, target, **how, ratio=one) for one in (w, saved)]
        fits += [si.target_mean("y ~ 1", mixed, target, **how, ratio=w), there]
        if method == "ipw":
            for fit in fits:
                assert_allclose(fit.theta[0], mean, rtol=1e-9)
                assert_allclose(fit.std_errors, direct.std_errors, rtol=1e-7)
        for fit in fits[1:]:
            assert_allclose(fit.theta, fits[0].theta, rtol=1e-9)
            assert_allclose(fit.std_errors, fits[0].std_errors, rtol=1e-7)
        # The size of the population scales neither the mean nor its error.
        totals = {"Intercept": 1e6, "x1": 1e5}
        big, small = (
            si.target_mean("y ~ x1", source, **known, **how, weights="w", ratio_formula="~ x1")
            for known in ({"totals": totals}, {"target": {"x1": 0.1}})
        )
        assert_allclose(big.theta, small.theta, rtol=1e-9)
        assert_allclose(big.std_errors, small.std_errors, rtol=1e-9)

    def test_is_doubly_robust_and_its_intervals_cover(self):
        """100 samples of n = 500, the outcome model wrong, then the ratio: hits within the 99.9% binomial band."""
        hits = np.zeros(2)
        for seed in range(100):
            source, target, truth = simulated(500, seed, tilt=(0.5, -0.25))
            for k, (formula, ratio) in enumerate((("y ~ x2", "~ x1 + x2"), ("y ~ x1 + I(x1**2)", "~ x2"))):
                low, high = si.target_mean(formula, source, target, ratio_formula=ratio).conf_int().loc["mean"]
                hits[k] += low < truth["mean_y_target"] < high
        assert (hits >= 87).all() and (hits <= 100).all(), hits  # qbinom(c(0.0005, 0.9995), 100, 0.95)

    def test_options(self):
        source, target = two()
        source["id"] = np.arange(300) // 2
        assert "clustered" in si.target_mean("y ~ x1", source, target, cluster="id").cov.label
        with pytest.raises(si.OptionError, match="no density ratio"):
            si.target_mean("y ~ x1", source, target, method="gcomp", ratio="logistic")
        with pytest.raises(si.OptionError, match="'fixed'"):
            si.target_mean("y ~ x1", source, target).with_vcov("fixed")


class TestRefusals:
    def test_options_of_the_other_method(self):
        source, target = two()
        with pytest.raises(si.OptionError, match="power"):
            si.shift("y ~ x1", source, target, power=0.5)
        with pytest.raises(si.OptionError, match="exclude each other"):
            si.shift("y ~ x1", source, target, method="mwle", ratio=np.ones(300), weights=np.ones(300))
        with pytest.raises(si.OptionError, match="method='mwl'"):
            si.shift("y ~ x1", source, target, method="mwl")

    def test_ratios(self):
        source, target = two()
        for bad in (-np.ones(300), np.zeros(300), np.full(300, np.nan)):
            with pytest.raises(si.DataError, match="non-negative with a positive sum"):
                si.shift("y ~ x1", source, target, method="mwle", ratio=bad)
        with pytest.raises(si.DataError, match=r"\(7,\)"):
            si.shift("y ~ x1", source, target, method="mwle", ratio=np.ones(7))

    def test_target_without_a_variable(self):
        source, target = two()
        with pytest.raises(si.DataError, match="'x2'"):
            si.shift("y ~ x1 + x2", source, target[["x1"]])

    def test_small_effective_sample_warns(self):
        source, target = two()
        ratio = np.full(300, 1e-9)
        ratio[:3] = 1.0
        with pytest.warns(NumericalWarning, match="effective sample size"):
            si.shift("y ~ x1 + x2", source, target, method="mwle", ratio=ratio)

    def test_mle_needs_no_overlap(self):
        rng = np.random.default_rng(0)
        source = pd.DataFrame({"x": rng.uniform(0, 1, 60)})
        source["y"] = source["x"] + rng.standard_normal(60)
        fit = si.shift("y ~ x", source, pd.DataFrame({"x": rng.uniform(2, 3, 40)}))
        assert fit.inflation > 5
        with pytest.raises(si.NotIdentifiedError, match="no common support"):
            fit.specification_test()
