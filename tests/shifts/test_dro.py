"""Robust regressions against cvxpy; their influence values against refits; what has no theory is refused."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar

import statinf as si
from shifts.samples import two
from statinf.numerics.tails.balls import worst_chi2, worst_kl
from statinf.numerics.tails.risk import tail_mean
from statinf.shifts.dro_solved import risk_moments

# Twelve losses whose worst means cvxpy and closed forms gave.
LOSSES = np.array(
    [
        0.707529,
        1.025203,
        0.568549,
        0.89511,
        0.206533,
        3.383637,
        0.009754,
        2.809216,
        0.575333,
        0.300534,
        0.541136,
        0.312146,
    ]
)


def robust(ball="chi2", family="gaussian", data=None, **options):
    source, target = two()
    if family == "binomial":
        source = source.assign(y=(source["y"] > 2).astype(float))
    return si.shift("y ~ x1 + x2", source, target, method="dro", ball=ball, family=family, **options)


def cvxpys(ball, size, family="gaussian"):
    """Coefficients and worst-case loss."""
    source, _ = two()
    x = np.column_stack([np.ones(300), source["x1"], source["x2"]])
    y = source["y"].to_numpy()
    b, a, n = cp.Variable(3), cp.Variable(), 300
    if family == "binomial":
        losses = cp.logistic(cp.multiply(1.0 - 2.0 * (y > 2), x @ b))
    else:
        losses = 0.5 * cp.square(y - x @ b)
    limits = []
    if ball == "chi2":
        cost = a + np.sqrt((1 + 2 * size) / n) * cp.norm(cp.pos(losses - a))
    elif ball == "cvar":
        cost = a + cp.sum(cp.pos(losses - a)) / n / (1 - size)
    elif ball == "kl":
        scale, v = cp.Variable(nonneg=True), cp.Variable(n)
        bound = cp.Variable(n)
        limits = [cp.constraints.ExpCone(bound - a, scale * np.ones(n), v), bound >= losses, cp.sum(v) / n <= scale]
        cost = a + scale * size
    else:
        moved = size * cp.norm(cp.multiply(x[:, 1:].std(axis=0), b[1:]))
        cost = cp.sum(losses) / n + moved if family == "binomial" else cp.norm(y - x @ b) / np.sqrt(n) + moved
    problem = cp.Problem(cp.Minimize(cost), limits)
    problem.solve(solver="CLARABEL")
    value = problem.value**2 / 2 if ball == "wasserstein" and family == "gaussian" else problem.value
    return b.value, value


def option(ball, size):
    return {"level" if ball == "cvar" else "radius": size}


@pytest.mark.parametrize(
    ("ball", "size", "family"),
    [
        ("chi2", 0.05, "gaussian"),
        ("chi2", 20.0, "gaussian"),
        ("chi2", 0.1, "binomial"),
        ("kl", 0.5, "gaussian"),
        ("kl", 0.05, "binomial"),
        ("cvar", 0.5, "gaussian"),
        ("cvar", 0.2, "binomial"),
        ("wasserstein", 0.1, "gaussian"),
        ("wasserstein", 0.05, "binomial"),
    ],
)
def test_the_minimum_is_cvxpys(ball, size, family):
    coef, value = cvxpys(ball, size, family)
    fit = robust(ball, family, **option(ball, size))
    # Interior-point solutions are accurate to about 1e-8 in the objective, hence its root in the coefficients.
    assert_allclose(fit.worst_case_risk, value, rtol=2e-7)
    assert fit.worst_case_risk <= value * (1 + 1e-9)
    assert_allclose(fit.theta, coef, atol=2e-4)


def test_worst_means_of_fixed_losses():
    """The file of reference numbers: twelve losses, solved by cvxpy and in closed form."""
    losses, w = LOSSES, np.full(12, 1 / 12)
    for radius, value in ((0.1, 1.39483246624), (0.5, 1.95140396314), (1.0, 2.3648274078)):
        assert_allclose(worst_chi2(losses, w, radius).value, value, rtol=1e-6)
    assert_allclose(worst_chi2(losses, w, 0.5).value, losses.mean() + losses.std(), rtol=1e-8)
    for radius, value in ((0.1, 1.43920702214), (0.5, 2.12862068755)):
        assert_allclose(worst_kl(losses, w, radius).value, value, rtol=1e-6)
    for share, value in ((0.1, 3.28790016667), (0.25, 2.40601866667), (0.5, 1.56600466667)):
        assert_allclose(tail_mean(losses, w, 1 - share)[1], value, rtol=1e-8)


def test_worst_laws_are_in_their_balls():
    random = np.random.default_rng(2)
    losses, w = random.standard_normal(50) ** 2, random.dirichlet(np.ones(50) * 5)
    first, second = worst_chi2(losses + 1e6, w, 0.7), worst_kl(losses, w, 0.7)
    assert_allclose(0.5 * (w @ (first.law / w - 1) ** 2), 0.7, rtol=1e-8)
    assert_allclose(second.law @ np.log(second.law / w), 0.7, rtol=1e-10)
    for one in (first, second):
        assert_allclose(one.law.sum(), 1.0) and (one.law >= 0).all()
    assert_allclose(first.law, worst_chi2(losses, w, 0.7).law, rtol=1e-6)
    equal = worst_chi2(np.ones(5), np.full(5, 0.2), 0.3)
    assert equal.value == 1.0 and worst_kl(np.ones(5), np.full(5, 0.2), 0.3).value == 1.0


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("radius", [0.01, 0.1, 1.0])
def test_worst_means_of_skewed_losses_are_their_duals(sign, radius):
    """Losses with a long tail on either side: the first guess of the tilt is too large for one and too small for the other."""
    losses, w = sign * np.random.default_rng(3).exponential(size=80), np.full(80, 1 / 80)
    top = losses.max()

    def dual(log):
        a = np.exp(log)
        return a * radius + top + a * np.log(w @ np.exp((losses - top) / a))

    found = worst_kl(losses, w, radius)
    assert_allclose(found.law @ np.log(found.law / w), radius, rtol=1e-10)
    # A minimum is flat: the argument to 1e-6 leaves 1e-12 of it.
    assert_allclose(found.value, minimize_scalar(dual, bounds=(-6, 6), method="bounded").fun, rtol=1e-8)


def small(seed, n):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(rng.normal(size=(2, n)).T, columns=["x1", "x2"])
    data["y"] = 1 + data["x1"] + 0.5 * data["x1"] ** 2 - data["x2"] + rng.normal(size=n)
    data["z"] = (rng.random(n) < 1 / (1 + np.exp(-data["x1"]))).astype(float)
    return data.assign(w=rng.integers(0, 4, n))


@pytest.mark.parametrize(("ball", "seed", "n"), [("kl", 7, 120), ("kl", 39, 60), ("wasserstein", 33, 60)])
def test_logistic_losses_near_the_corner(ball, seed, n):
    """Near equal losses, or slopes of zero, the worst case has a corner; its minimum here is beside it."""
    data, b = small(seed, n), cp.Variable(3)
    fit = si.shift("z ~ x1 + x2", data, data[:20], method="dro", ball=ball, family="binomial", radius=0.1)
    x = np.column_stack([np.ones(n), data["x1"], data["x2"]])
    losses = cp.logistic(cp.multiply(1.0 - 2.0 * data["z"].to_numpy(), x @ b))
    if ball == "kl":
        # a log mean exp(level / a) <= s, with t at least a exp((level - s) / a).
        a, s, t, level = cp.Variable(), cp.Variable(), cp.Variable(n), cp.Variable(n)
        problem = cp.Problem(
            cp.Minimize(a * 0.1 + s), [losses <= level, cp.ExpCone(level - s, a * np.ones(n), t), cp.sum(t) <= n * a]
        )
    else:
        problem = cp.Problem(cp.Minimize(cp.sum(losses) / n + 0.1 * cp.norm(cp.multiply(x[:, 1:].std(axis=0), b[1:]))))
    value = problem.solve(solver="CLARABEL")
    # Interior-point solutions are accurate to about 1e-8 in the objective.
    assert_allclose(fit.worst_case_risk, value, rtol=2e-7)


@pytest.mark.parametrize("seed", range(4))
def test_equal_rows_are_one_row_with_their_weight(seed):
    drawn = small(0, 120).sample(60, replace=True, random_state=seed)
    counts = drawn.index.value_counts()
    once = small(0, 120).loc[counts.index].assign(w=counts)
    many = si.shift("y ~ x1 + x2", drawn, drawn, method="dro", ball="cvar")
    weighted = si.shift("y ~ x1 + x2", once, drawn, method="dro", ball="cvar", weights="w")
    # Both are within their duality gap, 1e-8, of the minimum; coefficients to its root.
    assert_allclose(many.theta, weighted.theta, atol=1e-4)
    assert_allclose(many.worst_case_risk, weighted.worst_case_risk, rtol=1e-7)


def test_steps_that_are_rounding_end_at_the_minimum():
    data = small(14, 500)
    fit = si.shift("y ~ x1 + x2", data, data[:20], method="dro", weights="w")
    again = si.shift("y ~ x1 + x2", data[data["w"] > 0], data[:20], method="dro", weights="w", max_iter=50)
    assert_allclose(fit.theta, again.theta, rtol=1e-6)


@pytest.mark.parametrize("family", ["gaussian", "binomial"])
@pytest.mark.parametrize(
    ("ball", "size"), [("chi2", 0.2), ("kl", 0.15), ("wasserstein", 0.1), ("cvar", 0.0)], ids=lambda v: str(v)
)
def test_influence_is_the_derivative_in_the_row_weights(ball, size, family):
    fit = robust(ball, family, **option(ball, size))
    influence, own = fit.influence, risk_moments(fit.worst_covariance.args[0]).scores[:, 0]
    at, h = int(np.argmax(np.abs(influence).max(axis=1))), 1e-4
    steps = []
    for sign in (1.0, -1.0):
        w = np.ones(300)
        w[at] += sign * h
        moved = robust(ball, family, weights=w, **option(ball, size))
        steps.append(np.append(moved.theta, moved.worst_case_risk))
    slope = (steps[0] - steps[1]) / (2 * h)
    assert_allclose(slope[:3], influence[at], rtol=1e-4, atol=1e-5 * np.abs(influence).max())
    assert_allclose(slope[3], own[at], rtol=1e-4, atol=1e-5 * np.abs(own).max())


def test_small_balls_are_likelihood():
    plain = robust("chi2", radius=1e-10)
    source, target = two()
    mle = si.shift("y ~ x1 + x2", source, target, method="mle", vcov="HC0")
    assert_allclose(plain.theta, mle.theta, atol=1e-4)
    assert_allclose(plain.std_errors, mle.std_errors, rtol=1e-3)
    none = robust("cvar", level=0.0)
    assert_allclose(none.theta, mle.theta, rtol=1e-9)
    assert_allclose(none.std_errors, mle.std_errors, rtol=1e-9)


def test_the_worst_case_grows_with_the_ball_and_bounds_reweighted_losses():
    fits = [robust("kl", radius=r) for r in (0.05, 0.2, 0.8)]
    risks = [f.worst_case_risk for f in fits]
    assert risks[0] < risks[1] < risks[2] and fits[0].worst_ess > fits[2].worst_ess
    fit, (source, _) = fits[1], two()
    losses = 0.5 * (source["y"] - fit.predict(source)["estimate"]) ** 2
    assert_allclose(fit.worst_law @ losses, fit.worst_case_risk, rtol=1e-8)
    # The true target's law of the covariates, rescaled to lie within the ball.
    w = source["w_true"].to_numpy() ** 0.25
    p = w / w.sum()
    assert p @ np.log(300 * p) < 0.2 and p @ losses < fit.worst_case_risk
    table = fit.risk(0.9)
    assert table["conf_low"][0] < fit.worst_case_risk < table["conf_high"][0]


def test_a_wasserstein_ball_that_leaves_no_slope():
    with pytest.warns(si.StatinfWarning, match="lower radius="):
        fit = robust("wasserstein", radius=2.0)
    assert_allclose(fit.theta, [two()[0]["y"].mean(), 0.0, 0.0], atol=1e-12)
    with pytest.raises(si.NotIdentifiedError, match="lower radius="):
        robust("wasserstein", radius=2.0, vcov="HC0")


def test_a_logistic_ball_that_leaves_nothing():
    with pytest.warns(si.StatinfWarning, match="a half"):
        fit = robust("chi2", "binomial", radius=0.6)
    assert not fit.theta.any() and fit.worst_case_risk == pytest.approx(np.log(2))


def test_a_ball_around_a_reweighted_source():
    source, target = two()
    w = si.density_ratio("~ x1 + x2", source, target)
    with pytest.warns(si.StatinfWarning, match="effective sample size"):
        fit = robust(ratio=w)
    same = robust(weights=w.values)
    assert_allclose(fit.theta, same.theta, rtol=1e-9)
    assert "estimated" in fit.cov.label and (fit.std_errors != same.std_errors).all()
    fixed = fit.with_vcov("fixed")
    assert_allclose(fixed.std_errors, same.std_errors, rtol=1e-9)


def test_clusters_units_and_bootstrap():
    source, target = two()
    source = source.assign(g=np.arange(300) // 5)
    fit = si.shift("y ~ x1 + x2", source, target, method="dro", cluster="g")
    assert "g" in fit.cov.label and np.isfinite(fit.risk()["std_error"][0])
    far = source.assign(x1=source["x1"] + 1e7), target.assign(x1=target["x1"] + 1e7)
    moved = si.shift("y ~ x1 + x2", *far, method="dro", ball="wasserstein")
    assert_allclose(moved.theta[1:], robust("wasserstein").theta[1:], rtol=1e-6)
    drawn = fit.bootstrap(99)
    assert np.isfinite(drawn.std_errors).all()


def test_saved_fits(tmp_path):
    fit = robust("kl")
    back = si.load(fit.save(tmp_path / "fit"))
    assert_allclose(back.predict(two()[1])["estimate"], fit.predict()["estimate"])
    with pytest.raises(si.DataError, match="newdata"):
        back.predict()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ball": "tv"}, "'wasserstein'"),
        ({"radius": 0.0}, "radius"),
        ({"level": 1.0}, "level"),
        ({"family": "poisson"}, "family='binomial'"),
        ({"radius": 200.0}, "single row"),
    ],
)
def test_what_is_refused(options, said):
    with pytest.raises(si.OptionError, match=said):
        si.shift("y ~ x1 + x2", *two(), method="dro", **options)


def test_refusals_name_what_is_offered():
    fit = robust("cvar", level=0.9)
    with pytest.raises(si.NotIdentifiedError, match=r"si\.conformal"):
        fit.predict(interval="prediction")
    with pytest.raises(si.OptionError, match="HC0, HC1"):
        robust().with_vcov({"cluster": "x1", "type": "HC2"})
