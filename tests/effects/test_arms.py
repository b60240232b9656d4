"""Several arms against a reference: estimates and joint covariances beside stacked equations solved by plain NumPy."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

import statinf as si
from statinf.effects.table import EFFECT
from statinf.errors import NumericalWarning

METHODS = ["dim", "regression", "ipw", "aipw", "irm"]
SMALL = float(np.finfo(float).eps ** 0.5)


def simulate(n, seed, effects=(0.0, 1.0, 2.0)):
    rng = np.random.default_rng(seed)
    x = np.round(rng.standard_normal((n, 2)) * 2**16) / 2**16
    odds = np.exp(np.column_stack([np.zeros(n), 0.5 * x[:, 0], 0.4 * x[:, 1] - 0.3 * x[:, 0]]))
    chance = np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)
    codes = (rng.random(n)[:, None] > chance[:, :2]).sum(axis=1)
    y = x @ [1.0, 0.5] + np.array(effects)[codes] * (1.0 + 0.3 * x[:, 0]) + rng.standard_normal(n)
    labels = np.array(["placebo", "low", "high"])[codes]
    return pd.DataFrame(
        {"y": y, "arm": labels, "x1": x[:, 0], "x2": x[:, 1], "g": rng.integers(0, 40, n), "two": (codes > 0) * 1.0}
    )


@pytest.fixture(scope="module")
def data():
    return simulate(600, 3)


def effect(data, method, arm="arm", **options):
    part = "" if method == "dim" else " | x1 + x2"
    return si.effect(f"y ~ {arm}{part}", data, method=method, **options)


def arrays(data):
    """Outcome, arm codes with the reference first as statinf orders them, and columns behind a constant."""
    codes = data["arm"].map({"placebo": 0, "high": 1, "low": 2}).to_numpy()
    return data["y"].to_numpy(), codes, np.column_stack([np.ones(len(data)), data[["x1", "x2"]]])


def softmax(z, free):
    eta = np.column_stack([np.zeros(len(z)), z @ free.reshape(2, -1).T])
    eta -= eta.max(axis=1, keepdims=True)
    return np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)


def multinomial(z, codes, w):
    """Maximum likelihood by Newton's method on the free coefficients of the two arms beside the reference."""
    free, p = np.zeros(2 * z.shape[1]), z.shape[1]
    for _ in range(50):
        chance = softmax(z, free)
        score = np.concatenate([z.T @ (w * ((codes == k) - chance[:, k])) for k in (1, 2)])
        gram = np.empty((2 * p, 2 * p))
        for a in (1, 2):
            for b in (1, 2):
                v = w * chance[:, a] * ((a == b) - chance[:, b])
                gram[(a - 1) * p : a * p, (b - 1) * p : b * p] = z.T @ (z * v[:, None])
        step = np.linalg.solve(gram, score)
        free = free + step
        if np.abs(step).max() < 1e-13:
            break
    return free


def stacked(psi, theta, n):
    """Sandwich of an estimating function psi(theta) -> (n, q), Jacobian by central differences."""
    q, h = len(theta), 1e-5
    jacobian = np.empty((q, q))
    for j in range(q):
        step = np.eye(q)[j] * h
        jacobian[:, j] = (psi(theta + step).sum(axis=0) - psi(theta - step).sum(axis=0)) / (2 * h)
    return np.linalg.solve(jacobian, psi(theta).T).T


TARGETS = {
    "ATE": lambda p: np.ones(len(p)),
    "ATT": lambda p: p[:, 1],
    "ATC": lambda p: p[:, 0],
    "ATO": lambda p: 1.0 / (1.0 / p).sum(axis=1),
}


@pytest.mark.parametrize("estimand", list(TARGETS))
@pytest.mark.parametrize("weighted", [False, True])
def test_weighting_meets_the_stacked_equations(data, estimand, weighted):
    y, codes, z = arrays(data)
    w = np.random.default_rng(5).uniform(0.5, 2.0, len(y)) if weighted else np.ones(len(y))
    treated = "high" if estimand == "ATT" else None
    fit = effect(data, "ipw", estimand=estimand, treated=treated, weights=w, clip=0.0)
    free = multinomial(z, codes, w)
    arm = np.eye(3)[codes]

    def psi(theta):
        chance = softmax(z, theta[:6])
        weight = (w * TARGETS[estimand](chance))[:, None] * arm / chance
        score = [z * (w * (arm[:, k] - chance[:, k]))[:, None] for k in (1, 2)]
        return np.column_stack([*score, weight * (y[:, None] - theta[6:])])

    chance = softmax(z, free)
    weight = (w * TARGETS[estimand](chance))[:, None] * arm / chance
    means = (weight * y[:, None]).sum(axis=0) / weight.sum(axis=0)
    influence = stacked(psi, np.append(free, means), len(y))[:, 6:]
    contrast = np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    np.testing.assert_allclose(fit.theta, contrast @ means, rtol=1e-9)
    # Central differences of step h leave h^2 of the third derivative, and rounding over h.
    np.testing.assert_allclose(fit.vcov, contrast @ influence.T @ influence @ contrast.T, rtol=1e-7)
    np.testing.assert_allclose(fit.means().vcov, influence.T @ influence, rtol=1e-7)
    np.testing.assert_allclose(fit.means().theta, means, rtol=1e-9)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize("folds", [None, 4])
