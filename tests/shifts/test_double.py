"""Double weights against cvxpy and the reference numbers; minimax rules against cvxpy and MRCpy's values."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import statinf as si
from shifts.samples import FOLDER, two
from statinf.numerics.programs.minimax_rules import smallest_box, solve_minimax
from statinf.numerics.programs.paired_weights import PairedRows, solve_paired
from statinf.shifts.kernels import rbf

WIDTH = 1.7051675110397277
NUMBERS = pd.read_csv(FOLDER / "double.csv")


def reference(group, D, quantity):
    table = NUMBERS[(NUMBERS["group"] == group) & (NUMBERS["D"] == D) & (NUMBERS["quantity"] == quantity)]
    return table["value"].to_numpy()


def weights(D, source, target, **options):
    options = {"bandwidth": WIDTH, "scale": False} | options
    return si.density_ratio("~ x1 + x2", source, target, method="double", D=D, **options)


def few(n=40, t=30):
    source, target = two()
    return source.iloc[:n], target.iloc[:t]


def programme(source, target, D, ridge, width=WIDTH, ws=None):
    """cvxpy's optimum: b, a, and the objective."""
    xs, xt = source[["x1", "x2"]].to_numpy(), target[["x1", "x2"]].to_numpy()
    both = np.concatenate([xs, xt])
    n, t = len(xs), len(xt)
    ws = np.ones(n) if ws is None else ws
    values, vectors = np.linalg.eigh(rbf(both, both, width))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    p = ws / ws.sum()
    b, a = cp.Variable(n), cp.Variable(t)
    gap = root[:n].T @ cp.multiply(p, b) - root[n:].T @ a / t
    size = 1e4
    if np.isinf(D):
        cost = size * (cp.sum_squares(gap) + ridge * cp.sum_squares(a) / (ws.sum() * t))
        limits = [b == 1, a >= 0, a <= 1]
    else:
        spread = cp.sum(cp.multiply(ws, cp.square(b))) / ws.sum() ** 2
        cost = size * (cp.sum_squares(gap) + ridge * spread)
        limits = [b >= 0, b <= 1000 / np.sqrt(D), a >= 0, a <= 1]
        limits += [cp.norm(a - 1) <= (1 - 1 / np.sqrt(D)) * np.sqrt(t)]
    problem = cp.Problem(cp.Minimize(cost), limits)
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    return b.value, a.value, problem.value / size


@pytest.mark.parametrize("D", [1.0, 1.5625, 4.0, 25.0, 100.0])
def test_reference_numbers(D):
    w = weights(D, *two())
    beta, facts = w.beta, w.path([D]).iloc[0]
    # The reference came from a solver with tolerances of about 1e-8 on objectives of 1e-5.
    assert_allclose(beta.sum() ** 2 / (beta**2).sum(), reference("dwkmm", D, "ess_beta"), rtol=1e-6)
    assert_allclose(facts["mean_alpha"], reference("dwkmm", D, "sum_alpha/t"), rtol=1e-6)
    assert_allclose(facts["mmd2"], reference("dwkmm", D, "mmd2"), rtol=1e-6)
    assert_allclose(beta.max(), reference("dwkmm", D, "max_beta"), rtol=1e-6)
    if D in (1.0, 4.0):
        assert_allclose(beta, reference("dwkmm", D, "beta"), atol=1e-5)
        assert_allclose(w.alpha, reference("dwkmm", D, "alpha"), atol=1e-5)


@pytest.mark.parametrize("D", [1.0, 4.0, np.inf])
def test_cvxpy_finds_the_same_weights(D):
    source, target = few()
    ws = np.round(np.random.default_rng(0).uniform(0.5, 2.0, len(source)), 1)
    b, a, objective = programme(source, target, D, 0.7, ws=ws)
    w = weights(D, source, target, ridge=0.7, weights=ws)
    spread = (ws * w.beta**2).sum() / ws.sum() ** 2 if np.isfinite(D) else (w.alpha**2).sum() / (ws.sum() * len(target))
    # Feasible to 1e-9, the solver's objective may lie below the minimum by about as much.
    assert_allclose(w.discrepancy + 0.7 * spread, objective, rtol=1e-6)
    assert_allclose(w.beta, b, atol=1e-3)
    assert_allclose(w.alpha, a, atol=1e-3)


