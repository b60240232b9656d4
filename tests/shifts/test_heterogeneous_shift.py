"""`heterogeneous_shift`: other software, identities, invariances, coverage, refusals."""

import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.interpolate import CubicSpline, make_smoothing_spline

import statinf as si
from shifts.samples import FOLDER
from statinf.numerics.smoothing.natural_spline import curved_directions, natural_columns
from statinf.numerics.smoothing.penalised import GRID, RotatedRows, choose_penalties, solve


def sample(n, seed=0, x_shift=0.0, u_shift=0.0):
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 2)) + x_shift
    u, v = random.uniform(-2, 2, (2, n)) + u_shift
    y = 1.0 + x[:, 0] - x[:, 1] + np.sin(2 * u) + 0.3 * v**2 + 0.5 * random.standard_normal(n)
    return pd.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "u": u, "v": v, "y": y, "g": np.arange(n) % 20})


SOURCE, TARGET = sample(240), sample(150, seed=1, x_shift=1.0)
FORMULA = "y ~ x1 + x2 | s(u) + s(v)"


def fitted(formula=FORMULA, source=SOURCE, target=TARGET, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", si.StatinfWarning)
        return si.heterogeneous_shift(formula, source, target, **options)


def predicted(fit, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", si.StatinfWarning)
        return fit.predict(*args, **options)


# --- splines ----------------------------------------------------------------------------------------------


def test_columns_are_natural_splines_with_the_identity_as_penalty():
    knots = np.sort(np.random.default_rng(0).uniform(size=9))
    directions = curved_directions(knots)
    x = np.linspace(knots[0] - 0.3, knots[-1] + 0.3, 301)
    spline = CubicSpline(knots, directions, bc_type="natural")
    ends = np.clip(x, knots[0], knots[-1])
    expected = spline(ends) + (x - ends)[:, None] * spline(ends, 1)
    assert_allclose(natural_columns(x, knots, directions), expected, atol=1e-14)
    # Second derivatives are straight between knots: Simpson's rule is exact for products of two.
    bends, middle, h = spline(knots, 2), spline((knots[1:] + knots[:-1]) / 2, 2), np.diff(knots)
    gram = sum(
        h[i] / 6 * sum(c * np.outer(b, b) for c, b in ((1, bends[i]), (4, middle[i]), (1, bends[i + 1])))
        for i in range(len(h))
    )
    assert_allclose(gram, np.eye(7), atol=1e-11)


def test_penalties_minimise_their_criterion():
    random = np.random.default_rng(3)
    n, blocks = 60, (np.array([0, 1, 1, 0, 0.0]), np.array([0, 0, 0, 1, 1.0]))
    C = random.standard_normal((n, 5))
    y = C @ [1, 0.3, -0.3, 0.1, 0.0] + random.standard_normal(n)
    C, y = C - C.mean(axis=0), y - y.mean()
    reduced = RotatedRows.of(np.linalg.qr(np.column_stack([C, y]), mode="r"), float(n), n)

    def criteria(a, b):
        penalty = n * np.diag(a * blocks[0] + b * blocks[1])
        inverse = np.linalg.inv(C.T @ C + penalty)
        fit = C @ inverse @ C.T @ y
        gcv = np.mean((y - fit) ** 2) / (1 - (1 + np.trace(C @ inverse @ C.T)) / n) ** 2
        # -2 log restricted likelihood with the variance profiled out; two columns have no penalty, with the constant.
        reml = (n - 2) * np.log(y @ (y - fit)) - np.linalg.slogdet(inverse)[1] - 2 * np.log(a) - 2 * np.log(b)
        return gcv, reml

    table = np.array([[criteria(a, b) for b in GRID] for a in GRID])
    for k, name in enumerate(("gcv", "reml")):
        i, j = np.unravel_index(np.argmin(table[..., k]), (len(GRID), len(GRID)))
        assert_allclose(choose_penalties(reduced, blocks, name), (GRID[i], GRID[j]))
    found = solve(reduced, 0.1 * blocks[0] + 2.0 * blocks[1])
    assert_allclose(found.gcv, criteria(0.1, 2.0)[0], rtol=1e-12)


# --- other software -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "weighted"])
def test_fits_of_mgcv(name):
    record = json.loads((FOLDER / "additive.json").read_text())
    data, expected = si.datasets.load("mtcars"), record[name]
    w = 1 + (np.arange(1, 33) % 3) / 2 if name == "weighted" else np.ones(32)
    new = pd.DataFrame({"wt": [2, 3, 5, 2.5], "hp": [20, 110, 250.5, 420]})
    free = fitted("mpg ~ wt | s(hp, k=8)", data, new, weights=w)
    # From a multiple of the integral over hp to the share of the columns' variance over [0, 1].
    curved = free.design.parts[1].values[:, 2:]
    variance = np.average((curved - np.average(curved, axis=0, weights=w)) ** 2, axis=0, weights=w).mean()
    penalty = record["raw"][0] / (w.sum() * variance * np.ptp(data["hp"]) ** 3)
    fit = fitted("mpg ~ wt | s(hp, k=8)", data, new, weights=w, penalty=penalty, vcov="iid")
    near = {"rtol": 1e-8, "atol": 1e-10}
    assert_allclose(fit.fitted if hasattr(fit, "fitted") else fit.augment()["fitted"], expected["fitted"], **near)
    assert_allclose(fit.theta[1], expected["params"][1], **near)
    assert_allclose(fit.cov.matrix[1, 1], np.reshape(expected["frequentist"], (2, 2))[1, 1], **near)
    assert_allclose(fit.edf["s(hp, k=8)"], expected["edf"][0], **near)
    assert_allclose(fit.dispersion, expected["dispersion"][0], **near)
    found = predicted(fit, interval="confidence")
    assert_allclose(found["estimate"], expected["new"], **near)
    assert_allclose(found["std_error"], expected["new_se"], **near)
    if name == "plain":
        assert_allclose(fit.gcv, expected["gcv"][0], **near)
        assert_allclose(fit.theta, expected["params"], **near)


def test_a_knot_at_every_value_is_the_smoothing_spline():
    data = SOURCE.head(40)
    fit = fitted("y ~ x1 + x2 | s(u, k=40)", data, penalty=1e-3)
    curved = fit.design.parts[1].values[:, 2:]
    share = (data["u"] - data["u"].min()) / np.ptp(data["u"])
    lam = 1e-3 * 40 * np.var(curved, axis=0).mean()
    X, order, y = data[["x1", "x2"]].to_numpy(), np.argsort(share.to_numpy()), data["y"].to_numpy()
    X = X - X.mean(axis=0)
    a, back = np.zeros(2), np.argsort(order)
    for _ in range(100):
        smooth = make_smoothing_spline(share.to_numpy()[order], (y - X @ a)[order], lam=lam)(share.to_numpy()[order])[
            back
        ]
        a = np.linalg.lstsq(X, y - smooth, rcond=None)[0]
    assert_allclose(fit.theta[1:], a, rtol=1e-8)
    assert_allclose(fit.augment()["fitted"], smooth + X @ a, rtol=1e-7)


def dense(fit, data, w):
    """Coefficients and joint covariances from the normal equations."""
    columns = (fit.solved.columns.values,)
    C = np.column_stack([np.ones(len(data)), *columns])
    P = C.T @ (C * w[:, None]) + w.sum() * np.diag(np.r_[0.0, fit.solved.ridge])
    b = np.linalg.solve(P, C.T @ (w * data["y"]))
    return C, P, b


def test_estimates_and_errors_from_the_normal_equations():
    w = np.random.default_rng(5).uniform(0.5, 2.0, len(SOURCE))
    fit = fitted(weights=w, vcov="HC0")
    C, P, b = dense(fit, SOURCE, w)
    k, scale = len(fit.flexible), fit.scale
    assert_allclose(fit.theta[1:], b[k + 1 :] / scale[k:], rtol=1e-9)
    residual = SOURCE["y"].to_numpy() - C @ b
    scores = w[:, None] * (C * residual[:, None] - np.r_[0.0, fit.solved.ridge] * b)
    assert_allclose(scores.sum(axis=0), 0.0, atol=1e-9)
    V = np.linalg.solve(P, scores.T @ scores) @ np.linalg.inv(P)
    assert_allclose(fit.cov.matrix[1:, 1:], V[k + 1 :, k + 1 :] / np.outer(scale[k:], scale[k:]), rtol=1e-8)
    assert_allclose(fit.influence.T @ fit.influence, fit.cov.matrix, rtol=1e-9)
    groups = scores.copy()
    sums = np.array([groups[SOURCE["g"] == g].sum(axis=0) for g in range(20)])
    clustered = fit.with_vcov({"cluster": "g", "type": "HC0"})
    V = np.linalg.solve(P, sums.T @ sums) @ np.linalg.inv(P) * 20 / 19
    assert_allclose(clustered.cov.matrix[1:, 1:], V[k + 1 :, k + 1 :] / np.outer(scale[k:], scale[k:]), rtol=1e-8)
    # Means: the sandwich and what the penalty may bias; all of P^-1 where errors are alike.
    iid = fit.with_vcov("iid")
    rows = fit.solved.columns.values
    expected = np.sqrt(fit.dispersion * np.einsum("ij,jk,ik->i", C, np.linalg.inv(P), C))
    assert_allclose(predicted(iid, SOURCE, interval="confidence")["std_error"], expected, rtol=1e-8)
    table = iid.resilience()
    assert_allclose(table["source_error"].sum(), np.average(expected**2, weights=w), rtol=1e-9)
    assert len(rows) == len(SOURCE) and 1.5 < table["growth"][0] < 4.0 and table["growth"][1] < 1.2


def test_tails_of_the_ratio_weigh_the_rows():
    weights = 1.0 + np.arange(len(SOURCE)) % 3
    often = SOURCE.loc[np.repeat(SOURCE.index, weights.astype(int))]
    weighted = fitted("y ~ x1 + x2 | v", source=SOURCE.assign(w=weights), weights="w", penalty=0.0).resilience()
    repeated = fitted("y ~ x1 + x2 | v", source=often, penalty=0.0).resilience()
    for name in ("max_ratio", "chi2"):
        assert_allclose(weighted[name], repeated[name], rtol=1e-7)
    # Between which two of the highest rows the quantile lies is told alike; where between them hangs on the rows' number.
    assert_allclose(weighted["q99_ratio"], repeated["q99_ratio"], rtol=0.1)
    alike = (
        fitted("y ~ 1 | v", source=SOURCE.assign(w=weights), weights="w", penalty=0.0).resilience().set_index("block")
    )
    assert_allclose(alike.loc["simple", "ess"], weights.sum() ** 2 / (weights @ weights))


def test_no_penalty_is_least_squares_on_all_columns():
    fit = fitted("y ~ x1 + x2 | v + I(v**2)", penalty=0.0, vcov="HC1")
    plain = si.lm("y ~ x1 + x2 + v + I(v**2)", SOURCE)
    assert_allclose(fit.theta[1:], plain.theta[1:3], rtol=1e-10)
    assert_allclose(fit.cov.matrix[1:, 1:], plain.cov.matrix[1:3, 1:3], rtol=1e-9)
    assert_allclose(predicted(fit)["estimate"], plain.predict(TARGET)["estimate"], rtol=1e-9)


# --- invariances ----------------------------------------------------------------------------------------------


def test_repeated_rows_are_weights():
    twice = pd.concat([SOURCE, SOURCE.head(100)])
    w = np.r_[np.full(100, 2.0), np.ones(140)]
    found, first = fitted(source=SOURCE, weights=w, penalty=0.01), fitted(source=twice, penalty=0.01)
    assert_allclose(found.theta, first.theta, rtol=1e-10)
    assert_allclose(predicted(found)["estimate"], predicted(first)["estimate"], rtol=1e-9)


def test_far_columns_and_other_units_change_nothing():
    def moved(d):
        return d.assign(x1=d["x1"] + 1e7, u=(d["u"] + 1e6) * 64)

    first = fitted()
    found = fitted("y ~ x1 + x2 | s(u) + s(v)", moved(SOURCE), moved(TARGET))
    assert_allclose(found.theta[1:], first.theta[1:], rtol=1e-7)
    assert_allclose(found.std_errors.iloc[1:], first.std_errors.iloc[1:], rtol=1e-7)
    a, b = (predicted(f, interval="confidence") for f in (found, first))
    assert_allclose(a["estimate"], b["estimate"], rtol=1e-7, atol=1e-7)
    assert_allclose(a["std_error"], b["std_error"], rtol=1e-6)
    assert_allclose(found.resilience()["target_error"], first.resilience()["target_error"], rtol=1e-6)


def test_frames_context_offsets_and_estimated_weights():
    polars = fitted(source=pl.from_pandas(SOURCE), target=pl.from_pandas(TARGET))
    assert isinstance(polars.resilience(), pl.DataFrame) and isinstance(polars.smooths(), pl.DataFrame)
    waves = {"waves": lambda u: np.cos(np.outer(u, np.arange(1, 6)))}
    fit = fitted("y ~ x1 + offset(-x2) | waves(u) + C(g)", context=waves)
    assert_allclose(fit.theta[1], 1.0, atol=5 * fit.std_errors["x1"])
    assert list(predicted(fit)) == ["estimate"]
    with pytest.raises(si.NotIdentifiedError, match=r"ridge-penalised columns \('waves\(u\)', 'C\(g\)'\)"):
        predicted(fit, interval="confidence")
    ratio = si.density_ratio("~ x1 + x2", SOURCE, TARGET)
    weighted = fitted(weights=ratio)
    assert weighted.cov.label == "HC0, weights estimated"
    assert not np.allclose(weighted.std_errors, weighted.with_vcov("fixed").std_errors, rtol=1e-4)


def test_curves_are_differences_of_predictions():
    fit = fitted()
    line = fit.curve("u", points=5, margin=0.5)
    assert_allclose(line["x"].iloc[[1, 3]], [SOURCE["u"].min(), SOURCE["u"].max()], rtol=1e-12)
    rows = SOURCE.head(5).assign(u=line["x"], x1=0.0, x2=0.0, v=0.0)
    means = predicted(fit, rows)["estimate"]
    assert_allclose(np.diff(means), np.diff(line["estimate"]), rtol=1e-8)
    with pytest.raises(si.OptionError, match=r"there are 's\(u\)', 's\(v\)'"):
        fit.curve("x1")


# --- shift -----------------------------------------------------------------------------------------------------


def test_a_shift_of_the_simple_block_costs_what_the_table_says_and_one_of_the_flexible_block_more():
    sources = [sample(240, seed=s) for s in range(50, 62)]
    for moved in ({}, {"x_shift": 3.0}, {"u_shift": 1.5}):
        target = sample(200, seed=9, **moved)
        truth = 1 + target["x1"] - target["x2"] + np.sin(2 * target["u"]) + 0.3 * target["v"] ** 2
        fits = [fitted(source=source, target=target, vcov="iid") for source in sources]
        errors = np.array([np.mean((predicted(fit)["estimate"] - truth) ** 2) for fit in fits])
        said = np.array([np.mean(predicted(fit)["std_error"] ** 2) for fit in fits])
        if "u_shift" in moved:
            assert errors.mean() > 3 * said.mean()  # straight lines where the curve bends
            table = fits[0].resilience().set_index("block")
            assert table.loc["flexible", "growth"] > 5 and table.loc["simple", "growth"] < 2
        else:
            assert abs(errors.mean() - said.mean()) < 4 * errors.std(ddof=1) / np.sqrt(len(fits))
    far = fitted(target=sample(200, seed=9, x_shift=3.0)).resilience().set_index("block")
    assert far.loc["simple", "ess"] < 20 < far.loc["flexible", "ess"] and far.loc["flexible", "growth"] < 1.5


@pytest.mark.slow
def test_coverage_of_coefficients():
    hits = []
    for seed in range(400):
        low, high = fitted(source=sample(200, seed=1000 + seed)).conf_int().to_numpy()[1:].T
        hits.append((low <= [1, -1]) & (high >= [1, -1]))
    assert abs(np.mean(hits) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 800)


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "error", "match"),
    [
        ("y ~ x1", si.FormulaError, "no flexible block"),
        ("y ~ x1 | 1", si.FormulaError, "no flexible block"),
        ("y ~ 0 + x1 | s(u)", si.FormulaError, "needs its constant"),
        ("y ~ x1 + u | s(u)", si.FormulaError, "'u' appears in both the simple and the flexible part"),
        ("y ~ s(x1) | s(u)", si.FormulaError, "smooth term, which stands in the flexible part"),
        ("y ~ x1 | s(u):v", si.FormulaError, "stands by itself"),
        ("y ~ x1 | log(s(u))", si.FormulaError, "stands by itself"),
        ("y ~ x1 | s(u, v)", si.FormulaError, "k= must be a plain number"),
        ("y ~ x1 | s(u, k=2)", si.FormulaError, "k=2 is not a whole number from 3"),
        ("y ~ x1 | s(half)", si.DataError, "has 2 different values, a spline needs three"),
        ("y ~ x1 | s(u, k=400)", si.DataError, "too few for k=400 knots"),
        ("y ~ twin | s(u)", si.NotIdentifiedError, "'twin' of the simple block is explained"),
        ("y ~ one | s(u)", si.NotIdentifiedError, "'one' of the simple block does not vary"),
        ("y ~ x1 | s(u) + s(twin)", si.NotIdentifiedError, "flexible block repeats"),
    ],
)  # fmt: skip
def test_what_is_refused(formula, error, match):
    def widened(d):
        return d.assign(twin=3 - 2 * d["u"], half=(d["u"] > 0).astype(float), one=1.0)

    with pytest.raises(error, match=match):
        fitted(formula, widened(SOURCE), widened(TARGET))