def test_doubly_robust_scores_by_hand(data, estimand, folds):
    y, codes, z = arrays(data)
    split = np.zeros(len(y), int) if folds is None else np.arange(len(y)) % folds
    own = {"ATE": None, "ATT": 1, "ATC": 0}[estimand]
    chance, mu = np.empty((len(y), 3)), np.empty((len(y), 3))
    for k in np.unique(split):
        here = split == k
        train = here if folds is None else ~here
        chance[here] = softmax(z[here], multinomial(z[train], codes[train], np.ones(train.sum())))
        for a in range(3):
            rows = train & (codes == a)
            mu[here, a] = z[here] @ np.linalg.lstsq(z[rows], y[rows], rcond=None)[0]
    arm = np.eye(3)[codes]
    over = np.ones(len(y)) if own is None else arm[:, own]
    target = np.ones(len(y)) if own is None else chance[:, own]
    b = over[:, None] * mu + arm * target[:, None] / chance * (y[:, None] - mu)
    means = b.mean(axis=0) / over.mean()
    influence = (b - over[:, None] * means) / over.sum()
    fit = effect(
        data,
        "aipw" if folds is None else "irm",
        estimand=estimand,
        treated="high" if own == 1 else None,
        clip=0.0,
        **({} if folds is None else {"folds": split}),
    )
    contrast = np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    assert fit.terms == ("arm[high]", "arm[low]")
    np.testing.assert_allclose(fit.theta, contrast @ means, rtol=1e-8)
    np.testing.assert_allclose(fit.vcov, contrast @ influence.T @ influence @ contrast.T, rtol=1e-7)
    test = fit.arms_test()
    effects = contrast @ means
    wald = effects @ np.linalg.solve(contrast @ influence.T @ influence @ contrast.T, effects)
    assert test.statistic == pytest.approx(wald, rel=1e-7)
    pairs = fit.pairs()
    assert pairs.terms == ("high - placebo", "low - placebo", "low - high")
    assert pairs.theta[2] == pytest.approx(means[2] - means[1], rel=1e-8)
    between = influence[:, 2] - influence[:, 1]
    assert pairs.std_errors.iloc[2] == pytest.approx(np.sqrt(between @ between), rel=1e-7)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_regression_is_least_squares_in_every_arm(data, estimand):
    y, codes, z = arrays(data)
    rows = {"ATE": codes >= 0, "ATT": codes == 1, "ATC": codes == 0}[estimand]
    means, variances = [], []
    for a in range(3):
        here = codes == a
        coef = np.linalg.lstsq(z[here], y[here], rcond=None)[0]
        bread = np.linalg.inv(z[here].T @ z[here])
        h = np.einsum("ij,jk,ik->i", z[here], bread, z[here])
        e = (y[here] - z[here] @ coef) / np.sqrt(1.0 - h)
        at = z[rows].mean(axis=0)
        means.append(at @ coef)
        variances.append(at @ bread @ (z[here].T * e**2) @ z[here] @ bread @ at)
    fit = effect(data, "regression", estimand=estimand, treated="high" if estimand == "ATT" else None)
    np.testing.assert_allclose(fit.theta, [means[1] - means[0], means[2] - means[0]], rtol=1e-10)
    np.testing.assert_allclose(np.diag(fit.vcov), [variances[1] + variances[0], variances[2] + variances[0]], rtol=1e-9)
    assert fit.vcov.iloc[0, 1] == pytest.approx(variances[0], rel=1e-9)
    made = fit.means()
    np.testing.assert_allclose(made.theta, means, rtol=1e-10)
    np.testing.assert_allclose(np.diag(made.vcov), variances, rtol=1e-9)
    assert made.cov.label == fit.cov.label == "HC2"