@pytest.mark.parametrize("D", [1.0, 2.0])
def test_without_a_ridge_the_objective_is_cvxpys(D):
    source, target = few(25, 20)
    objective = programme(source, target, D, 0.0)[2]
    w = weights(D, source, target, ridge=0.0)
    assert w.discrepancy <= objective * (1 + 1e-5) + 1e-12
    with pytest.raises(si.NotIdentifiedError, match="ridge"):
        w.score(target)


def test_the_constraints_hold_and_both_weights_are_one_function():
    source, target = two()
    w = weights(4.0, source, target)
    assert_allclose(np.sqrt(np.mean((w.alpha - 1) ** 2)), 0.5, rtol=1e-11)
    assert w.beta.min() >= 0 and w.alpha.min() >= 0 and w.alpha.max() <= 1
    ball = w.rule.ball
    # Where a source row has weight b, a target row at its place has 1 - b / ball.
    assert_allclose(w.score_alpha(source), 1 - np.minimum(w.beta / ball, 1.0), atol=1e-8)
    assert_allclose(w.score(source), w.ratio, atol=1e-8)
    assert_allclose(w.score_alpha(target), w.alpha, atol=1e-8)
    b_only = weights(np.inf, source, target)
    assert_allclose(b_only.beta, 1.0) and assert_allclose(b_only.score(source), b_only.ratio)
    assert_allclose(b_only.score_alpha(target), b_only.alpha, atol=1e-8)


def test_one_is_kernel_mean_matching():
    source, target = few()
    kmm = si.density_ratio("~ x1 + x2", source, target, method="kmm", bandwidth=WIDTH, scale=False, eps=0.9)
    assert_allclose(weights(1.0, source, target).ratio, kmm.ratio, atol=1e-9)


def test_weights_of_rows_are_repeated_rows():
    source, target = few()
    ws = np.random.default_rng(1).integers(1, 4, len(source))
    repeated = source.loc[source.index.repeat(ws)]
    first = weights(4.0, source, target, weights=ws.astype(float))
    second = weights(4.0, repeated, target)
    assert_allclose(np.repeat(first.beta, ws), second.beta, atol=1e-9)
    assert_allclose(first.alpha, second.alpha, atol=1e-9)


def test_a_band_and_a_small_bound_hold():
    source, target = few()
    rows = weights(4.0, source, target).program.rows
    found = solve_paired(rows, 1 / len(source), 0.9, 0.01, 0.5)
    assert abs(rows.p @ found.beta - rows.q @ found.alpha) <= 0.01 + 1e-10
    assert found.beta.max() <= 0.9 + 1e-12
    with pytest.raises(si.OptionError, match="bound"):
        weights(1.0, source, target, bound=0.5, eps=0.1)


def test_the_path_trades_bias_for_variance():
    source, target = two()
    w = si.density_ratio("~ x1 + x2", source, target, method="double")
    path = w.path()
    assert list(path["D"].round(4))[:3] == [1.0, 1.2346, 1.5625]
    assert (np.diff(path["ess_beta"]) > 0).all() and (np.diff(path["mean_alpha"]) < 0).all()
    assert_allclose(path["worst_case_risk"], path["squared_bias"] + path["variance"])
    assert_allclose(path.loc[path["D"].round(6) == 4.0, "worst_case_risk"], w.worst_case_risk, rtol=1e-9)
    assert w.ratio.mean() == pytest.approx(1.0, abs=0.05)