def test_further_refusals_and_warnings():
    with pytest.raises(si.DataError, match="5 rows for 3 coefficients"):
        fitted(source=SOURCE.head(5))
    with pytest.raises(si.FormulaError, match=r"a penalised s\(x\)|penalised spline s\(x\) stands in"):
        si.lm("y ~ s(x1)", SOURCE)
    with pytest.raises(si.DataError, match="unseen level"):
        fitted("y ~ C(g) | s(u)", source=SOURCE.assign(g=SOURCE["g"].astype(str)), target=TARGET.assign(g="new"))
    with pytest.warns(si.StatinfWarning, match=r"flexible columns that do not vary are left out: one"):
        si.heterogeneous_shift("y ~ x1 | s(u) + one", SOURCE.assign(one=2.0), TARGET.assign(one=2.0))
    with pytest.warns(si.StatinfWarning, match=r"of the target lie outside the source's range of 's\(u\)'"):
        si.heterogeneous_shift("y ~ x1 | s(u)", SOURCE, sample(50, u_shift=3.0))
    with pytest.raises(si.OptionError, match="plot kind='x' is not known"):
        fitted().plot("x")


def test_a_spline_of_two_columns_is_explained():
    data = pd.DataFrame(
        {"y": np.arange(9.0), "x": np.arange(9.0) ** 2, "z": np.sin(np.arange(9.0)), "g": list("abcabcabc")}
    )
    with pytest.raises(si.FormulaError, match=r"s\(\) takes one column"):
        si.heterogeneous_shift("y ~ g | s(x, z)", data, data)
