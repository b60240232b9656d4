"""Proxies of a confounder: least squares by its formula, influence values by brute force, kernels by the closed form."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.effects.proximal.bridges import Bridges
from statinf.effects.proximal.inverse_bridge import inverse_bridge
from statinf.effects.proximal.kernel_bridge import _MinimaxSums, features, kernel_bridge

FORMULA = "y ~ a | x1 + x2 | z | w"


def sample(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """The design whose bridges are known; the effect is 1 + x1 + 2 max(x2, 0), 1.5 on average."""
    rng = np.random.default_rng([31, seed])
    x = rng.uniform(-1, 1, (n, 2))
    a = (rng.random(n) < 1 / (1 + np.exp(-(0.3 * x[:, 0] - 0.3 * x[:, 1])))) * 1.0
    u = 0.25 * x.sum(axis=1) + 0.6 * a + rng.normal(size=n)
    z = 0.25 + 0.25 * a + 0.25 * x[:, 0] - 0.25 * x[:, 1] + u + rng.normal(size=n)
    w = 0.25 + 0.25 * x.sum(axis=1) + u + rng.normal(size=n)
    p = np.maximum(x[:, 1], 0)
    y = 0.5 + a * (1 + x[:, 0] + 2 * p) + 0.5 * x[:, 0] - 0.5 * x[:, 1] + 2 * u + 0.5 * rng.normal(size=n)
    z2 = z + rng.normal(size=n)
    s, g = rng.uniform(0.5, 2, n), rng.integers(0, 60, n)
    return pd.DataFrame(
        {"y": y, "a": a, "x1": x[:, 0], "x2": x[:, 1], "p": p, "z": z, "z2": z2, "w": w, "s": s, "g": g}
    )


def true_bridges(d: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """h at the recorded treatment and q at the recorded arm, as derived for normal proxies."""
    x1, x2, a, z, w = (d[c].to_numpy() for c in ("x1", "x2", "a", "z", "w"))
    m0, z0, w0 = 0.25 * x1 + 0.25 * x2, 0.25 + 0.25 * x1 - 0.25 * x2, 0.25 + 0.25 * x1 + 0.25 * x2
    h = 0.5 + a * (1 + x1 + 2 * d["p"]) + 0.5 * x1 - 0.5 * x2 + 2 * (w - w0)
    r, ka = 0.3 * x1 - 0.3 * x2, 0.6
    up = 1 + np.exp(-r + ka * m0 + ka**2 / 2 - ka * z + ka * (z0 + 0.25) - ka**2 / 2)
    down = 1 + np.exp(r - ka * m0 - ka**2 / 2 + ka * z - ka * z0 - ka**2 / 2)
    return h.to_numpy(), np.where(a == 1, up, down)


DATA = sample()


def two_stage(d, instruments, columns, y):
    """Textbook estimate with classical and HC0 errors."""
    projected = instruments @ np.linalg.lstsq(instruments, columns, rcond=None)[0]
    inverse = np.linalg.inv(projected.T @ projected)
    b = inverse @ projected.T @ y
    e = y - columns @ b
    classical = np.sqrt(np.diag(inverse) * (e @ e) / (len(y) - columns.shape[1]))
    scores = projected * e[:, None]
    return b, classical, np.sqrt(np.diag(inverse @ scores.T @ scores @ inverse))


def columns_of(d, *names):
    return np.column_stack([np.ones(len(d)), *(d[n] for n in names)])


@pytest.mark.parametrize("z", [("z",), ("z", "z2")])
def test_two_stage_least_squares_by_its_formula(z):
    d = DATA.assign(ax=DATA["a"] * DATA["x1"])
    fit = si.proximal(f"y ~ a | x1 + x2 | {' + '.join(z)} | w", d, effect="~ x1", vcov="iid")
    own = columns_of(d, "a", "ax", "x1", "x2")
    b, classical, robust = two_stage(
        d, np.column_stack([own, d[list(z)]]), np.column_stack([own, d["w"]]), d["y"].to_numpy()
    )
    order = ["Intercept", "a", "a:x1", "x1", "x2", "w"]
    np.testing.assert_allclose(fit.params[order], b, rtol=1e-9)
    np.testing.assert_allclose(fit.std_errors[order], classical, rtol=1e-8)
    np.testing.assert_allclose(fit.with_vcov("HC0").std_errors[order], robust, rtol=1e-8)
    ate = fit.ate()
    assert ate["estimate"][0] == pytest.approx(fit.params["a"] + fit.params["a:x1"] * d["x1"].mean())
    assert (len(z) == 2) == ("sargan_p" in fit.diagnostics)


def test_proxies_of_one_kind_for_both_are_least_squares():
    fit = si.proximal("y ~ a | x1 + x2 | w | w", DATA, vcov="iid")
    lm = si.lm("y ~ a + x1 + x2 + w", DATA, vcov="iid")
    np.testing.assert_allclose(fit.params[list(lm.params.index)], lm.params, rtol=1e-9)
    np.testing.assert_allclose(fit.std_errors[list(lm.params.index)], lm.std_errors, rtol=1e-8)


@pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
def test_other_coordinates_of_the_outcome_proxies_change_nothing():
    d = DATA.assign(v=DATA["w"] ** 2, m=DATA["w"] - 3 * DATA["w"] ** 2, k=2 * DATA["w"] ** 2 + 1)
    one = si.proximal("y ~ a | x1 | z + z2 | w + v", d)
    two = si.proximal("y ~ a | x1 | z + z2 | m + k", d)
    assert two.params["a"] == pytest.approx(one.params["a"], rel=1e-8)
    assert two.std_errors["a"] == pytest.approx(one.std_errors["a"], rel=1e-8)
    assert two.proxy_strength == pytest.approx(one.proxy_strength, rel=1e-6)


def test_the_known_bridges_meet_their_equations():
    d = sample(40_000, 5)
    h, q = true_bridges(d)
    sign = 2 * d["a"] - 1
    for name in ("z", "x1", "x2", "a"):
        moment = (d["y"] - h) * d[name]
        assert abs(moment.mean()) < 4 * moment.std() / 200
    for name in ("w", "x1", "x2"):
        moment = sign * q * d[name]
        assert abs(moment.mean()) < 4 * moment.std() / 200
    a, x, z, w = d["a"].to_numpy(), d[["x1", "x2"]].to_numpy(), d[["z"]].to_numpy(), d[["w"]].to_numpy()
    found = inverse_bridge(a, x, z, w, np.ones(len(d)))
    assert found.found and np.corrcoef(found.q, q)[0, 1] > 0.99


@pytest.mark.parametrize("zs", ["z", "z + z2"])
def test_influence_counts_the_estimation_of_both_bridges(zs):
    formula = f"y ~ a | x1 + x2 | {zs} | w"

    def fit(s):
        return si.proximal(formula, DATA.assign(s=s), method="p-learner", effect="~ x1 + p", weights="s", vcov="HC0")

    base = fit(DATA["s"])
    rows, step = (0, 5, 44, 130), 1e-4
    for row in rows:
        ends = []
        for sign in (1, -1):
            s = DATA["s"].copy()
            s[row] *= 1 + sign * step
            ends.append(fit(s))
        numeric = (ends[0].theta - ends[1].theta) / (2 * step)
        # With more treatment proxies than outcome proxies their combination is taken as given.
        close = 2e-6 if zs == "z" else 0.1
        np.testing.assert_allclose(base.influence[row], numeric, atol=close * np.abs(base.influence).max())
    table, codes = base.ate().set_index("term"), np.arange(len(DATA))
    assert np.isfinite(table["std_error"]).all() and len(codes) == base.nobs


@pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
def test_errors_of_the_three_averages_by_brute_force():
    d, step = sample(80, 2).assign(s=1.0), 1e-5

    def ate(s):
        return si.proximal(FORMULA, d.assign(s=s), method="p-learner", weights="s").ate().set_index("term")

    table = ate(d["s"])
    moved = [ate(d["s"] + step * (d.index == i))["estimate"] - table["estimate"] for i in range(80)]
    by_force = np.sqrt(((pd.DataFrame(moved).reset_index(drop=True) / step) ** 2).sum())
    np.testing.assert_allclose(table["std_error"], by_force[table.index], rtol=1e-3)


def dense_bridges(kf, kh, y, lam, a=None):
    """The closed forms in n by n matrices: of an outcome bridge, or of a treatment bridge with d = a."""
    n = len(y)
    gamma = 0.25 * kf @ np.linalg.inv(kf / n + n**-0.8 * np.eye(n))
    if a is None:
        return np.linalg.solve(gamma @ kh + n**2 * lam * np.eye(n), gamma @ y)
    b = np.where(a[:, None], kh, 0.0)[:, a]
    left = b.T @ gamma @ b + n**2 * lam * kh[np.ix_(a, a)]
    return np.linalg.lstsq(left, b.T @ gamma @ y, rcond=1e-12)[0]


def test_low_rank_features_solve_the_closed_form():
    d = sample(150, 1)
    x, z, w = ((d[c] - d[c].mean()) / d[c].std(ddof=0) for c in (["x1", "x2"], ["z"], ["w"]))
    by_w, by_z = features(w.to_numpy(), x.to_numpy()), features(z.to_numpy(), x.to_numpy())
    kh, kf = by_w @ by_w.T, by_z @ by_z.T
    y, ones, everyone = d["y"].to_numpy(), np.ones(150), np.ones(150, bool)
    beta, _ = kernel_bridge(by_z, by_w, y, ones, everyone, 10**-2.4, 0)
    np.testing.assert_allclose(by_w @ beta, kh @ dense_bridges(kf, kh, y, 10**-2.4), rtol=1e-6, atol=1e-6)
    arm = d["a"].to_numpy() == 1
    beta, _ = kernel_bridge(by_w, np.where(arm[:, None], by_z, 0.0), 1.0 - 2 * arm, ones, everyone, 1e-3, 0)
    alpha = dense_bridges(kh, kf, 1.0 - 2 * arm, 1e-3, arm)
    np.testing.assert_allclose(by_z @ beta, kf[:, arm] @ alpha, rtol=1e-5, atol=1e-5)


def test_linear_features_without_penalty_are_two_stage_least_squares():
    d = sample(300, 2)
    h, f = columns_of(d, "x1", "x2", "w"), columns_of(d, "x1", "x2", "z")
    beta = _MinimaxSums.of(f, h, d["y"].to_numpy(), np.ones(300)).solve(np.array([1e-16]))[:, 0]
    np.testing.assert_allclose(beta, two_stage(d, f, h, d["y"].to_numpy())[0], rtol=1e-6)


def test_features_make_the_kernel():
    v = np.random.default_rng(0).normal(size=(80, 3))
    found = features(v)
    off = ((v[:, None] - v) ** 2).sum(axis=2)
    kernel = 1 + v @ v.T + np.exp(-off / (2 * np.median(off[np.triu_indices(80, 1)])))
    np.testing.assert_allclose(found @ found.T, kernel, atol=2e-6)


def test_the_score_is_the_formula():
    h, q = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    made = Bridges(np.array([5.0, 6.0]), np.array([1.0, 0.0]), h, h + 1, q, 0.0)
    np.testing.assert_allclose(made.psi, [3.0 * (5 - 2) + 1, -4.0 * (6 - 2) + 1])


def test_without_modifiers_the_coefficient_is_the_average():
    fit = si.proximal(FORMULA, DATA, method="p-learner", effect="~ 1", vcov="HC0")
    row = fit.ate().iloc[0]
    assert (fit.theta[0], fit._se()[0]) == pytest.approx((row["estimate"], row["std_error"]))
    bare = si.proximal("y ~ a | 1 | z | w", DATA, method="p-learner")
    assert bare.terms == ("a",) and np.isfinite(bare._se()[0])


def test_clusters_weights_labels_and_files(tmp_path):
    first = si.proximal(FORMULA, DATA, method="p-learner", cluster="g")
    twice = si.proximal(FORMULA, pd.concat([DATA, DATA], ignore_index=True), method="p-learner", vcov="HC0")
    np.testing.assert_allclose(twice.theta, first.theta, rtol=1e-7)
    doubled = si.proximal(FORMULA, DATA, method="p-learner", vcov="HC0")
    np.testing.assert_allclose(twice._se() * np.sqrt(2), doubled._se(), rtol=1e-6)
    words = DATA.assign(a=np.where(DATA["a"] == 1, "drug", "placebo"))
    for method in ("p2sls", "p-learner"):
        named, plain = (si.proximal(FORMULA, d, method=method) for d in (words, DATA))
        np.testing.assert_allclose(named.theta, plain.theta, rtol=1e-12)
        np.testing.assert_allclose(named.predict(words.head(5))["estimate"], plain.predict(DATA.head(5))["estimate"])
        back = si.load(named.save(tmp_path / f"{method}.si"))
        assert back.predict(words.head(5)).equals(named.predict(words.head(5)))
        assert back.ate().equals(named.ate())
    weights = si.balance("a ~ x1 + x2", DATA)
    stacked = si.proximal(FORMULA, DATA, method="p-learner", weights=weights)
    assert "weights estimated" in stacked.cov.label


def test_another_final_stage_predicts_without_limits():
    fit = si.proximal(FORMULA, DATA, method="p-learner", final="kernel_ridge")
    table = fit.predict(DATA.head(4))
    assert table["estimate"].notna().all() and table["std_error"].isna().all()


def test_kernels_take_weights_in_any_unit():
    data = sample(200, 5).assign(s=np.random.default_rng(1).uniform(0.5, 2.0, 200))
    call = {"method": "p-learner", "bridge": "kernel", "effect": "~ 1", "folds": 2}
    fits = [si.proximal(FORMULA, data.assign(s=data["s"] * unit), weights="s", **call) for unit in (1.0, 1000.0)]
    np.testing.assert_allclose(fits[1].theta, fits[0].theta, rtol=1e-6)
    np.testing.assert_allclose(fits[1]._se(), fits[0]._se(), rtol=1e-6)


def test_kernels_are_cross_fitted_and_right_on_average():
    fit = si.proximal(FORMULA, sample(400, 4), method="p-learner", bridge="kernel", effect="~ x1 + p", folds=3)
    ate = fit.ate().set_index("term")
    assert abs(ate.loc["pdr", "estimate"] - 1.5) < 4 * ate.loc["pdr", "std_error"]
    assert np.isnan(ate.loc["por", "std_error"]) and fit.augment()["q"].min() >= 1.0


def cover(n: int, replications: int, change=lambda d: d, formula: str = FORMULA) -> tuple[float, float, float]:
    """Share of intervals with the truth, mean estimate, and mean standard error over the estimates' spread."""
    found = []
    for r in range(replications):
        row = si.proximal(formula, change(sample(n, r)), method="p-learner", effect="~ x1 + p").ate().iloc[0]
        found.append((row["estimate"], row["std_error"]))
    value, se = np.array(found).T
    return float(np.mean(np.abs(value - 1.5) < 1.96 * se)), float(value.mean()), float(se.mean() / value.std())