def test_identical_samples_and_few_rows():
    source, target = few(30, 15)
    same = si.density_ratio("~ x1 + x2", source, source, method="double", D=4.0, bandwidth="median")
    assert_allclose(same.ratio.mean(), 1.0, atol=0.1)
    with pytest.warns(si.StatinfWarning, match="45 rows in both"):
        si.density_ratio("~ x1 + x2", source, target, method="double")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"D": 0.5}, "D"), ({"bandwidth": "nn"}, "bandwidth"), ({"ridge": -1.0}, "ridge"), ({"bound": 0.0}, "bound")],
)
def test_options_out_of_range(options, said):
    with pytest.raises(si.OptionError, match=said):
        si.density_ratio("~ x1 + x2", *few(), method="double", **options)


def test_margins_have_no_rows_to_weight():
    with pytest.raises(si.OptionError, match="margins"):
        si.density_ratio("~ x1", two()[0], {"x1": 0.1}, method="double")
    with pytest.raises(si.OptionError, match="margins"):
        si.shift("y ~ x1", two()[0], {"x1": 0.1}, method="double")


def test_a_saved_ratio_scores_alike(tmp_path):
    source, target = few(60, 40)
    w = weights(4.0, source, target)
    back = si.load(w.save(tmp_path / "w"))
    assert_allclose(back.score_alpha(target), w.score_alpha(target))
    with pytest.raises(si.DataError, match="path"):
        back.path()


# --- rules ------------------------------------------------------------------------------------------------


def stored(D, limit=1.0):
    """Weighted target rows, masses and moments from the reference's own weights."""
    source, target = two()
    beta, alpha = reference("dwkmm", D, "beta"), reference("dwkmm", D, "alpha")
    x, new = (np.column_stack([np.ones(len(f)), f["x1"], f["x2"]]) for f in (source, target))
    label = np.where(source["y"] > 2, 1.0, -1.0)
    return alpha[:, None] * new, np.full(len(new), 1 / len(new)), (beta * label / len(x)) @ x


@pytest.mark.parametrize("D", [1.0, 4.0])
@pytest.mark.parametrize("loss", ["log", "0-1"])
def test_classifiers_have_the_risks_of_mrcpy(D, loss):
    features, q, tau = stored(D)
    found = solve_minimax(features, q, tau, smallest_box(features * q[:, None], tau, 1.0), loss)
    assert_allclose(found.risk, reference("dwgcs", D, f"{loss} worst-case risk"), rtol=1e-8)
    # That software codes the classes the other way round.
    assert_allclose(-found.mu, reference("dwgcs", D, f"{loss} mu"), rtol=1e-4)


@pytest.mark.parametrize("loss", ["log", "0-1", "squared", "absolute"])
def test_rules_minimise_their_programme(loss):
    random = np.random.default_rng(5)
    features, q = random.standard_normal((60, 4)) * random.uniform(0.2, 1.0, (60, 1)), np.full(60, 1 / 60)
    limit = 1.0 if loss in ("log", "0-1") else 2.5
    tau = (q * limit * np.tanh(random.standard_normal(60))) @ features
    box = np.array([0.3, 0.001, 0.05, 0.02])
    mu = cp.Variable(4)
    z = features @ mu
    g = {
        "log": lambda: cp.logistic(2 * z) - z,
        "0-1": lambda: cp.maximum(cp.abs(z), 0.5),
        "squared": lambda: limit**2 * (1 + cp.huber(z / (2 * limit), 1.0)),
        "absolute": lambda: limit * cp.maximum(cp.abs(z), 1.0),
    }[loss]()
    problem = cp.Problem(cp.Minimize(q @ g - tau @ mu + box @ cp.abs(mu)))
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    found = solve_minimax(features, q, tau, box, loss, limit)
    assert_allclose(found.risk, problem.value, rtol=1e-8)


def test_the_smallest_box_is_cvxpys():
    random = np.random.default_rng(6)
    features = random.standard_normal((30, 3)) / 30
    tau = 1.2 * np.abs(features).sum(axis=0)
    y, width = cp.Variable(30), cp.Variable(3)
    problem = cp.Problem(
        cp.Minimize(cp.sum(width)), [cp.abs(tau - features.T @ y) <= width, cp.abs(y) <= 1, width >= 0]
    )
    problem.solve(solver="CLARABEL")
    assert_allclose(smallest_box(features, tau, 1.0).sum(), problem.value + 3e-6, rtol=1e-6)


