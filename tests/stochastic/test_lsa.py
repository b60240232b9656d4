import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import statinf as si
from statinf.numerics.laws.multipliers import multipliers

# Short runs are meant here; what warns, and when, is tested in test_bad_input.
pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")

N = 12_000


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    x1, x2, g = rng.normal(500, 1000, N), rng.normal(size=N), rng.choice(list("abc"), N, p=[0.6, 0.3, 0.1])
    z = rng.normal(size=N)
    u = rng.normal(size=N)
    d = 0.8 * z + 0.5 * u + rng.normal(size=N)
    y = 3 + 0.01 * x1 - 2 * x2 + 1.5 * (g == "b") + rng.normal(size=N) * (1 + np.abs(x2))
    return pd.DataFrame({
        "y": y, "x1": x1, "x2": x2, "g": g, "z": z, "d": d, "outcome": 1 + 2 * d + u + rng.normal(size=N),
        "event": (rng.random(N) < 1 / (1 + np.exp(0.5 - x2))).astype(int), "w": rng.uniform(0, 2, N),
    })  # fmt: skip


def close(fit, params, std_errors, *, se=0.12):
    """Within one and a half standard errors of a batch fit (both see the same rows), and similar standard errors."""
    plugin = fit.with_vcov("plugin").std_errors
    names = fit.params.index
    gap = np.abs(fit.params - np.asarray(params)[: len(names)]) / np.asarray(std_errors)
    assert gap.max() < 1.5
    assert np.abs(plugin / np.asarray(std_errors) - 1).max() < se


def test_least_squares_is_near_ols_with_its_standard_errors(frame):
    fit = si.lsa("y ~ x1 + x2 + g", frame, replicas=128)
    ols = smf.ols("y ~ x1 + x2 + g", frame).fit(cov_type="HC0")
    order = ["Intercept", "x1", "x2", "g[T.b]", "g[T.c]"]
    close(fit, ols.params[order], ols.bse[order])
    assert np.abs(fit.std_errors / fit.with_vcov("plugin").std_errors - 1).max() < 0.25


def test_weighted_least_squares(frame):
    fit = si.lsa("y ~ x1 + x2", frame, weights="w", replicas=0)
    wls = sm.WLS(frame["y"], sm.add_constant(frame[["x1", "x2"]]), weights=frame["w"]).fit(cov_type="HC0")
    close(fit, wls.params, wls.bse)
    assert np.array_equal(fit.theta, si.lsa("y ~ x1 + x2", frame, weights=frame["w"].to_numpy(), replicas=0).theta)


def test_rows_of_weight_zero_change_nothing_but_the_count(frame):
    w = np.ones(N)
    w[5000:5100] = 0.0
    fit = si.lsa("y ~ x2", frame, weights=w, replicas=128)
    assert np.isfinite(fit.conf_int().to_numpy()).all()


def test_just_identified_instruments(frame):
    from statsmodels.sandbox.regression.gmm import IV2SLS

    fit = si.lsa("outcome ~ d | z", frame, replicas=128)
    x, z = sm.add_constant(frame[["d"]]).to_numpy(), sm.add_constant(frame[["z"]]).to_numpy()
    iv = IV2SLS(frame["outcome"].to_numpy(), x, z).fit()
    bread = np.linalg.inv(z.T @ x)
    se = np.sqrt(np.diag(bread @ (z.T * iv.resid**2) @ z @ bread.T))
    close(fit, iv.params, se)
    low, high = fit.conf_int().loc["d"]
    assert low < 2.0 < high


def test_instruments_of_the_wrong_sign_are_no_problem(frame):
    flipped = frame.assign(z=-frame["z"])
    fit = si.lsa("outcome ~ d | z", flipped, replicas=0)
    assert fit.params["d"] == pytest.approx(si.lsa("outcome ~ d | z", frame, replicas=0).params["d"], abs=1e-9)


def test_logistic_loss_is_near_maximum_likelihood(frame):
    fit = si.lsa("event ~ x2 + g", frame, loss="logistic", replicas=128)
    logit = smf.logit("event ~ x2 + g", frame).fit(disp=0, cov_type="HC0")
    order = ["Intercept", "x2", "g[T.b]", "g[T.c]"]
    close(fit, logit.params[order], logit.bse[order])
    p = fit.predict(frame[:5], interval="confidence")
    assert ((p["conf_low"] < p["estimate"]) & (p["estimate"] < p["conf_high"]) & (p["conf_high"] < 1)).all()
    assert fit.predict(frame[:5], type="link")["estimate"].to_numpy() == pytest.approx(
        np.log(p["estimate"] / (1 - p["estimate"]))
    )


