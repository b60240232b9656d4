"""Level-set boosting: the numbers of its definition, loops over levels as oracles, and what it ends in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor

import statinf as si

CENTERS = ("grid", "mean")


def probabilities(n=2000, seed=0):
    """Outcomes whose probability is 0.15 above p in group a."""
    random = np.random.default_rng(seed)
    x, g = random.uniform(-2, 2, n), random.choice(list("abc"), n)
    p = 1 / (1 + np.exp(-x))
    q = np.clip(p + np.where(g == "a", 0.15, 0.0), 0, 1)
    return pd.DataFrame({"y": (random.random(n) < q).astype(int), "x": x, "g": g, "p": p, "q": q})


def by_loops(model, X, y, w, initial, *, m, least, min_rows, mean=False, rate=1.0, most=100):
    """The algorithm as it is written: one fit per level and round; predictions of the rows and errors of all rounds."""

    def rounded(f):
        return np.clip(np.floor(f * m + 0.5 + 1e-9), 0, m).astype(int)

    def centre(codes):
        if not mean:
            return codes / m
        out = codes / m
        for v in np.unique(codes):
            out[codes == v] = np.average(y[codes == v], weights=w[codes == v])
        return out

    codes = rounded(np.clip(initial, 0, 1))
    f = centre(codes)
    errors = [np.average((f - y) ** 2, weights=w)]
    for _ in range(most):
        raw, moved = f.copy(), codes.copy()
        for v in np.unique(codes):
            rows = codes == v
            if rows.sum() > min_rows:
                made = model().fit(X[rows], y[rows], sample_weight=w[rows]).predict(X[rows])
                raw[rows] = np.clip((1 - rate) * f[rows] + rate * made, 0, 1)
                moved[rows] = rounded(raw[rows])
        errors.append(np.average((centre(moved) - y) ** 2, weights=w))
        if errors[-2] - errors[-1] < least:
            break
        codes, f = moved, centre(moved)
    return f, np.array(errors)


@pytest.fixture(scope="module")
def sine():
    return si.datasets.simulate("gated_sine", 1500, seed=3)


# --- the numbers of the definition ---------------------------------------------------------------------------


def test_the_worked_example():
    x = (np.arange(1, 41) - 20.5) / 20
    data = pd.DataFrame({"x": x, "y": 0.5 + 0.45 * np.sin(3 * x)})
    fit = si.multicalibrate("y ~ x", data, levels=4, min_rows=2, valid=0, bounds=(0, 1))
    np.testing.assert_allclose(fit.path["train"], [0.04214795, 0.00832942, 0.00832942], atol=1e-8)
    assert fit.rounds == 1 and fit.path["kept"].tolist() == [True, True, False]
    table = fit.coefficients.pivot(index="level", columns="term", values="estimate")
    np.testing.assert_allclose(
        table[["Intercept", "x"]],
        [
            [-0.77965126, -1.21113828],
            [0.09618014, -0.00530496],
            [0.5, 1.27725582],
            [0.90381986, -0.00530496],
            [1.77965126, -1.21113828],
        ],
        atol=1e-8,
    )
    new = pd.DataFrame({"x": [-0.9, -0.3, 0.01, 0.6]})
    assert fit.predict(new)["estimate"].tolist() == [0.25, 0.0, 0.5, 1.0]
    start = si.multicalibrate("y ~ x", data, levels=4, min_rows=2, valid=0, bounds=(0, 1), max_rounds=0)
    assert start.predict(new)["estimate"].tolist() == [0.0, 0.25, 0.5, 0.75]


def test_one_update_from_a_constant_is_least_squares_within_bounds(sine):
    options = {"init": 0.3, "max_rounds": 0, "round_last": False, "valid": 0}
    found = si.multicalibrate("y ~ x1 + x2", sine, bounds=(0, 1), **options).predict()["estimate"]
    ols = si.lm("y ~ x1 + x2", sine).predict()["estimate"]
    np.testing.assert_allclose(found, np.clip(ols, 0, 1), atol=1e-8)


def test_one_step_of_the_grid_leaves_its_ends(sine):
    fit = si.multicalibrate("y ~ x1 + x2", sine, levels=1, bounds=(0, 1))
    assert set(fit.predict(sine)["estimate"]) <= {0.0, 1.0}


def test_functions_that_are_constant_make_histogram_calibration():
    data = probabilities()
    fit = si.multicalibrate("y ~ 1", data, init="p", levels=10, max_rounds=0, round_last=False, valid=0)
    cells = np.floor(data["p"] * 10 + 0.5)
    np.testing.assert_allclose(fit.predict()["estimate"], data.groupby(cells)["y"].transform("mean"), atol=1e-12)
    with pytest.warns(si.StatinfWarning, match="no rows were held out"):
        found = si.multicalibrate("y ~ 1", data, init="p", levels=10, center="mean", valid=0).error()
    assert found.loc[1, "measure"] == "msce" and abs(found.loc[1, "estimate"]) < 1e-25


@pytest.mark.parametrize("learner", ["ols", "stump"])
@pytest.mark.parametrize("options", [{}, {"center": "mean"}, {"round_last": False, "stop": "level"}])
def test_what_was_fitted_is_repeated_exactly_for_the_same_rows(sine, learner, options):
    fit = si.multicalibrate("y ~ x1 + x2", sine, learner=learner, max_rounds=5, **options)
    own = fit.predict()["estimate"]
    for rows in (sine, sine.iloc[::-3], sine.iloc[[7]]):
        assert fit.predict(rows)["estimate"].equals(own[rows.index])


# --- loops over levels and rounds ----------------------------------------------------------------------------


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("rate", [1.0, 0.5])
@pytest.mark.parametrize("learner", ["ols", "stump", "given"])
def test_one_fit_per_level_and_round_gives_the_same(sine, learner, center, rate):
    w = np.round(np.random.default_rng(0).uniform(0.5, 2.0, len(sine)), 2)
    model = {"stump": lambda: DecisionTreeRegressor(max_depth=1)}.get(learner, LinearRegression)
    X, y = sine[["x1", "x2"]].to_numpy(), sine["y"].to_numpy()
    start = model().fit(X, y, sample_weight=w).predict(X)
    variance = np.average((y - np.average(y, weights=w)) ** 2, weights=w)
    plan = {"m": 12, "least": 1e-4 * variance, "min_rows": 7, "mean": center == "mean", "rate": rate, "most": 6}
    expected, errors = by_loops(model, X, y, w, start, **plan)
    fit = si.multicalibrate(
        "y ~ x1 + x2",
        sine,
        weights=w,
        learner=LinearRegression() if learner == "given" else learner,
        levels=12,
        tol=1e-4,
        min_rows=7,
        center=center,
        learning_rate=rate,
        max_rounds=6,
        valid=0,
        bounds=(0, 1),
    )
    np.testing.assert_allclose(fit.path["train"], errors, rtol=1e-9)
    np.testing.assert_allclose(fit.predict(sine)["estimate"], expected, atol=1e-9)


def test_collinear_columns_change_nothing(sine):
    twice = sine.assign(again=3.0 - 2.0 * sine["x1"], flat=1e6)
    fit = si.multicalibrate("y ~ x1 + x2 + again + flat", twice, min_rows=4, max_rounds=6, levels=15)
    first = si.multicalibrate("y ~ x1 + x2", sine, min_rows=4, max_rounds=6, levels=15)
    assert (fit.predict()["estimate"] - first.predict()["estimate"]).abs().max() < 1e-9
    assert "least norm" in str(fit) and "least norm" not in str(first)


def test_many_rows_go_by_blocks(sine, monkeypatch):
    from statinf.conformity.multicalibration import linear_levels

    first = si.multicalibrate("y ~ x1 + x2", sine).predict()
    monkeypatch.setattr(linear_levels, "_ENTRIES", 1000)
    assert (si.multicalibrate("y ~ x1 + x2", sine).predict() - first).abs().to_numpy().max() < 1e-12


# --- what it ends in -----------------------------------------------------------------------------------------


def test_boosting_on_level_sets_goes_where_sums_of_functions_cannot():
    train, new = (si.datasets.simulate("gated_sine", 10_000, seed=s) for s in (1, 2))

    def mse(fit):
        return float(((new["y"] - fit.predict(new)["estimate"]) ** 2).mean())

    ols = mse(si.lm("y ~ x1 + x2", train))
    linear, stumps = (si.multicalibrate("y ~ x1 + x2", train, learner=k) for k in ("ols", "stump"))
    assert 0.043 < ols < 0.050 and mse(linear) < 0.011 and mse(stumps) < 0.0034
    before, after = linear.error(new)[["initial", "estimate"]].iloc[1].to_list(), linear.k2("x1", new)
    assert before[1] < before[0] / 2 and after["estimate"][0] < after["initial"][0] / 4
    assert (np.diff(linear.path["train"][: linear.rounds + 1]) < (1 / 60) ** 2).all()
    grid = linear.predictor.low + linear.predictor.unit * linear.predictor.boosted.grid.centres
    assert np.isin(linear.predict(new)["estimate"], grid).all()


def test_where_no_function_helps_on_the_first_level_set_boosting_stops_at_once():
    train, new = (si.datasets.simulate("gated_sine", 10_000, seed=s, symmetric=True) for s in (1, 2))
    ols = float(((new["y"] - si.lm("y ~ x1 + x2", train).predict(new)["estimate"]) ** 2).mean())
    found = {}
    for learner in ("ols", "stump"):
        fit = si.multicalibrate("y ~ x1 + x2", train, learner=learner, levels=30, bounds=(0, 1))
        found[learner] = float(((new["y"] - fit.predict(new)["estimate"]) ** 2).mean())
    assert abs(found["ols"] / ols - 1) < 0.02 and found["stump"] < ols / 15


def test_probabilities_become_right_in_every_group():
    data, new = probabilities(10_000, 1), probabilities(20_000, 2)
    for kind in (data, data.assign(y=data["y"] == 1)):
        fit = si.multicalibrate("y ~ x | g", kind, init="p")
        before, after = (fit.table(new, per_level=False, of=of).set_index("group") for of in ("initial", "fitted"))
        assert before.loc["g = a", "error"] > 0.12 and (after["error"].abs() < 0.03).all()
        assert list(after.index) == ["all rows", "g = a", "g = b", "g = c"] and after["n"].sum() == 2 * len(new)
        estimate = fit.predict(new)["estimate"]
        assert (
            estimate.between(0, 1).all()
            and ((estimate - new["q"]) ** 2).mean() < ((new["p"] - new["q"]) ** 2).mean() / 2
        )
        assert fit.error(new).loc[1, "p_value"] >= 0.0


def test_held_out_rows_choose_the_grid_and_do_not_depend_on_order():
    data = probabilities(1500, 4)
    fit = si.multicalibrate("y ~ x | g", data, init="p")
    assert fit.predictor.boosted.grid.size in (6, 11, 16, 31) and fit.held_out == 300
    errors = [
        si.multicalibrate("y ~ x | g", data, init="p", levels=m).measured["mse"].estimate for m in (30, 15, 10, 5)
    ]
    assert fit.measured["mse"].estimate == min(errors)
    mixed = data.sample(frac=1, random_state=1)
    again = si.multicalibrate("y ~ x | g", mixed, init="p")
    assert again.predict().loc[data.index].equals(fit.predict())


def test_level_sets_can_be_judged_one_by_one():
    data = probabilities(3000, 5)
    fit = si.multicalibrate("y ~ x | g", data, init="p", levels=10, stop="level")
    every = si.multicalibrate("y ~ x | g", data, init="p", levels=10)
    assert fit.path.loc[1, "levels"] < every.path.loc[1, "levels"]
    assert (np.diff(fit.path["held_out"][: fit.rounds + 1]) < 0).all()


# --- how errors are measured ---------------------------------------------------------------------------------


def test_errors_are_what_their_formulas_say():
    data, new = probabilities(3000, 6), probabilities(1500, 7)
    w = np.random.default_rng(1).uniform(0.5, 2.0, len(new))
    fit = si.multicalibrate("y ~ x | g", data, init="p", levels=10)
    f, y = fit.predict(new)["estimate"].to_numpy(), new["y"].to_numpy()
    cells = np.rint(f * 10).astype(int)
    share = np.bincount(cells, weights=w) / w.sum()
    functions = {"1": np.ones(len(y)), "g = b": (new["g"] == "b").to_numpy(float)}
    found = fit.error(new, weights=w, min_rows=50).set_index("function")
    for name, h in functions.items():
        sums, counts = (np.bincount(cells, weights=v, minlength=11) for v in (w * h * (y - f), w * h))
        with np.errstate(invalid="ignore"):
            means = np.nan_to_num(sums / (share * w.sum()))
            known = np.bincount(cells, weights=w**2 * h * f * (1 - f), minlength=11)
            large = (np.bincount(cells, weights=h, minlength=11) >= 50) & (known > 0)
        assert found.loc[name, "estimate"] == pytest.approx(share @ means**2, rel=1e-12)
        assert found.loc[name, "df"] == large.sum() and counts[large].all()
        assert found.loc[name, "statistic"] == pytest.approx((sums[large] ** 2 / known[large]).sum(), rel=1e-10)
    assert found.loc["", "estimate"] == pytest.approx(np.average((y - f) ** 2, weights=w), rel=1e-12)
    one = fit.table(new, by="g").query("group == 'g = c' and level == 0.5").iloc[0]
    e = (y - f)[(new["g"] == "c") & (cells == 5)]
    assert (
        one["n"] == len(e)
        and one["error"] == pytest.approx(e.mean())
        and one["outcome"] - one["predicted"] == pytest.approx(e.mean())
    )
    assert one["std_error"] == pytest.approx(e.std(ddof=1) / np.sqrt(len(e)), rel=1e-10)
    x = new["x"].to_numpy()
    assert fit.k2("x", new)["estimate"][0] == pytest.approx(
        (np.bincount(cells) / len(y)) @ (np.bincount(cells, weights=x * (y - f)) / np.bincount(cells)) ** 2
    )
    assert fit.k2(lambda frame: frame["x"][::-1], new)["estimate"].equals(fit.k2("x", new)["estimate"])
    other = pl.from_pandas(new)
    assert all(isinstance(t, pl.DataFrame) for t in (fit.table(other), fit.error(other), fit.k2("x", other)))


@pytest.mark.parametrize("two_valued", [True, False])
def test_the_test_keeps_its_size_and_correction_its_mean(two_valued):
    from statinf.conformity.multicalibration.level_errors import Residuals, level_error

    random = np.random.default_rng(5)
    p_values, corrected, errors = [], [], []
    for _ in range(300):
        codes = random.binomial(10, random.beta(2, 2, 600))
        f = np.clip(codes / 10, 0.02, 0.98)
        y = (random.random(600) < f).astype(float) if two_valued else f + 0.2 * (1 + f) * random.standard_normal(600)
        found = level_error(Residuals(y, f, np.ones(600), codes, 11, two_valued))
        p_values.append(found.p_value)
        corrected.append(found.corrected)
        errors.append(found.std_error)
    # 300 draws of a share of 0.05 lie within (0.01, 0.097) with a probability above 0.999.
    assert 0.01 < np.mean(np.array(p_values) < 0.05) < 0.097
    assert abs(np.mean(corrected)) < 4 * np.std(corrected) / np.sqrt(300)
    assert 0.75 < np.mean(errors) / np.std(corrected) < 1.3


# --- groups, starts, files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "labels"),
    [
        ("g", ["g = a", "g = b", "g = c"]),
        ("C(g) - 1", ["g = a", "g = b", "g = c"]),
        ("I(x > 0)", ["I(x > 0) = False", "I(x > 0) = True"]),
        ("g:z", [f"g = {g}, z = {z}" for g in "abc" for z in "uv"]),
        ("z*g", ["z = u", "z = v", "g = a", "g = b", "g = c", *[f"z = {z}, g = {g}" for z in "uv" for g in "abc"]]),
        ("y", None),
        ("x", []),
    ],
)
def test_groups_are_the_cells_of_terms(groups, labels):
    data = probabilities(300).assign(z=np.tile(["u", "v"], 150))
    if labels is None:
        with pytest.raises(si.FormulaError):
            si.multicalibrate(f"y ~ x | {groups}", data)
        return
    fit = si.multicalibrate(f"y ~ 1 | {groups}", data, levels=5)
    table = fit.table(data, per_level=False)
    assert table["group"].tolist() == ["all rows", *labels]
    for term in fit.groups:
        assert table.set_index("group").loc[list(term.groups.labels), "n"].sum() == len(data)
    if groups == "g:z":
        by = fit.table(data, by=["g", "z"], per_level=False)
        pd.testing.assert_frame_equal(by, table.iloc[1:].reset_index(drop=True))


def test_every_start_that_says_the_same_gives_the_same():
    data = probabilities(600)
    logit = si.glm("y ~ x", data, family="binomial")
    known = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(data[["x"]], data["y"])
    data["hat"] = logit.predict(data)["estimate"]
    options = {"levels": 10, "max_rounds": 3, "tol": 0.0}
    first = si.multicalibrate("y ~ x | g", data, init="hat", **options).predict(data)
    bare = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(data[["x"]].to_numpy(), data["y"])
    called = (
        lambda frame: frame["hat"],
        lambda frame: frame["hat"][::-1],
        lambda frame: logit.predict(frame)["estimate"],
    )
    for start in (logit, known, bare, *called):
        assert si.multicalibrate("y ~ x | g", data, init=start, **options).predict(data).equals(first)
    learnt = si.multicalibrate("y ~ x | g", data, init="logit", **options)
    assert learnt.initial.name == "logit" and "Start: logit" in str(learnt)
    assert (
        si.multicalibrate("y ~ x | g", data, init=LogisticRegression(), **options).initial.name == "LogisticRegression"
    )


def test_rows_without_a_start_are_left_out_and_told():
    data = probabilities(300)
    holes = data.assign(p=data["p"].where(data.index > 4))
    fit = si.multicalibrate("y ~ x | g", holes, init="p")
    assert fit.nobs == 295 and fit.dropped == {"p is missing": 5}
    with pytest.warns(si.StatinfWarning, match="5 rows: p is missing"):
        first = fit.predict(holes)
    assert first["estimate"].isna().sum() == 5
    called = si.multicalibrate("y ~ x | g", holes, init=lambda frame: frame["p"])
    assert called.dropped == {"init '<lambda>' predicts no number": 5} and called.nobs == 295
    with pytest.warns(si.StatinfWarning, match="5 rows: init '<lambda>' predicts no number"):
        assert called.predict(holes).equals(first)
    with pytest.raises(si.DataError, match="na_action='raise': 5 rows"):
        si.multicalibrate("y ~ x | g", holes, init=lambda frame: frame["p"], na_action="raise")


def test_files_hold_what_is_ours(tmp_path):
    data = probabilities(400)
    logit = si.glm("y ~ x", data, family="binomial")
    fit = si.multicalibrate("y ~ x | g", data, init=logit)
    read = si.load(fit.save(tmp_path / "fit.si"))
    assert read.predict(data).equals(fit.predict(data)) and read.error(data).equals(fit.error(data))
    with pytest.raises(si.DataError, match="give newdata"):
        read.table()
    foreign = LogisticRegression().fit(data[["x"]], data["y"])
    read = si.load(si.multicalibrate("y ~ x | g", data, init=foreign).save(tmp_path / "foreign.si"))
    with pytest.raises(si.DataError, match="without its initial model 'LogisticRegression'"):
        read.predict(data)
    tree = DecisionTreeRegressor(max_depth=2)
    read = si.load(si.multicalibrate("y ~ x | g", data, learner=tree).save(tmp_path / "tree.si"))
    with pytest.raises(si.DataError, match="belong to another library"):
        read.predict(data)
    assert "Multicalibration" in str(read) and read.rounds >= 0


def test_figures(sine):
    import matplotlib.pyplot as plt

    data = probabilities(500)
    fit = si.multicalibrate("y ~ x | g", data, init="p")
    assert [t.get_text() for t in fit.plot().get_yticklabels()] == ["all rows", "g = a", "g = b", "g = c"]
    assert len(fit.plot("calibration", newdata=data, by="g").get_legend().get_texts()) == 3
    assert fit.plot("path").get_xlabel() == "round"
    plt.close("all")


# --- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"levels": 0}, si.OptionError, "levels=0"),
        ({"learner": "spln"}, si.OptionError, "Did you mean 'spline'"),
        ({"learner": 3}, si.OptionError, "learns nothing"),
        ({"init": "pp"}, si.OptionError, "init='pp' is neither a column.*Did you mean 'p'"),
        ({"init": np.zeros(200)}, si.OptionError, "name the column"),
        ({"init": "g"}, si.DataError, "init='g' holds categories"),
        ({"init": si}, si.OptionError, "init="),
        ({"init": LogisticRegression().fit(np.eye(2), [0, 1])}, si.OptionError, "fitted to 2 columns"),
        ({"bounds": (1, 0)}, si.OptionError, "lower first"),
        ({"bounds": (0.2, 0.8)}, si.DataError, r"'y' lies outside in 200 rows, from 0 to 1"),
        ({"stop": "level", "valid": 0}, si.OptionError, "held-out"),
        ({"spacing": "quantile"}, si.OptionError, "2 distinct quantiles"),
        ({"center": "median"}, si.OptionError, "center='median'"),
    ],
)
def test_options_that_cannot_be(options, error, message):
    with pytest.raises(error, match=message):
        si.multicalibrate("y ~ x | g", probabilities(200), **options)


def test_questions_that_cannot_be_answered():
    data = probabilities(200)
    fit = si.multicalibrate("y ~ x | g", data, init="p")
    for call, error, message in (
        (lambda: fit.predict(data, interval="prediction"), si.NotIdentifiedError, "si.conformal"),
        (lambda: fit.table(data, by="zz"), si.DataError, "'zz'"),
        (lambda: fit.table(data, by=[]), si.OptionError, "by="),
        (lambda: fit.table(probabilities(300), by="x"), si.OptionError, "makes 300 groups"),
        (lambda: fit.table(data, by=3), si.OptionError, "by="),
        (lambda: fit.table(data, of="both"), si.OptionError, "of='both'"),
        (lambda: fit.table(weights="w"), si.OptionError, "weights="),
        (lambda: fit.k2("g", data), si.OptionError, "categories"),
        (lambda: fit.k2(3, data), si.OptionError, "function=3"),
        (lambda: fit.k2(lambda frame: [1.0], data), si.DataError, "one number per row"),
        (lambda: fit.error(data, min_rows=1), si.OptionError, "min_rows=1"),
        (lambda: fit.error(data.drop(columns="y")), si.DataError, "'y'"),
        (lambda: fit.predict(data.drop(columns="p")), si.DataError, "'p'"),
        (lambda: fit.plot("levels"), si.OptionError, "kind='levels'"),
        (lambda: si.multicalibrate("y ~ x | g | p", data), si.FormulaError, "3 parts"),
        (lambda: si.multicalibrate("g ~ x", data), si.DataError, "categories"),
        (lambda: si.multicalibrate("y ~ x + offset(p)", data), si.OptionError, "offset"),
    ):
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize("value", [0.0, 3.5])
def test_a_constant_outcome_is_predicted_as_it_is(value):
    data = probabilities(60).assign(y=value)
    fit = si.multicalibrate("y ~ x | g", data)
    assert set(fit.predict(data)["estimate"]) == {value} and fit.measured["mse"].estimate == 0.0


@pytest.mark.parametrize("learner", ["ridge", "binned_trees"])
def test_penalties_count_rows_in_any_unit_of_weights(sine, learner):
    w = np.random.default_rng(0).exponential(size=len(sine)) + 0.2
    fits = [
        si.multicalibrate("y ~ x1 + x2", sine, weights=unit * w, learner=learner, levels=10, max_rounds=5)
        for unit in (1.0, 2.0**-12)
    ]
    np.testing.assert_allclose(fits[1].predict(sine), fits[0].predict(sine), rtol=1e-9)
    pd.testing.assert_frame_equal(fits[1].error(), fits[0].error(), rtol=1e-9)
