"""Class shares and weights by class: reference numbers, influence by refits, cvxpy, the test of the assumption, refusals."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose

import statinf as si
from shifts.samples import number, two
from statinf.errors import NumericalWarning

pytestmark = pytest.mark.filterwarnings("ignore:the classes are hardly told apart:statinf.errors.NumericalWarning")
METHODS = {"bbse": {}, "bbse-soft": {}, "rlls": {}, "mlls": {"calibration": None}}
MEANS = np.array([(0.0, 0.0), (1.5, 0.5), (0.3, 1.8)])
FORMULA = "C(label) ~ x1 + x2"


def drawn(random, n, shares, shift=0.0):
    label = random.choice(3, size=n, p=shares)
    x = MEANS[label] + random.standard_normal((n, 2))
    return pd.DataFrame({"label": label, "x1": x[:, 0] + shift, "x2": x[:, 1], "z": x.sum(axis=1) + label})


def predicted(seed=5, n=60, m=50):
    """Small samples with fixed predictions that are not calibrated, and row weights."""
    random = np.random.default_rng(seed)
    out = []
    for rows, shares in ((n, (0.5, 0.3, 0.2)), (m, (0.25, 0.25, 0.5))):
        data = drawn(random, rows, shares)
        x = data[["x1", "x2"]].to_numpy()
        f = np.exp(-0.4 * ((x[:, None] - MEANS) ** 2).sum(axis=2)) * (1.0, 0.9, 1.1)
        f /= f.sum(axis=1, keepdims=True)
        data[["p0", "p1", "p2"]] = f
        out.append(data.assign(w=random.uniform(0.5, 2.0, rows), guess=f.argmax(axis=1)))
    return out


def test_reference_numbers():
    source, target = two("label_shift_data")
    found = {m: si.target_shift(FORMULA, source, target, method=m, folds=1, **o) for m, o in METHODS.items()}
    assert_allclose(found["bbse"].ratio, number("BBSE hard", "w"), rtol=1e-8)
    assert_allclose(found["bbse-soft"].ratio, number("BBSE soft", "w"), rtol=1e-8)
    assert_allclose(found["mlls"].shares.theta, number("MLLS (EM, uncalibrated)", "p_target"), rtol=1e-8)
    assert_allclose(found["mlls"].ratio, number("MLLS (EM, uncalibrated)", "w"), rtol=1e-8)
    assert_allclose(found["rlls"].ratio, number("RLLS Delta_C=0.001", "w=1+theta (gamma=1)"), rtol=1e-6)
    # A logit is calibrated on the rows that it was fitted to.
    calibrated = si.target_shift(FORMULA, source, target, method="mlls", folds=1)
    assert_allclose(calibrated.shares.theta, found["mlls"].shares.theta, rtol=1e-9)


FIXED = "C(label) ~ p0 + p1 + p2"
REFITS = [
    pytest.param(FIXED, {"learner": "given", "method": "bbse"}, id="bbse"),
    pytest.param(FIXED, {"learner": "given", "method": "bbse-soft"}, id="bbse-soft"),
    pytest.param(FIXED, {"learner": "given", "method": "rlls"}, id="rlls exact"),
    pytest.param(FIXED, {"learner": "given", "method": "rlls", "penalty": 0.5, "soft": True}, id="rlls shrunk"),
    pytest.param(FIXED, {"learner": "given", "method": "rlls", "penalty": 0.4, "strength": 0.7}, id="rlls weak"),
    pytest.param(FIXED, {"learner": "given", "method": "mlls", "calibration": None}, id="mlls"),
    pytest.param(FIXED, {"learner": "given", "method": "mlls"}, id="mlls bcts"),
    pytest.param(FIXED, {"learner": "given", "method": "mlls", "calibration": "temperature"}, id="mlls temperature"),
    pytest.param(FORMULA, {"folds": 1, "method": "mlls", "calibration": None}, id="mlls logit"),
    pytest.param(FORMULA, {"folds": 1, "method": "mlls"}, id="mlls logit bcts"),
    pytest.param(FORMULA, {"folds": 1, "method": "mlls", "calibration": "temperature"}, id="mlls logit temperature"),
]


@pytest.mark.parametrize(("formula", "options"), REFITS)
def test_influence_is_the_slope_in_the_rows_weights(formula, options):
    """A row's influence is its weight times the slope of the refitted shares and weights in it."""
    source, target = predicted()

    def fit(ws, wt):
        return si.target_shift(formula, source, target, weights=ws, target_weights=wt, **options)

    ws, wt = source["w"].to_numpy(), target["w"].to_numpy()
    made = fit(ws, wt)
    on_shares, on_weights = made.shares.influence, made.influence
    beside = made.shares.moments().outside
    for row in (0, 17, 41):
        for given, shares, weights in ((0, on_shares, on_weights), (1, beside, made.other_influence)):
            ends = []
            for step in (1e-4, -1e-4):
                moved = [ws.copy(), wt.copy()]
                moved[given][row] *= 1.0 + step
                ends.append(fit(*moved))
            slope = (ends[0].shares.theta - ends[1].shares.theta) / 2e-4
            assert_allclose(shares[row], slope, atol=2e-7)
            assert_allclose(weights[row], (ends[0].ratio - ends[1].ratio) / 2e-4, atol=1e-6)