def test_quantile_loss_is_near_the_regression_quantile(frame):
    errors = frame["y"] - 1.5 * (frame["g"] == "b")
    frame = frame.assign(y=errors)
    fit = si.lsa("y ~ x1 + x2", frame, loss="quantile", tau=0.3, replicas=128)
    rq = smf.quantreg("y ~ x1 + x2", frame).fit(q=0.3)
    # The exact standard errors of this process: density of the errors at their quantile over 1 + |x2|, by integration.
    z = np.random.default_rng(1).normal(size=400_000)
    columns = np.column_stack([np.ones_like(z), z])
    hessian = (columns * (0.34769 / (1 + np.abs(z)))[:, None]).T @ columns / len(z)
    cov = np.linalg.inv(hessian) @ (0.21 * columns.T @ columns / len(z)) @ np.linalg.inv(hessian) / fit.averaged
    se = np.sqrt(np.diag(cov))[1]
    assert (
        abs(fit.params["x2"] - rq.params["x2"]) < 1.5 * se
        and abs(fit.params["x1"] - rq.params["x1"]) < 1.5 * rq.bse["x1"]
    )
    assert fit.with_vcov("plugin").std_errors["x2"] == pytest.approx(se, rel=0.12)
    assert fit.std_errors["x2"] == pytest.approx(se, rel=0.25)


def test_given_steps_run_the_plain_recursion(frame):
    """With c0 given: no preconditioning, start at zero; the formula's columns and the seed's multipliers."""
    rows = frame[:800]
    fit = si.lsa("y ~ x2", rows, step={"c0": 0.4, "k0": 10, "power": 0.6}, burn_in=300, replicas=30, seed=4)
    x, y = sm.add_constant(rows[["x2"]]).to_numpy(), rows["y"].to_numpy()
    w = np.column_stack([np.ones(800), multipliers(np.arange(1, 801), 30, seed=4)])
    theta, total = np.zeros((2, 31)), np.zeros((2, 31))
    for k in range(800):
        theta = theta - x[k][:, None] * (0.4 * (10 + k + 1) ** -0.6 * w[k] * (x[k] @ theta - y[k]))
        total += theta if k >= 300 else 0
    assert np.abs(fit.theta - total[:, 0] / 500).max() < 1e-12
    assert np.abs(fit.replicates.to_numpy() - total[:, 1:].T / 500).max() < 1e-12


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas, lambda f: f.to_dict("list")])
def test_any_kind_of_frame_gives_the_same_numbers(frame, convert):
    rows = frame[:3000].copy()
    rows.loc[[3, 17, 400], "x2"] = np.nan
    rows.loc[25, "g"] = None
    with pytest.warns(si.StatinfWarning):
        expected = si.lsa("y ~ x2 + g", rows, replicas=128)
        fit = si.lsa("y ~ x2 + g", convert(rows), replicas=128)
    assert np.array_equal(fit.theta, expected.theta)
    assert np.array_equal(fit.replica_draws(), expected.replica_draws())
    assert sum(fit.dropped.values()) == 4 and fit.nobs == 2996
    assert type(fit.tidy()) is type(convert(rows)) or isinstance(convert(rows), dict)


def test_predict_follows_the_recipe(frame):
    fit = si.lsa("y ~ x2 + g", frame[:4000], replicas=128)
    new = pd.DataFrame({"x2": [0.0, 1.0, np.nan], "g": ["a", "c", "b"]})
    with pytest.warns(si.StatinfWarning):
        p = fit.predict(new, interval="confidence")
    assert p["estimate"][1] == pytest.approx(fit.params["Intercept"] + fit.params["x2"] + fit.params["g[T.c]"])
    assert np.isnan(p["estimate"][2]) and p["conf_low"][0] < p["estimate"][0] < p["conf_high"][0]


def test_replicas_zero_leaves_the_plugin(frame):
    fit = si.lsa("y ~ x2", frame, replicas=0)
    assert fit.inference == "plugin" and fit.run.settings.replicas == 0
    with pytest.raises(si.OptionError, match="needs replicas"):
        fit.with_vcov("multiplier")


def test_every_inference_in_one_pass(frame):
    names = ("random-scaling", "multiplier", "plugin", "hac", "batch-means")
    fit = si.lsa("y ~ x2", frame, inference=names, replicas=128)
    assert fit.run.settings.power == 0.505
    for name in names:
        other = fit.with_vcov(name)
        limits = other.conf_int()
        assert (limits["conf_low"] < fit.params).all() and (fit.params < limits["conf_high"]).all()
        assert ((other.pvalues >= 0) & (other.pvalues <= 1)).all()
        assert np.allclose(other.tidy()["p_value"], other.pvalues)
    t = fit.statistics[1]
    assert fit.pvalues["x2"] < 0.05 or abs(t) < 6.747


def test_random_scaling_is_not_taken_for_a_variance(frame):
    fit = si.lsa("y ~ x2", frame[:3000], replicas=128, inference=("random-scaling", "multiplier"))
    for ask in (lambda: fit.test("x2 = 0"), lambda: fit.transform(lambda b: {"twice": 2 * b["x2"]}), fit.region):
        with pytest.raises(si.NotIdentifiedError, match="plugin"):
            ask()
    assert "chi2(1)" in str(fit.with_vcov("multiplier").test("x2 = 0"))


