"""Targeted maximum likelihood beside zEpid 0.9.1 and a plain targeting step with statsmodels and a root finder."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit

import statinf as si
from statinf.effects.fluctuation import targeting_slope

X = "age + educ + black + hispan + married + nodegree + re74 + re75"
ZEPID = {
    "difference": (0.10766671303, 0.04339160468),
    "ratio": (np.log(1.16725889405), 0.06251312165),
    "odds-ratio": (np.log(1.67274819007), 0.21300109762),
}
"""`TMLE` of zEpid 0.9.1 on employment, with all interactions in the outcome model: one logit per arm."""


@pytest.fixture(scope="module")
def data():
    nsw = si.datasets.load("nsw")
    return nsw.assign(emp=(nsw["re78"] > 0) * 1.0)


@pytest.mark.parametrize("measure", list(ZEPID))
def test_employment_meets_zepid(data, measure):
    value, error = ZEPID[measure]
    fit = si.effect(f"emp ~ treat | {X}", data, method="tmle", measure=measure)
    # zEpid's regressions stop at a relative change of 1e-8 of the deviance: half of these digits in estimates.
    assert fit.theta[0] == pytest.approx(value, rel=1e-5)
    # Its variance divides by n - 1.
    assert fit.std_errors.iloc[0] == pytest.approx(error * np.sqrt(444 / 445), rel=1e-5)
    if measure != "difference":
        table = fit.tidy(exponentiate=True)
        assert table["estimate"][0] == pytest.approx(np.exp(fit.theta[0]))
        name = {"ratio": "Ratio of means", "odds-ratio": "Odds ratio"}[measure]
        assert f"{name}, treat: {np.exp(fit.theta[0]):.4g}" in " ".join(str(fit).split())
        ratio = fit.e_value()["risk_ratio"][0]
        assert ratio == pytest.approx(np.exp(fit.theta[0] * (0.5 if measure == "odds-ratio" else 1.0)))


def test_earnings_meet_zepid(data):
    fit = si.effect(f"re78 ~ treat | {X}", data, method="tmle", margin=1e-7)
    assert fit.theta[0] == pytest.approx(1619.0038871, rel=1e-6)
    assert fit.std_errors.iloc[0] == pytest.approx(671.5650635 * np.sqrt(444 / 445), rel=1e-6)


def simulate(n, seed, arms=3):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2))
    odds = np.exp(np.column_stack([np.zeros(n), 0.6 * x[:, 0], -0.5 * x[:, 1]])[:, :arms])
    codes = (rng.random(n)[:, None] > np.cumsum(odds / odds.sum(1, keepdims=True), axis=1)[:, :-1]).sum(axis=1)
    chance = expit(-0.5 + 0.8 * x[:, 0] + 0.5 * codes)
    return pd.DataFrame(
        {"y": (rng.random(n) < chance) * 1.0, "arm": codes, "x1": x[:, 0], "x2": x[:, 1], "g": rng.integers(0, 30, n)}
    )


def by_hand(y, codes, p, q, own, w):
    """Means, and their influence values, by a root finder on each arm's score."""
    means, influence = [], []
    over = np.ones(len(y)) if own is None else (codes == own) * 1.0
    for a in range(p.shape[1]):
        here = codes == a
        clever = (1.0 if own is None else p[:, own]) / p[:, a]
        score = lambda s: np.sum((w * clever * (y - expit(logit(q[:, a]) + s * clever)))[here])  # noqa: B023, E731
        moved = y if a == own else expit(logit(q[:, a]) + brentq(score, -20, 20, xtol=1e-15, rtol=1e-15) * clever)
        mean = np.sum(w * over * moved) / np.sum(w * over)
        means.append(mean)
        influence.append(w * (over * (moved - mean) + here * clever * (y - moved)) / np.sum(w * over))
    return np.array(means), np.column_stack(influence)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize("arms", [2, 3])
