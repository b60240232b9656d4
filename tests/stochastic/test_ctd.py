import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.stochastic.continuous.paths import backwards, forwards

OU = {"id": "episode", "time": "time", "discount": 0.5}
FORMULA = "reward ~ I(x**2)"


@pytest.fixture(scope="module")
def ou():
    return si.datasets.simulate("ornstein_uhlenbeck", 6_030, seed=2, step=0.05)


def irregular(episodes=40, seed=1):
    """Paths of unequal lengths on irregular grids, with what is paid at their ends."""
    random, parts = np.random.default_rng(seed), []
    for k in range(episodes):
        m = int(random.integers(3, 12))
        t = np.cumsum(random.uniform(0.05, 0.4, m))
        x = np.cumsum(random.standard_normal(m) * 0.5)
        parts.append(
            pd.DataFrame({"who": f"e{k:03}", "t": t, "x": x, "r": x**2 + random.standard_normal(m), "h": x + 1.0})
        )
    return pd.concat(parts, ignore_index=True)


PATHS = irregular()


def by_hand(data, beta, *, terminal=True, exact=False, lam=None):
    """Root, and its covariance by episode, of values b0 + b1 x by loops over rows."""
    A, b, parts = np.zeros((2, 2)), np.zeros(2), []
    for _, rows in data.groupby("who"):
        t, x, r = (rows[c].to_numpy() for c in ("t", "x", "r"))
        trace, g = np.zeros(2), []
        for i in range(len(t) - 1):
            dt, phi, after, paid = t[i + 1] - t[i], np.array([1.0, x[i]]), np.array([1.0, x[i + 1]]), 0.0
            if terminal and i == len(t) - 2:
                after, paid = np.zeros(2), rows["h"].iloc[-1]
            z = phi
            if lam is not None:
                trace = (0.0 if i == 0 else lam ** (t[i] - t[i - 1])) * trace + phi * dt
                z = trace
            ahead, here = (np.exp(-beta * dt), 1.0) if exact else (1.0, 1.0 + beta * dt)
            row, target = here * phi - ahead * after, r[i] * dt + ahead * paid
            A, b = A + np.outer(z, row), b + z * target
            g.append((z, row, target))
        parts.append(g)
    theta = np.linalg.solve(A, b)
    sums = np.array([sum(z * (c - row @ theta) for z, row, c in g) for g in parts])
    inverse, n = np.linalg.inv(A), len(parts)
    return theta, inverse @ (sums.T @ sums) @ inverse.T * n / (n - 1)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("lam", [None, 0.4])
def test_the_root_is_that_of_loops_over_rows(terminal, exact, lam):
    fit = si.ctd(
        "r ~ x", PATHS, id="who", time="t", discount=0.3, terminal="h" if terminal else None, lam=lam,
        discounting="exact" if exact else "euler",
    )  # fmt: skip
    theta, cov = by_hand(PATHS, 0.3, terminal=terminal, exact=exact, lam=lam)
    assert fit.theta == pytest.approx(theta, rel=1e-10)
    assert fit.vcov.to_numpy() == pytest.approx(cov, rel=1e-9)
    assert fit.nobs == len(PATHS) and fit.cov.df == 39


def test_exact_discounting_is_discrete_lstd(ou):
    """With gamma = exp(-beta dt) and rewards r dt the equations are the same."""
    fit = si.ctd(FORMULA, ou, **OU, discounting="exact")
    moves = ou.assign(after=ou["x"].shift(-1), paid=ou["reward"] * 0.05)[ou["episode"] == ou["episode"].shift(-1)]
    lstd = si.td("paid ~ I(x**2)", moves, next="after", discount=float(np.exp(-0.5 * 0.05)), method="lstd")
    assert fit.theta == pytest.approx(lstd.theta, abs=1e-10)
    assert fit.with_vcov("HC0").vcov.to_numpy() == pytest.approx(lstd.with_vcov("HC0").vcov.to_numpy(), rel=1e-8)


@pytest.mark.parametrize("step", [0.1, 0.01])
def test_conditional_means_give_the_fixed_point_of_the_time_step(step):
    kappa, sigma, beta = 1.0, 0.7, 0.5
    now = np.random.default_rng(0).standard_normal(50) ** 2
    then = np.exp(-2 * kappa * step) * now + sigma**2 * (1 - np.exp(-2 * kappa * step)) / (2 * kappa)
    data = pd.DataFrame({"who": np.repeat(np.arange(50), 2), "t": np.tile([0.0, step], 50)})
    data["f"] = data["r"] = np.column_stack([now, then]).ravel()
    fit = si.ctd("r ~ f", data, id="who", time="t", discount=beta)
    a = step / (1 + beta * step - np.exp(-2 * kappa * step))
    c = a * sigma**2 * (1 - np.exp(-2 * kappa * step)) / (2 * kappa) / (beta * step)
    assert fit.theta == pytest.approx([c, a], rel=1e-9)