def test_closed_forms():
    """Equal samples and a = 1: log loss is logistic regression without a box; a = 0 leaves nothing to know."""
    source, _ = two()
    x = np.column_stack([np.ones(300), source["x1"], source["x2"]])
    y = (source["y"] > 2).astype(float)
    q = np.full(300, 1 / 300)
    found = solve_minimax(x, q, (q * (2 * y - 1)) @ x, np.zeros(3), "log")
    logit = si.glm("y ~ x1 + x2", source.assign(y=y), family="binomial")
    assert_allclose(2 * found.mu, logit.theta, rtol=1e-8)
    assert_allclose(found.risk, -logit.loglik / 300, rtol=1e-10)
    nothing = np.zeros((300, 3))
    assert_allclose(solve_minimax(nothing, q, np.zeros(3), np.full(3, 1e-6), "log").risk, np.log(2))
    assert_allclose(solve_minimax(nothing, q, np.zeros(3), np.full(3, 1e-6), "0-1").risk, 0.5)
    # Squared loss without a box and far from the bound is least squares on the target's cross-products, twice over.
    tau = (q * (source["y"] - source["y"].mean()).to_numpy()) @ x
    free = solve_minimax(x, q, tau, np.zeros(3), "squared", 100.0)
    assert_allclose(free.mu / 2, np.linalg.solve(x.T @ x / 300, tau), rtol=1e-8)


def classes():
    source, target = two()
    return source.assign(y=(source["y"] > 2).astype(float)), target


@pytest.mark.parametrize("loss", ["log", "0-1"])
def test_a_classifier_picks_the_least_risk(loss):
    source, target = classes()
    fit = si.shift("y ~ x1 + x2", source, target, method="double", family="binomial", loss=loss)
    path = fit.path()
    assert fit.worst_case_risk == path["worst_case_risk"].min() and path["D"][path["worst_case_risk"].idxmin()] == fit.D
    said = fit.predict()["estimate"]
    assert ((said > 0.5) != (target["y"] > 2)).mean() < 0.13  # the reference has .095 to .11
    assert ((said >= 0) & (said <= 1)).all()
    fixed = si.shift("y ~ x1 + x2", source, target, method="double", family="binomial", loss=loss, D=fit.D)
    assert_allclose(fixed.predict(source)["estimate"], fit.predict(source)["estimate"], atol=1e-6)
    with pytest.raises(si.NotIdentifiedError, match="rule='weighted'"):
        fit.std_errors  # noqa: B018


def test_a_classifier_does_not_depend_on_units_or_order(tmp_path):
    source, target = classes()
    fit = si.shift("y ~ x1 + x2", source, target, method="double", family="binomial", D=4.0)
    moved = [f.assign(x1=1e-3 * f["x1"] + 5.0).sample(frac=1.0, random_state=1) for f in (source, target)]
    again = si.shift("y ~ x1 + x2", *moved, method="double", family="binomial", D=4.0)
    assert_allclose(again.worst_case_risk, fit.worst_case_risk, rtol=1e-8)
    assert_allclose(again.predict()["estimate"].sort_index(), fit.predict()["estimate"], atol=1e-6)
    back = si.load(fit.save(tmp_path / "fit"))
    assert_allclose(back.predict(target)["estimate"], fit.predict()["estimate"])
    assert str(back) == str(fit)


def test_weighted_regression_is_mwle_with_the_ratio():
    source, target = two()
    w = si.density_ratio("~ x1 + x2", source, target, method="double")
    fit = si.shift("y ~ x1 + x2", source, target, method="double")
    given = si.shift("y ~ x1 + x2", source, target, method="double", ratio=w)
    other = si.shift("y ~ x1 + x2", source, target, method="mwle", ratio=w)
    for one in (given, other):
        assert_allclose(one.theta, fit.theta, rtol=1e-12)
        assert_allclose(one.std_errors, fit.std_errors, rtol=1e-12)
    assert "fixed" in fit.cov.label