@pytest.mark.parametrize("folds", [None, 3])
def test_every_estimand_and_arm_by_hand(estimand, arms, folds):
    data = simulate(500, 1, arms)
    w = np.random.default_rng(2).uniform(0.5, 1.5, len(data))
    y, codes, x = data["y"].to_numpy(), data["arm"].to_numpy(), data[["x1", "x2"]].to_numpy()
    labels = None if folds is None else np.arange(len(y)) % folds
    own = {"ATE": None, "ATT": 1, "ATC": 0}[estimand]
    p, q = np.empty((len(y), arms)), np.empty((len(y), arms))
    from statinf.learners.logit import Logit
    from statinf.learners.multinomial import Multinomial

    for k in range(1 if labels is None else folds):
        test = np.ones(len(y), bool) if labels is None else labels == k
        train = test if labels is None else ~test
        p[test] = Multinomial().fit(x[train], codes[train], w[train]).predict_proba(x[test])
        for a in range(arms):
            rows = train & (codes == a)
            q[test, a] = Logit().fit(x[rows], y[rows], w[rows]).predict(x[test])
    q = np.clip(q, 0.0005, 0.9995)
    means, influence = by_hand(y, codes, p, q, own, w)
    treated = {"treated": 1} if arms == 3 and estimand == "ATT" else {}
    options = {"estimand": estimand, "weights": w, "clip": 0.0, **treated}
    options |= {} if labels is None else {"folds": labels}
    fit = si.effect("y ~ arm | x1 + x2", data, method="tmle", **options)
    contrast = np.column_stack([-np.ones(arms - 1), np.eye(arms - 1)])
    np.testing.assert_allclose(fit.theta, contrast @ means, rtol=1e-7)
    np.testing.assert_allclose(fit.vcov, contrast @ influence.T @ influence @ contrast.T, rtol=1e-6)
    ratio = si.effect("y ~ arm | x1 + x2", data, method="tmle", measure="ratio", **options)
    np.testing.assert_allclose(ratio.theta, contrast @ np.log(means), rtol=1e-7)
    logs = influence / means
    np.testing.assert_allclose(ratio.vcov, contrast @ logs.T @ logs @ contrast.T, rtol=1e-6)
    np.testing.assert_allclose(ratio.means().theta, means, rtol=1e-8)
    clustered = fit.with_vcov({"cluster": "g", "type": "HC0"})
    sums = pd.DataFrame(influence @ contrast.T).groupby(data["g"].to_numpy()).sum().to_numpy()
    np.testing.assert_allclose(clustered.vcov, sums.T @ sums * 30 / 29, rtol=1e-6)


def test_targeting_solves_its_score_in_any_unit():
    rng = np.random.default_rng(0)
    y, offset, clever = rng.random(50), rng.standard_normal(50), 1.0 + rng.exponential(1.0, 50)
    slope = targeting_slope(y, offset, clever, np.ones(50))
    assert abs(np.sum(clever * (y - expit(offset + slope * clever)))) < 1e-9
    assert targeting_slope(y, offset, 1e6 * clever, np.full(50, 3.0)) == pytest.approx(slope * 1e-6, rel=1e-8)
    far = targeting_slope(np.append(np.zeros(49), 1e-3), np.full(50, 8.0), clever, np.ones(50))
    assert abs(np.sum(clever * (np.append(np.zeros(49), 1e-3) - expit(8.0 + far * clever)))) < 1e-8


def test_faults_are_named(data):
    with pytest.raises(si.OptionError, match="measure='odds-ratio' is for outcomes between 0 and 1"):
        si.effect(f"re78 ~ treat | {X}", data, method="tmle", measure="odds-ratio")
    with pytest.raises(si.OptionError, match="the outcome runs from 0 to"):
        si.effect(f"re78 ~ treat | {X}", data, method="tmle", bounds=(0, 100))
    with pytest.raises(si.OptionError, match="bounds="):
        si.effect(f"re78 ~ treat | {X}", data, method="tmle", bounds=(3, 1))
    with pytest.raises(si.OptionError, match="risk"):
        si.effect(f"emp ~ treat | {X}", data, method="tmle", measure="risk")
    none = data.assign(emp=np.where(data["treat"] == 1, 0.0, data["emp"]))
    with pytest.raises(si.ConvergenceError):
        si.effect("emp ~ treat | age", none, method="tmle", outcome_model="lm")
    with pytest.raises(si.DataError, match="positive means"):
        si.effect("lost ~ treat | age", data.assign(lost=-data["re78"]), method="tmle", measure="ratio")
    wide = si.effect(f"re78 ~ treat | {X}", data, method="tmle", bounds=(0, 1e5))
    assert wide.theta[0] == pytest.approx(1619.0, abs=5.0)


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_intervals_cover(count):
    big = simulate(400_000, 10_000)
    x = big[["x1"]].to_numpy()[:, 0]
    means = [expit(-0.5 + 0.8 * x + 0.5 * a).mean() for a in range(3)]
    covered = np.zeros(2)
    for seed in range(count):
        fit = si.effect("y ~ arm | x1 + x2", simulate(600, seed), method="tmle", measure="ratio")
        covered += np.abs(fit.theta - np.log(np.array(means[1:]) / means[0])) < 1.959964 * fit.std_errors.to_numpy()
    assert (np.abs(covered / count - 0.95) < 4.0 * np.sqrt(0.05 * 0.95 / count)).all()