def test_errors_downstream_count_the_estimated_weights():
    source, target = predicted()

    def both(ws, wt):
        w = si.target_shift(FIXED, source, target, method="bbse-soft", learner="given", weights=ws, target_weights=wt)
        return w, si.lm("z ~ x1", source, weights=w)

    ws, wt = source["w"].to_numpy(), target["w"].to_numpy()
    _, fit = both(ws, wt)
    moments = fit.moments()
    assert "weights estimated" in fit.cov.label
    for given, influence in ((0, moments.influence), (1, moments.outside_influence)):
        ends = []
        for step in (1e-4, -1e-4):
            moved = [ws.copy(), wt.copy()]
            moved[given][7] *= 1.0 + step
            ends.append(both(*moved)[1].theta)
        assert_allclose(influence[7], (ends[0] - ends[1]) / 2e-4, atol=1e-6)


def test_hard_shares_have_the_delta_method_of_two_multinomials():
    source, target = predicted()
    w = si.target_shift("C(label) ~ C(guess)", source, target, method="bbse", learner="given")
    n, m = len(source), len(target)
    cells = np.zeros((3, 3))
    np.add.at(cells, (source["guess"], source["label"]), 1.0 / n)
    b = np.bincount(target["guess"], minlength=3) / m

    def shares(flat):
        joint, mean = flat[:9].reshape(3, 3), flat[9:]
        return np.linalg.solve(joint / joint.sum(axis=0), mean)

    at = np.append(cells.ravel(), b)
    slope = np.column_stack([(shares(at + h) - shares(at - h)) / 2e-6 for h in 1e-6 * np.eye(12)])
    spread = np.zeros((12, 12))
    spread[:9, :9] = (np.diag(at[:9]) - np.outer(at[:9], at[:9])) / n
    spread[9:, 9:] = (np.diag(b) - np.outer(b, b)) / m
    assert_allclose(w.shares.theta, shares(at), rtol=1e-10)
    assert_allclose(w.shares.vcov, slope @ spread @ slope.T, rtol=1e-6, atol=1e-10)