def test_cross_validation_chooses_d():
    source, target = two()
    fit = si.shift("y ~ x1 + x2", source, target, method="double", D=[1.0, 4.0, 25.0])
    assert fit.ratio.D == 1.0  # a line fitted to a curve: the target's own part of it counts


def test_minimax_and_overlap_for_numbers():
    source, target = two()
    fit = si.shift("y ~ x1 + x2", source, target, method="double", rule="overlap", scale=False, bandwidth=WIDTH, D=4.0)
    alpha, beta = fit.ratio.alpha, fit.ratio.beta
    x, new = (np.column_stack([np.ones(len(f)), f["x1"], f["x2"]]) for f in (source, target))
    centre = beta @ source["y"] / beta.sum()
    expected = np.linalg.solve((new * alpha[:, None]).T @ new / 200, (beta * (source["y"] - centre) / 300) @ x)
    assert_allclose(fit.params, expected + centre * np.array([1.0, 0.0, 0.0]), rtol=1e-8)
    assert_allclose(fit.predict()["estimate"], new @ fit.mu, rtol=1e-10)
    robust = si.shift("y ~ x1 + x2", source, target, method="double", rule="minimax", D=1.0)
    assert robust.loss == "squared" and np.abs(robust.predict()["estimate"] - robust.centre).max() <= robust.limit


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loss": "log"}, "rule='minimax'"),
        ({"rule": "minimax", "family": "poisson"}, "rule='weighted'"),
        ({"rule": "minimax", "loss": "log"}, "'squared'"),
        ({"rule": "overlap", "family": "binomial"}, "gaussian"),
        ({"ratio": "logistic"}, "method='mwle'"),
        ({"D": "best"}, "'auto'"),
        ({"D": [1.0, 0.2]}, "at least 1"),
        ({"D": True}, "at least 1"),
        ({"folds": 1}, "folds"),
    ],
)
def test_what_does_not_go_together_is_refused(options, said):
    with pytest.raises(si.OptionError, match=said):
        si.shift("y ~ x1 + x2", *few(), method="double", **options)


def test_a_given_ratio_brings_its_options():
    source, target = few(80, 60)
    w = weights(4.0, source, target)
    with pytest.raises(si.OptionError, match="given ratio"):
        si.shift("y ~ x1 + x2", source, target, method="double", ratio=w, D=2.0)
    with pytest.raises(si.OptionError, match="D="):
        si.shift("y ~ x1 + x2", source, target, method="double", rule="minimax", ratio=w)


def test_one_class_is_refused():
    source, target = few(80, 60)
    with pytest.raises(si.StatinfError, match="'y'"):
        si.shift("y ~ x1 + x2", source.assign(y=1.0), target, method="double", family="binomial")
    with pytest.raises(si.DataError, match="0 or 1"):
        si.shift("y ~ x1 + x2", source, target, method="double", family="binomial")


def test_rows_without_weight_change_nothing():
    rows = weights(4.0, *few()).program.rows
    assert isinstance(rows, PairedRows) and rows.p.sum() == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")
def test_samples_that_hardly_meet_are_solved_along_the_whole_path():
    """Half of the target lies beyond the source: the ball's multiplier spans many orders of magnitude over D."""
    rng = np.random.default_rng(0)
    source, target = rng.normal((-1, 0), 0.5, (200, 2)), rng.normal((0, 0), 0.5, (200, 2))
    both = np.concatenate([source, target])
    frames = [pd.DataFrame((x - both.mean(axis=0)) / both.std(axis=0), columns=["x1", "x2"]) for x in (source, target)]
    made = si.density_ratio("~ x1 + x2", *frames, method="double", bandwidth=1.0, scale=False)
    path = made.path()
    radius = 1 - 1 / np.sqrt(path["D"])
    assert (np.diff(path["worst_case_risk"]) < 0).all() and (np.diff(path["mmd2"]) < 0).all()
    assert (1 - path["mean_alpha"] <= radius + 1e-9).all()