def test_difference_in_means_of_several_arms(data):
    fit = effect(data, "dim")
    groups = data.groupby("arm")["y"]
    mean, var = groups.mean(), groups.var(ddof=1) / groups.size()
    np.testing.assert_allclose(fit.theta, [mean["high"] - mean["placebo"], mean["low"] - mean["placebo"]], rtol=1e-12)
    np.testing.assert_allclose(
        fit.std_errors**2, [var["high"] + var["placebo"], var["low"] + var["placebo"]], rtol=1e-9
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_means_of_two_arms_differ_by_their_effect(data, method, estimand):
    fit = effect(data, method, "two", estimand=estimand)
    means = fit.means()
    assert means.terms == ("two[0]", "two[1]")
    gap = means.transform(lambda m: {"gap": m["two[1]"] - m["two[0]"]})
    np.testing.assert_allclose(gap.theta, fit.theta, rtol=1e-10)
    np.testing.assert_allclose(gap.std_errors.iloc[0], fit.std_errors.iloc[0], rtol=1e-9)
    np.testing.assert_allclose(
        fit.means(vcov={"cluster": "g"}).transform(lambda m: m["two[1]"] - m["two[0]"]).std_errors.iloc[0],
        fit.with_vcov({"cluster": "g"}).std_errors.iloc[0],
        rtol=1e-9,
    )


@pytest.mark.parametrize("method", METHODS)
def test_rows_weights_and_frames(data, method):
    rng = np.random.default_rng(1)
    folds = {"folds": rng.integers(0, 3, len(data))} if method == "irm" else {}
    w = rng.integers(1, 4, len(data)).astype(float)
    fit = effect(data, method, weights=w, vcov="HC0", **folds)
    order = rng.permutation(len(data))
    mixed = {k: v[order] for k, v in folds.items()}
    found = effect(data.iloc[order].reset_index(drop=True), method, weights=w[order], vcov="HC0", **mixed)
    np.testing.assert_allclose(found.theta, fit.theta, rtol=SMALL)
    np.testing.assert_allclose(found.vcov, fit.vcov, rtol=SMALL)
    gone = np.arange(len(data)) % 7 == 0
    strange = data.assign(y=np.where(gone, -1e4, data["y"]), x1=np.where(gone, 300.0, data["x1"]))
    absent = effect(strange, method, weights=np.where(gone, 0.0, w), **folds)
    kept = effect(data[~gone], method, weights=w[~gone], **{k: v[~gone] for k, v in folds.items()})
    np.testing.assert_allclose(absent.theta, kept.theta, rtol=SMALL)
    np.testing.assert_allclose(absent.vcov, kept.vcov, rtol=SMALL)
    assert absent.nobs == kept.nobs == (~gone).sum()
    far = effect(data.assign(x1=data["x1"] + 1e6), method, weights=w, vcov="HC0", **folds)
    np.testing.assert_allclose(far.theta, fit.theta, rtol=1e-6)
    np.testing.assert_allclose(far.vcov, fit.vcov, rtol=1e-6)
    for frame in (pl.from_pandas(data), pa.Table.from_pandas(data)):
        again = effect(frame, method, weights=w, vcov="HC0", **folds)
        np.testing.assert_array_equal(again.theta, fit.theta)
        assert type(again.tidy()) is type(frame)
        assert type(again.means().tidy()) is type(frame)
    codes = data.assign(arm=data["arm"].map({"placebo": 0, "high": 1, "low": 2}))
    numbered = effect(codes, method, weights=w, vcov="HC0", **folds)
    assert numbered.terms == ("arm[1]", "arm[2]")
    np.testing.assert_allclose(numbered.theta, fit.theta, rtol=1e-9)
    category = effect(data.assign(arm=data["arm"].astype("category")), method, weights=w, vcov="HC0", **folds)
    np.testing.assert_array_equal(category.theta, fit.theta)
    holes = data.copy()
    holes.loc[[3, 8], "arm"] = None
    assert effect(holes, method).nobs == len(data) - 2


@pytest.mark.parametrize("method", METHODS)
def test_whole_weights_are_repeated_rows(data, method):
    w = np.random.default_rng(2).integers(1, 4, len(data))
    labels = np.arange(len(data)) % 3
    folds = {"folds": labels} if method == "irm" else {}
    again = {"folds": np.repeat(labels, w)} if method == "irm" else {}
    fit = effect(data, method, weights=w.astype(float), vcov={"cluster": "g", "type": "HC0"}, **folds)
    repeated = effect(data.loc[data.index.repeat(w)], method, vcov={"cluster": "g", "type": "HC0"}, **again)
    np.testing.assert_allclose(fit.theta, repeated.theta, rtol=1e-8)
    np.testing.assert_allclose(fit.vcov, repeated.vcov, rtol=1e-6 if method in ("dim", "regression") else 1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_groups_clusters_and_files(data, method, tmp_path):
    split = data.assign(site=np.where(data["g"] < 20, "north", "south"))
    fit = effect(split, method, by="site", cluster="g")
    assert fit.terms == ("arm[high][north]", "arm[low][north]", "arm[high][south]", "arm[low][south]")
    assert np.isfinite(fit.std_errors).all() and fit.arms_test().df == 4
    if method in ("dim", "regression"):
        alone = effect(split[split["site"] == "south"], method)
        np.testing.assert_allclose(fit.theta[2:], alone.theta, rtol=1e-9)
    whole = effect(data, method)
    saved = si.load(whole.save(tmp_path / "fit"))
    assert str(saved.summary()) == str(whole.summary()) and "All arms alike" in str(saved.summary())
    np.testing.assert_array_equal(saved.pairs().theta, whole.pairs().theta)
    for call in (saved.means, saved.augment):
        with pytest.raises(si.DataError, match="fit again"):
            call()
    assert len(whole.lean().tidy()) == 2
    beside = whole.augment()
    assert len(beside) == len(data) and "influence" in beside
    assert np.isfinite(whole.test("arm[high] = arm[low]").p_value)
    assert np.isfinite(whole.bootstrap(50, seed=1).std_errors).all()


def test_estimated_weights_have_scores_here_too(data):
    weights = si.balance("two ~ x1 + x2", data, method="ipw")
    fit = effect(data, "aipw", weights=weights)
    known = effect(data, "aipw", weights=weights.full())
    np.testing.assert_allclose(fit.theta, known.theta, rtol=1e-9)
    assert "weights estimated" in fit.cov.label and np.isfinite(fit.std_errors).all()
    assert not np.allclose(fit.std_errors, known.std_errors, rtol=1e-3)


def test_other_learners_known_propensities_and_repeats(data):
    class_model = LogisticRegression(C=1e10, tol=1e-12, max_iter=5000, solver="newton-cg")
    folds = np.arange(len(data)) % 4
    first = effect(data, "irm", folds=folds)
    again = effect(data, "irm", folds=folds, treatment_model=class_model)
    np.testing.assert_allclose(again.theta, first.theta, rtol=1e-5)
    for learner in ("forest", "ridge"):
        assert np.isfinite(effect(data, "irm", folds=3, treatment_model=learner).theta).all()
    shares = {"placebo": 0.3, "high": 0.3, "low": 0.4}
    known = effect(data, "ipw", propensity=shares)
    dim = effect(data, "dim")
    np.testing.assert_allclose(known.theta, dim.theta, rtol=1e-12)
    table = data.assign(**{f"p_{k}": v for k, v in shares.items()})
    named = effect(table, "ipw", propensity={k: f"p_{k}" for k in shares})
    np.testing.assert_allclose(named.theta, known.theta, rtol=1e-12)
    several = effect(data, "irm", repeats=3)
    each = several.thetas
    np.testing.assert_allclose(several.theta, np.median(each, axis=0))
    assert several.std_errors.iloc[0] >= 0.9 * first.std_errors.iloc[0]
    with pytest.raises(si.OptionError, match=r"lacks the arm 'low'"):
        effect(data, "ipw", propensity={"placebo": 0.5, "high": 0.5})
    with pytest.raises(si.DataError, match="must sum to one"):
        effect(data, "ipw", propensity={"placebo": 0.5, "high": 0.5, "low": 0.5})
    with pytest.raises(si.OptionError, match="mapping of levels"):
        effect(data, "ipw", propensity=0.3)
    with pytest.raises(si.OptionError, match="several arms"):
        effect(data, "ipw", "two", propensity={"0": 0.5, "1": 0.5})


def test_faults_of_several_arms_are_named(data):
    with pytest.raises(si.OptionError, match="treated="):
        effect(data, "aipw", estimand="ATT")
    with pytest.raises(si.OptionError, match="Leave treated= out"):
        effect(data, "aipw", treated="high")
    with pytest.raises(si.OptionError, match="'hgh' is not a level"):
        effect(data, "aipw", reference="hgh")
    with pytest.raises(si.DataError, match="qte|needs two arms"):
        si.effect("y ~ arm | x1", data, method="qte")
    with pytest.raises(si.DataError, match=r"needs arms: labels.*C\(x1\)"):
        si.effect("y ~ x1 | x2", data, method="aipw")
    eleven = data.assign(dose=np.arange(len(data)) % 11)
    with pytest.raises(si.DataError, match=r"'dose' has 11 values"):
        si.effect("y ~ dose | x2", eleven)
    assert len(si.effect("y ~ C(dose) | x2", eleven).terms) == 10
    lacking = data.assign(site=np.where((data["arm"] == "high") & (data["g"] < 20), 1, data["g"] >= 20).astype(int))
    with pytest.raises(si.DataError, match="'0' has no rows of the arm 'high'"):
        effect(lacking, "aipw", by="site")
    inside = np.where(data["arm"] == "low", 0, np.arange(len(data)) % 2 + 1)
    for method in ("ipw", "irm"):
        with pytest.raises(si.DataError, match="fold 0"):
            effect(data, method, folds=inside)
    lone = pd.concat([data[data["arm"] != "low"], data[data["arm"] == "low"].iloc[:1]])
    with pytest.warns(NumericalWarning, match="only one of the arm 'low'"):
        effect(lone, "dim", vcov="HC0")
    chosen = effect(data, "dim", reference="high")
    assert chosen.terms == ("arm[low]", "arm[placebo]")
    assert "Reference: high" in str(chosen)
    with pytest.raises(si.NotIdentifiedError, match="bounds"):
        effect(data, "irm").sensitivity()


@pytest.mark.parametrize(
    ("method", "count"), [("ipw", 60), *(pytest.param(m, 600, marks=pytest.mark.slow) for m in ("ipw", "aipw", "irm"))]
)
def test_joint_tests_keep_their_size_and_intervals_cover(method, count):
    """No effects: joint tests of two effects reject in 5% of samples, intervals cover in 95%, to four standard errors."""
    rejected, covered = 0, np.zeros(2)
    for seed in range(count):
        fit = effect(simulate(400, seed, (0.0, 0.0, 0.0)), method)
        rejected += fit.arms_test().p_value < 0.05
        covered += np.abs(fit.theta / fit.std_errors) < 1.959964
    error = 4.0 * np.sqrt(0.05 * 0.95 / count)
    assert abs(rejected / count - 0.05) < error and (np.abs(covered / count - 0.95) < error).all()


def test_every_method_with_means_takes_several_arms(data):
    for name, record in EFFECT.items():
        if record.means is not None:
            assert len(effect(data, name).terms) == 2


def test_differences_in_means_have_the_degrees_of_freedom_of_welch(data):
    from scipy import stats

    thin = data.groupby(["arm", "g"]).head(2).drop_duplicates(["arm", "y"]).iloc[:90]
    thin = thin[(thin["arm"] != "high") | (np.arange(len(thin)) % 4 == 0)].assign(half=lambda d: np.arange(len(d)) % 2)
    fit = effect(thin, "dim")
    parts = {level: thin["y"][thin["arm"] == level] for level in fit.levels}
    base = parts[fit.levels[0]]
    for term, level in zip(fit.terms, fit.levels[1:], strict=True):
        welch = stats.ttest_ind(parts[level], base, equal_var=False)
        assert fit.pvalues[term] == pytest.approx(welch.pvalue, rel=1e-10)
        limits = welch.confidence_interval()
        np.testing.assert_allclose(fit.conf_int().loc[term], [limits.low, limits.high], rtol=1e-10)
    own = fit.means().conf_int()
    for (term, row), level in zip(own.iterrows(), fit.levels, strict=True):
        values = parts[level]
        half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        np.testing.assert_allclose(row, [values.mean() - half, values.mean() + half], rtol=1e-10, err_msg=term)
    # Two arms, a group at a time; the residuals of a regression have more degrees of freedom with any other covariance.
    two = thin[thin["arm"] != fit.levels[2]]
    by = si.effect("y ~ arm", two, method="dim", by="half", reference=fit.levels[0])
    for p, (_, rows) in zip(by.pvalues, two.groupby("half"), strict=True):
        one, other = (rows["y"][rows["arm"] == level] for level in fit.levels[1::-1])
        assert p == pytest.approx(stats.ttest_ind(one, other, equal_var=False).pvalue, rel=1e-10)
    assert fit.with_vcov("HC1").cov.each is None
    assert fit.cov.df == pytest.approx(fit.cov.each.min())