def test_intervals_cover():
    share, mean, ratio = cover(600, 40)
    # Four standard errors of a share among 40, and of the mean.
    assert share > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 40) and abs(mean - 1.5) < 4 * 0.2 / np.sqrt(40)
    assert 0.7 < ratio < 1.4


REFUSED = {
    "three parts": (("y ~ a | x1 | z",), {}, si.FormulaError, "four parts"),
    "too few": (("y ~ a | x1 | z | w + x2",), {}, si.NotIdentifiedError, "1 treatment proxy .* 2 outcome"),
    "proxy among covariates": (("y ~ a | x1 + z | z | w",), {}, si.FormulaError, "'z'"),
    "outcome proxy among covariates": (("y ~ a | w | z | w",), {}, si.FormulaError, "'w'"),
    "treatment a proxy": (("y ~ a | x1 | a | w",), {}, si.FormulaError, "'a'"),
    "constant": (("y ~ a | x1 | k | w",), {}, si.DataError, "'k' does not vary"),
    "collinear": (("y ~ a | x1 | c | w",), {}, si.NotIdentifiedError, "0 treatment proxies"),
    "determined": (("y ~ a | x1 | z | c",), {}, si.NotIdentifiedError, "'c'"),
    "dose": (("y ~ s | x1 | z | w",), {"method": "p-learner"}, si.OptionError, "p2sls"),
    "foreign option": (("y ~ a | x1 | z | w",), {"bridge": "kernel"}, si.OptionError, "p-learner"),
    "word": (("y ~ a | x1 | z | w",), {"method": "p-learner", "bridge": "spline"}, si.OptionError, "parametric"),
    "one fold": (("y ~ a | x1 | z | w",), {"method": "p-learner", "bridge": "kernel", "folds": 1}, si.OptionError, "folds"),
    "effect of the outcome": (("y ~ a | x1 | z | w",), {"effect": "~ y"}, si.FormulaError, "'y'"),
    "three arms": (("y ~ g3 | x1 | z | w",), {}, si.DataError, "needs two arms"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_by_name(case):
    args, options, error, words = REFUSED[case]
    labels = np.array(list("abc"))[np.arange(len(DATA)) % 3]
    data = DATA.assign(k=1.0, c=2 * DATA["x1"] - DATA["a"], g3=labels)
    with pytest.raises(error, match=f"(?s){words}"):
        si.proximal(*args, data, **options)


def test_what_is_in_doubt_is_told():
    noise = DATA.assign(z=np.random.default_rng(1).normal(size=len(DATA)))
    with pytest.warns(si.StatinfWarning, match="weak proxies"):
        fit = si.proximal(FORMULA, noise)
    assert any("Weak proxies" in note for note in fit.summary().notes)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        si.proximal(FORMULA, DATA, method="p-learner", cap=2.0)
    assert any("exceed cap=2" in str(w.message) for w in caught)


@pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
def test_the_robust_set_is_a_union_over_the_outcome_proxys_coefficient():
    fit = si.proximal(FORMULA, DATA, effect="~ x1", vcov="HC0")
    kept = fit.anderson_rubin(level=0.975)
    (low, high), means = kept.pieces[0], DATA["x1"].mean()
    limits = []
    for g in np.linspace(low, high, 9):
        one = si.lm("y ~ a + I(a * x1) + x1 + x2", DATA.assign(y=DATA["y"] - g * DATA["w"]), vcov="HC0")
        c = np.array([0.0, 1.0, means, 0.0, 0.0])
        half = 2.2414027276049473 * np.sqrt(c @ one.vcov.to_numpy() @ c)
        limits.append((c @ one.theta - half, c @ one.theta + half))
    grid = np.array(limits)
    made = fit.robust_set()
    assert (made.conf_low, made.conf_high) == pytest.approx((grid[:, 0].min(), grid[:, 1].max()), rel=1e-6)
    assert float(fit.ate()["estimate"][0]) in made and len(made.tidy()) == len(made.pieces)
    noise = si.proximal(FORMULA, DATA.assign(z=np.random.default_rng(1).normal(size=len(DATA))))
    assert np.isinf(noise.robust_set().conf_high) and "robust_set" in " ".join(noise.summary().notes)
    with pytest.raises(si.NotIdentifiedError, match="one outcome proxy"):
        si.proximal("y ~ a | x1 | z + z2 | w + x2", DATA).robust_set()


@pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
def test_the_robust_set_covers_with_weak_proxies():
    inside = []
    for r in range(60):
        d = sample(300, r)
        weak = d.assign(z=0.1 * d["z"] + np.random.default_rng([5, r]).normal(size=300))
        inside.append(1.5 in si.proximal(FORMULA, weak).robust_set())
    assert np.mean(inside) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 60)