def test_shrunk_weights_are_those_of_a_convex_solver():
    cp = pytest.importorskip("cvxpy")
    from statinf.shifts.labels.rlls import regularised

    random = np.random.default_rng(2)
    for penalty in (0.05, 0.3, 0.6):
        joint = random.dirichlet(np.ones(16)).reshape(4, 4)
        gap = random.dirichlet(np.ones(4)) - joint.sum(axis=1)
        theta, exact = regularised(joint, gap, penalty)
        x = cp.Variable(4)
        objective = cp.Minimize(cp.norm(joint @ x - gap) + penalty * cp.norm(x))
        cp.Problem(objective, [x >= -1]).solve(solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
        value = np.linalg.norm(joint @ theta - gap) + penalty * np.linalg.norm(theta)
        assert value <= objective.value + 1e-9
        assert_allclose(theta, x.value, atol=2e-4)
        assert not exact and (theta >= -1.0).all()


def test_mixture_shares_meet_the_conditions_of_a_maximum():
    """Sure and unsure predictions, classes that the rows do not need, weights: slopes are zero, or negative at zero."""
    from statinf.shifts.labels.mixture import mixture_shares

    for seed in range(40):
        random = np.random.default_rng(seed)
        k, m = random.integers(2, 12), random.integers(3, 200)
        r = random.dirichlet(np.full(k, 10 ** random.uniform(-3, 1)), size=m) / random.dirichlet(np.full(k, 2.0))
        w = random.uniform(0, 3, m)
        q = mixture_shares(r, w, np.full(k, 1.0 / k))
        slope = (w / w.sum()) @ (r / (r @ q)[:, None]) - 1.0
        assert slope.max() < 1e-8 and np.abs(slope[q > 1e-9]).max() < 1e-7 and abs(q.sum() - 1.0) < 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_weights_are_repeated_rows(method):
    source, target = predicted()
    times, others = np.arange(60) % 3, 1 + np.arange(50) % 2
    options = {"method": method, "learner": "given", **METHODS[method]}
    one = si.target_shift(FIXED, source, target, weights=times, target_weights=others, **options)
    rows = source.loc[np.repeat(source.index, times)], target.loc[np.repeat(target.index, others)]
    two_ = si.target_shift(FIXED, *(r.reset_index(drop=True) for r in rows), **options)
    assert_allclose(one.shares.theta, two_.shares.theta, rtol=1e-9)
    assert_allclose(one.ratio, two_.ratio, rtol=1e-9)


def test_corrected_likelihood_holds_for_a_wrong_model():
    """With predictions that are wrong the likelihood is biased; matched means of its weights are not."""
    random = np.random.default_rng(8)
    truth = np.array([0.15, 0.25, 0.6])
    source, target = drawn(random, 20_000, (0.5, 0.3, 0.2)), drawn(random, 20_000, truth)
    for data in (source, target):
        x = data[["x1", "x2"]].to_numpy()
        f = np.exp(-0.2 * ((x[:, None] - MEANS) ** 2).sum(axis=2)) * (1.0, 0.7, 1.2)
        f[:, 2] += 0.2 * (x[:, 1] > 1.0)
        data[["p0", "p1", "p2"]] = f / f.sum(axis=1, keepdims=True)
    plain = si.target_shift(FIXED, source, target, method="mlls", learner="given", calibration=None)
    right = si.target_shift(FIXED, source, target, method="mlls", learner="given", calibration=None, correct=True)
    gap = np.abs(right.shares.theta - truth)
    assert (gap < 4.0 * right.shares._se()).all()
    assert np.abs(plain.shares.theta - truth).max() > 10.0 * gap.max()


def test_the_assumption_is_tested():
    random = np.random.default_rng(4)
    source, target = drawn(random, 1500, (0.5, 0.3, 0.2)), drawn(random, 1500, (0.2, 0.3, 0.5))
    moved = target.assign(x1=target["x1"] + 0.5)
    for method in METHODS:
        held = si.target_shift(FORMULA, source, target, method=method).specification_test()
        broken = si.target_shift(FORMULA, source, moved, method=method).specification_test()
        assert held.p_value > 0.001 and broken.p_value < 1e-4
        assert held.df == 4 and held.df == broken.df
    columns = si.target_shift(FORMULA, source, target).specification_test(squares=False)
    assert columns.df == 2
    # Soft shares match the means of the predictions exactly; nothing is left to test but squares.
    source, target = predicted()
    soft = si.target_shift(FIXED, source, target, method="bbse-soft", learner="given")
    assert soft.specification_test(squares=False).df == 0


@pytest.mark.parametrize("method", ["bbse-soft", "mlls"])
def test_rows_said_twice_are_one_cluster(method):
    source, target = predicted(n=200, m=5000)
    twice = pd.concat([source, source]).reset_index().rename(columns={"index": "row"})
    options = {"method": method, "learner": "given"} | ({"calibration": None} if method == "mlls" else {})
    one, two = (
        si.target_shift(FIXED, source, target, **options),
        si.target_shift(FIXED, twice, target, cluster="row", **options),
    )
    # Clusters of equal rows have the errors of one each, but for the factors of HC1.
    factor = 200 / 199 * 399 / 397
    for column in ("std_error", "weight_std_error"):
        assert_allclose(two.tidy()[column], one.tidy()[column] * np.sqrt(factor), rtol=1e-9)
    alone, held = one.specification_test(), two.specification_test()
    assert held.df == alone.df
    assert_allclose(held.statistic, alone.statistic / factor, rtol=1e-8)


def test_given_probabilities_of_two_classes_and_labels():
    source, target = predicted()
    for data in (source, target):
        data["sick"] = np.where(data["label"] == 2, "yes", "no")
        data["risk"], data["rest"] = data["p2"], 1.0 - data["p2"]
        data["seen"] = np.where(data["p2"] > 0.5, "yes", "no")
    one = si.target_shift("sick ~ risk", source, target, method="bbse-soft", learner="given")
    both = si.target_shift("sick ~ rest + risk", source, target, method="bbse-soft", learner="given")
    assert_allclose(one.shares.theta, both.shares.theta, rtol=1e-12)
    # Of predicted labels both are the textbook estimate of a prevalence.
    default = si.target_shift("sick ~ seen", source, target, learner="given")
    s, t = source, target
    tpr, fpr = ((s["seen"] == "yes")[s["sick"] == c].mean() for c in ("yes", "no"))
    rate = ((t["seen"] == "yes").mean() - fpr) / (tpr - fpr)
    assert default.method == "bbse-soft" and default.shares.terms == ("no", "yes")
    assert_allclose(default.shares.theta[1], rate, rtol=1e-12)
    assert_allclose(default.at(["yes", "maybe"]), [rate / (s["sick"] == "yes").mean(), np.nan], rtol=1e-12)


def test_frames_scores_clusters_and_absent_levels():
    source, target = two("label_shift_data")
    source["label"] = pd.Categorical(source["label"].map({0: "a", 1: "b", 2: "c"}), ["c", "a", "b", "none"])
    source["site"] = np.arange(len(source)) // 8
    w = si.target_shift("label ~ x1 + x2", source, target[["x1", "x2"]], method="mlls", cluster="site")
    assert w.classes == ("c", "a", "b") and "clustered by site" in w.shares.cov.label
    assert_allclose(w.score(source.assign(label=source["label"].where(source.index > 2)))[:4],
                    [np.nan, np.nan, np.nan, w.values[3]])  # fmt: skip
    assert_allclose(w.values, w.at(source["label"].to_numpy()))
    assert isinstance(
        si.target_shift("label ~ x1 + x2", pl.from_pandas(source), pl.from_pandas(target)).tidy(), pl.DataFrame
    )
    # A level whose rows all have weight zero is absent.
    some = (source["label"] != "b").astype(float)
    few = si.target_shift("label ~ x1 + x2", source, target, weights=some)
    assert few.classes == ("c", "a") and np.isnan(few.at("b"))
    assert few.full(0.0)[some == 0].sum() == 0.0
    w.plot()


def test_negative_shares_are_cut_and_told():
    random = np.random.default_rng(1)
    source, target = drawn(random, 300, (0.4, 0.3, 0.3)), drawn(random, 60, (1.0, 0.0, 0.0))
    w = si.target_shift(FORMULA, source, target, method="bbse-soft")
    assert w.shares.cut >= 1 and w.shares.theta.min() == 0.0 and abs(w.shares.theta.sum() - 1.0) < 1e-12
    assert "set to zero" in str(w.summary()) and w.tidy()["conf_low"].min() == 0.0
    assert w.shares._se().min() > 0.0


def test_refusals():
    source, target = predicted()
    text = "C(label) ~ p0 + p1 + p2"
    unsaid = [d.assign(p0=d["p0"] + d["p1"], p1=0.0) for d in (source, target)]
    with pytest.raises(si.NotIdentifiedError, match="class '1' is never predicted"):
        si.target_shift(text, *unsaid, method="bbse", learner="given")
    with pytest.raises(si.DataError, match="2 columns .* for 4 classes|1 columns .* for 3 classes"):
        si.target_shift("C(label) ~ p0", source, target, method="bbse", learner="given")
    with pytest.raises(si.DataError, match="sum to"):
        si.target_shift(text, source, target.assign(p0=0.9), method="bbse-soft", learner="given")
    with pytest.raises(si.DataError, match="need the same levels"):
        si.target_shift(
            "C(label) ~ C(p)", *(d.assign(p=d["guess"] + 5) for d in (source, target)), method="bbse", learner="given"
        )
    with pytest.raises(si.DataError, match="too few rows of class '1' for 5 folds"):
        si.target_shift(
            "C(label) ~ x1",
            pd.concat([source[source["label"] != 1], source[source["label"] == 1][:1]]),
            target,
            method="bbse",
        )
    with pytest.raises(si.DataError, match=r"write C\(label\)"):
        si.target_shift("label ~ x1", source, target, method="bbse")
    with pytest.raises(si.DataError, match="method='bbse' or 'mlls'"):
        si.target_shift("label ~ x1", source, target)
    with pytest.raises(si.OptionError, match="give cluster= to the verb"):
        si.target_shift("x1 ~ x2", source, target, cluster="guess")
    sure = source.assign(**{f"p{k}": (source["label"] == k) * 0.98 + 0.01 for k in range(3)})
    sure[["p0", "p1", "p2"]] /= sure[["p0", "p1", "p2"]].sum(axis=1).to_numpy()[:, None]
    with pytest.raises(si.ConvergenceError, match="calibration=None"):
        si.target_shift(text, sure, target, method="mlls", learner="given")
    weak = np.random.default_rng(0).uniform(0.4, 0.6, (60, 1))
    with pytest.warns(si.StatinfWarning, match="hardly told apart"):
        si.target_shift(
            "I(label == 2) ~ p", source.assign(p=weak), target.assign(p=0.5), method="bbse-soft", learner="given"
        )


@pytest.mark.slow
@pytest.mark.parametrize("method", ["bbse", "mlls"])
def test_intervals_cover(method):
    truth, covered, replicas = np.array([0.15, 0.25, 0.6]), 0, 400
    for seed in range(replicas):
        random = np.random.default_rng(seed)
        w = si.target_shift(FORMULA, drawn(random, 600, (0.5, 0.3, 0.2)), drawn(random, 600, truth), method=method)
        low, high = w.shares.conf_int().to_numpy().T
        covered += (low <= truth) & (truth <= high)
    assert_allclose(covered / replicas, 0.95, atol=4 * np.sqrt(0.95 * 0.05 / replicas))


@pytest.mark.parametrize("method", ["bbse-soft", "mlls"])
def test_classes_that_nothing_tells_apart_are_warned_of(method):
    random = np.random.default_rng(9)
    source, target = drawn(random, 300, (0.5, 0.3, 0.2)), drawn(random, 200, (0.2, 0.3, 0.5))
    source["noise"], target["noise"] = random.standard_normal(300), random.standard_normal(200)
    with pytest.warns(NumericalWarning, match="hardly told apart"):
        si.target_shift("C(label) ~ noise", source, target, method=method)


def test_given_probabilities_in_another_order_are_warned_of():
    random = np.random.default_rng(2)
    source, target = drawn(random, 200, (0.5, 0.3, 0.2)), drawn(random, 150, (0.2, 0.3, 0.5))
    for data in (source, target):
        density = np.exp(-((data[["x1", "x2"]].to_numpy()[:, None] - MEANS) ** 2).sum(axis=2) / 2.0)
        data[["p0", "p1", "p2"]] = density / density.sum(axis=1, keepdims=True)
    options = {"method": "bbse-soft", "learner": "given"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        si.target_shift("C(label) ~ p0 + p1 + p2", source, target, **options)
    with pytest.warns(si.StatinfWarning, match="probabilities of '0', '2' are lower.*order of the levels, 0, 1, 2"):
        si.target_shift("C(label) ~ p2 + p1 + p0", source, target, **options)