def test_the_martingale_loss_is_a_regression_of_returns():
    fit = si.ctd("r ~ x", PATHS, id="who", time="t", discount=0.3, terminal="h", method="ml")
    states, returns, steps = [], [], []
    for _, rows in PATHS.groupby("who"):
        t, r = rows["t"].to_numpy(), rows["r"].to_numpy()
        found = rows["h"].iloc[-1]
        for i in range(len(t) - 2, -1, -1):
            found = r[i] * (t[i + 1] - t[i]) + np.exp(-0.3 * (t[i + 1] - t[i])) * found
            states.append([1.0, rows["x"].iloc[i]])
            returns.append(found)
            steps.append(t[i + 1] - t[i])
    root = np.sqrt(steps)
    theta = np.linalg.lstsq(np.array(states) * root[:, None], np.array(returns) * root, rcond=None)[0]
    assert fit.theta == pytest.approx(theta, rel=1e-9)
    # Traces that decay as rewards are discounted add up increments to returns.
    same = si.ctd(
        "r ~ x", PATHS, id="who", time="t", discount=0.3, terminal="h", lam=float(np.exp(-0.3)), discounting="exact"
    )
    assert same.theta == pytest.approx(theta, rel=1e-9)
    assert same.std_errors.to_numpy() == pytest.approx(fit.std_errors.to_numpy(), rel=1e-9)
    with pytest.raises(si.NotIdentifiedError, match="overlap"):
        fit.with_vcov("HC0")


def test_the_published_bias_and_the_true_values_within_errors():
    """The sheet's mean over 200 samples at a step of .1 is (.4296, .3841) with errors (.0208, .0145)."""
    data = si.datasets.simulate("ornstein_uhlenbeck", 101_000, seed=3, step=0.1)
    fit = si.ctd(FORMULA, data, **OU)
    assert np.abs((fit.theta - [0.3841, 0.4324]) / fit.std_errors).max() < 3.0
    assert fit.std_errors.to_numpy() * np.sqrt(10.0) == pytest.approx([0.0145, 0.0208], rel=0.1)
    # Extrapolated to a step of zero, the values themselves.
    table = fit.discretisation()
    assert np.abs((table["extrapolated"] - [0.392, 0.4]) / table["std_error"]).max() < 3.0
    thinned = si.ctd(FORMULA, data[np.arange(len(data)) % 101 % 2 == 0], **OU)
    assert table["coarse"].to_numpy() == pytest.approx(thinned.theta, rel=1e-12)


def test_the_relative_test_function_is_root_n_too(ou):
    fit = si.ctd(FORMULA, ou, **OU, test_function="relative")
    plain = si.ctd(FORMULA, ou, **OU)
    assert np.abs((fit.theta - plain.theta) / plain.std_errors).max() < 2.0
    assert fit.std_errors.iloc[1] < plain.std_errors.iloc[1]
    own = si.ctd(FORMULA, ou, **OU, test_function=lambda x, t: x)
    assert own.theta == pytest.approx(plain.theta, rel=1e-9)


def test_recursions_are_loops():
    random = np.random.default_rng(5)
    factor, added = random.uniform(0, 1, 37), random.standard_normal((37, 2))
    factor[[12, 36]] = 0.0
    back, forth = added.copy(), added.copy()
    for k in range(35, -1, -1):
        back[k] += factor[k] * back[k + 1]
    for k in range(1, 37):
        forth[k] += factor[k] * forth[k - 1]
    assert backwards(factor, added) == pytest.approx(back, abs=1e-13)
    assert forwards(factor, added) == pytest.approx(forth, abs=1e-13)


def test_episodes_may_interleave_and_columns_stand_anywhere():
    mixed = PATHS.sort_values("t", kind="stable").reset_index(drop=True)
    how = {"id": "who", "time": "t", "discount": 0.3, "terminal": "h"}
    one, two = si.ctd("r ~ x", PATHS, **how), si.ctd("r ~ x", mixed, **how)
    assert two.theta == pytest.approx(one.theta, rel=1e-12)
    assert two.vcov.to_numpy() == pytest.approx(one.vcov.to_numpy(), rel=1e-10)
    merged = mixed.assign(found=two.td_residuals).sort_values(["who", "t"])["found"].to_numpy()
    assert merged == pytest.approx(one.td_residuals, rel=1e-9, abs=1e-12, nan_ok=True)
    assert np.isnan(one.td_residuals).sum() == 40
    far = si.ctd("r ~ x", PATHS.assign(x=PATHS["x"] + 1e8), **how)
    assert far.theta[1] == pytest.approx(one.theta[1], rel=1e-6)