def test_deterministic_rows_give_zero_width_and_no_nan():
    x = np.tile([0.0, 1.0, 2.0], 400)
    fit = si.lsa("y ~ x", {"x": x, "y": 1 + 2 * x}, replicas=128, inference=("multiplier", "plugin", "random-scaling"))
    assert fit.theta == pytest.approx([1, 2], abs=1e-6)
    assert np.isfinite(fit.conf_int().to_numpy()).all() and (fit.std_errors < 1e-6).all()
    assert np.isfinite(fit.conf_int(ci="simultaneous").to_numpy()).all()


def test_one_column_one_averaged_row_and_constant_weights(frame):
    fit = si.lsa("y ~ 1", frame[:500], replicas=20, burn_in=499, weights=np.full(500, 2.0), step={"c0": 0.3, "k0": 5})
    assert fit.averaged == 1 and np.isfinite(fit.theta).all()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_to_arviz_holds_the_replicas(frame):
    fit = si.lsa("y ~ x2", frame[:3000], replicas=128)
    assert fit.to_arviz() is not None


def test_plots(frame):
    import matplotlib as mpl

    mpl.use("Agg")
    fit = si.lsa("y ~ x2 + g", frame, replicas=128)
    for kind in ("coefficients", "path", "region"):
        assert fit.plot(kind).get_xlabel()
    with pytest.raises(si.OptionError, match="two coefficients"):
        fit.plot("region", terms=["x2"])


def test_tables_render(frame):
    fit = si.lsa("y ~ x2", frame[:3000], replicas=128)
    for text in (repr(fit), fit._repr_html_(), fit._repr_markdown_()):
        assert "x2" in text and "multiplier bootstrap" in text
    assert fit.glance()["averaged"][0] == fit.averaged
    assert "relaxations" in set(fit.diagnostics()["diagnostic"])


def test_implicit_step_of_a_poisson_loss_solves_its_equation():
    from statinf.backend import x64
    from statinf.numerics.recursions.averaging import moved_by

    rng = np.random.default_rng(0)
    u, c, v, h = rng.normal(0, 8, 500), rng.poisson(3, 500) * 1.0, rng.exponential(0.3, 500), rng.exponential(2.0, 500)
    with x64():
        e = np.asarray(moved_by(u, c, v, h, 0.5, "poisson"))
    mean = np.exp(u - h * e)
    # Up to rounding of the increment and of exp, relative to the equation's own slope.
    left = np.abs(e - v * (mean - c)) / (1 + v * h * mean)
    assert (left <= 1e-12 * (1 + np.abs(e) + np.abs(u) / h)).all()


def test_poisson_loss_is_near_the_batch_fit():
    rng = np.random.default_rng(1)
    n = 3000
    d = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "o": rng.uniform(-1, 1, n)})
    d["y"] = rng.poisson(np.exp(0.5 + 0.4 * d.a - 0.3 * d.b + d.o) * rng.gamma(2, 0.5, n))
    fit = si.lsa("y ~ a + b + offset(o)", d, loss="poisson", replicas=64, inference=("plugin", "multiplier"))
    batch = si.glm("y ~ a + b + offset(o)", d, family="poisson", vcov="HC0")
    assert (abs(fit.params - batch.params) < 2.5 * batch.std_errors).all()
    # The plug-in divides by the averaged rows; its pieces are off by about a share 1 / sqrt(n).
    expected = batch.std_errors * np.sqrt(n / fit.averaged)
    np.testing.assert_allclose(fit.std_errors, expected, rtol=5 / np.sqrt(n))
    new = fit.predict(d[:4], interval="confidence")
    np.testing.assert_allclose(new.estimate, np.exp(fit.predict(d[:4], type="link").estimate))
    np.testing.assert_allclose(
        new.std_error / new.estimate, fit.predict(d[:4], type="link", interval="confidence").std_error
    )
    wild = d.assign(a=np.where(np.arange(n) == 1500, 8.0, d.a), b=d.b + 1e7)
    far = si.lsa("y ~ a + b + offset(o)", wild, loss="poisson", replicas=0)
    batch = si.glm("y ~ a + b + offset(o)", wild.assign(b=d.b), family="poisson", vcov="HC0")
    assert (abs(far.params - batch.params) < 2.5 * batch.std_errors)[["a", "b"]].all()


def test_poisson_refusals():
    d = pd.DataFrame({"y": [1.0, -1.0] * 50, "x": np.arange(100.0), "z": np.arange(100.0) ** 2})
    with pytest.raises(si.DataError, match="negative in 50 rows"):
        si.lsa("y ~ x", d, loss="poisson")
    with pytest.raises(si.OptionError, match="no instruments"):
        si.lsa("y ~ x | z", d, loss="poisson")