def test_one_long_path_has_errors_along_it(ou):
    path = ou.assign(time=ou["time"] + 10.05 * ou["episode"])
    fit = si.ctd(FORMULA, path, time="time", discount=0.5)
    assert "HAC" in fit.cov.label
    ratio = fit.with_vcov("HC0").std_errors / fit.std_errors
    # Increments are nearly uncorrelated: the kinds differ by their noise.
    assert np.abs(ratio - 1).max() < 0.2
    assert fit.with_vcov({"hac": 0}).vcov.to_numpy() == pytest.approx(fit.with_vcov("HC0").vcov.to_numpy(), rel=1e-8)
    with pytest.raises(si.NotIdentifiedError, match="id="):
        fit.with_vcov("episode")


def test_payments_at_the_end_alone():
    data = si.datasets.simulate("mean_variance", 60 * 21, seed=1, rows=21)
    fit = si.ctd("reward ~ 0 + I(y**2) + I(y**2 * left)", data, id="episode", time="time", discount=0, terminal="paid")
    # y^2 exp(-theta (T - t)) with theta = .09 is near y^2 (1 - .086 (T - t)).
    assert np.abs((fit.theta - [1.0, -0.086]) / fit.std_errors).max() < 3.0


def test_the_martingale_test_tells_features_that_do_not_span_the_values():
    rejected = np.zeros(2)
    for seed in range(20):
        data = si.datasets.simulate("ornstein_uhlenbeck", 4_040, seed=seed, step=0.01, horizon=1.0)
        rejected += [si.ctd(f, data, **OU).martingale_test().p_value < 0.05 for f in (FORMULA, "reward ~ x")]
    # A test of 5 % rejects more than 4 of 20 true hypotheses in 1 of 400 samples.
    assert rejected[0] <= 4 and rejected[1] >= 18


def test_quadratic_variation_is_by_episode():
    fit = si.ctd("r ~ x", PATHS, id="who", time="t", discount=0.3)
    table = fit.quadratic_variation()
    residual = PATHS.assign(found=fit.td_residuals**2).groupby("who")["found"].sum()
    assert list(table["episode"]) == list(residual.index)
    assert table["quadratic_variation"].to_numpy() == pytest.approx(residual.to_numpy(), rel=1e-12)
    spans = PATHS.groupby("who")["t"].agg(lambda t: t.max() - t.min())
    assert table["length"].to_numpy() == pytest.approx(spans.to_numpy(), rel=1e-12)


def test_predictions_have_limits_and_a_saved_fit_still_predicts(tmp_path):
    fit = si.ctd("r ~ x", PATHS, id="who", time="t", discount=0.3)
    new = pd.DataFrame({"x": [0.0, 1.0]}, index=["a", "b"])
    table = fit.predict(new, interval="confidence")
    assert table.loc["a", "std_error"] == pytest.approx(fit.std_errors["Intercept"])
    assert list(table.index) == ["a", "b"]
    fit.save(tmp_path / "fit")
    again = si.load(tmp_path / "fit")
    pd.testing.assert_frame_equal(again.predict(new, interval="confidence"), table)
    with pytest.raises(si.DataError, match="rows of the fit"):
        _ = again.td_residuals
    assert fit.lean().with_vcov("HC0").std_errors.notna().all()


def test_groups_of_episodes():
    data = PATHS.assign(site=PATHS["who"].str[1:].astype(int) // 4)
    how = {"id": "who", "time": "t", "discount": 0.3}
    fit = si.ctd("r ~ x", data, **how, cluster="site")
    assert fit.cov.df == 9 and "site" in fit.cov.label
    assert si.ctd("r ~ x", data, **how, vcov="cluster").vcov.equals(si.ctd("r ~ x", data, **how).vcov)
    with pytest.raises(si.OptionError, match="varies within episodes"):
        si.ctd("r ~ x", data.assign(site=np.arange(len(data)) % 7), **how, cluster="site")
    # Episodes said twice are one group each, and tell no more than once.
    twice = pd.concat([PATHS.assign(one=PATHS["who"]), PATHS.assign(one=PATHS["who"], who=PATHS["who"] + "b")])
    once = si.ctd("r ~ x", PATHS, **how).martingale_test()
    held = si.ctd("r ~ x", twice, **how, cluster="one").martingale_test()
    assert held.df == once.df
    np.testing.assert_allclose(held.statistic, once.statistic, rtol=1e-8)
    drawn = si.ctd("r ~ x", twice, **how, cluster="one").bootstrap(20, seed=1).martingale_test()
    np.testing.assert_allclose(drawn.statistic, held.statistic, rtol=1e-12)


@pytest.mark.slow
def test_intervals_cover():
    """The sheet's design at a step of .02, where 200 samples of 100 heavy-tailed episodes covered in .92; 99.9 % band of 200."""
    hits = np.zeros(2)
    for seed in range(200):
        data = si.datasets.simulate("ornstein_uhlenbeck", 50_100, seed=seed, step=0.02)
        limits = si.ctd(FORMULA, data, **OU).conf_int().to_numpy()
        hits += (limits[:, 0] <= [0.392, 0.4]) & (limits[:, 1] >= [0.392, 0.4])
    assert (hits / 200 >= 0.86).all()
