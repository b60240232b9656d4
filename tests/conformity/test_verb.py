"""`si.conformal` from a formula: kinds of data frames, missing rows, categories, groups, shift, messages."""

from __future__ import annotations

import warnings

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

import statinf as si
from statinf.conformity.table import CONFORMAL
from statinf.learners import KernelRidge, MixtureDensityNetwork, Ridge

pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.DroppedRowsWarning")
FORMULA = "y ~ x + C(g)"
MDN = MixtureDensityNetwork(components=2, hidden=(8,), epochs=20)


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(4)
    x, g = random.normal(size=300), random.choice(["a", "b", "c"], 300)
    y = x + (g == "b") + np.exp(0.5 * x) * random.normal(size=300)
    frame = pd.DataFrame({"y": y, "x": x, "g": g, "train": random.random(300) < 0.5}, index=np.arange(300) * 3 + 5)
    frame.loc[frame.index[[3, 9]], "x"] = np.nan
    frame.loc[frame.index[20], "y"] = np.nan
    return frame


def model_of(method):
    return MDN if method in ("pcp", "cp2-pcp", "cp2-hpd") else None


def fit_method(method, data, **options):
    if CONFORMAL[method].grouped:
        options.setdefault("by", "g")
    if "bandwidth" in CONFORMAL[method].options.names():
        options.setdefault("bandwidth", 3.0)
    return si.conformal(FORMULA, data, method=method, model=options.pop("model", model_of(method)), **options)


@pytest.mark.parametrize("method", [name for name in CONFORMAL if CONFORMAL[name].outcome in ("numbers", "both")])
def test_every_method_in_every_kind_of_frame(method, data):
    fit = fit_method(method, data)
    got = fit.predict(data.head(10))
    assert fit.nobs == 297 and got.shape[0] == 10
    ok = np.arange(10) != 3
    ok[9] = False
    assert got["lower"].isna().tolist() == (~ok).tolist()
    assert (got["lower"] <= got["upper"])[ok].all()
    long = fit.predict_set(data.head(10))
    assert long.columns.tolist() == ["row", "piece", "lower", "upper"]
    first = long.groupby("row")["lower"].min()
    np.testing.assert_array_equal(first.to_numpy(), got["lower"][ok])
    assert set(long["row"]) == set(np.flatnonzero(ok))
    inside = fit.contains(data.head(10))
    assert inside.dtype == bool and not inside[[3, 9]].any()
    for frame in (pl.from_pandas(data), pa.Table.from_pandas(data, preserve_index=False)):
        other = fit_method(method, frame)
        table = other.predict(frame)
        assert isinstance(table, type(frame))
        lower = np.asarray(table["lower"].to_numpy(), float)
        np.testing.assert_array_equal(lower, fit.predict(data)["lower"].to_numpy())
    text = str(fit)
    assert "Coverage:" in text and "2 (x is missing)" in text


@pytest.mark.parametrize("method", ["cp2-pcp", "cp2-hpd", "full"])
def test_unions(method, data):
    fit = fit_method(method, data)
    table = fit.predict(data.tail(20))
    for row in table.itertuples():
        assert row.pieces == len(row.set)
        assert row.length == pytest.approx(sum(b - a for a, b in row.set))
        assert (row.lower, row.upper) == (row.set[0][0], row.set[-1][1])
    same = fit.predict(data.tail(5))
    np.testing.assert_allclose(same["lower"], table["lower"].tail(5), rtol=1e-12)  # a row's draws are its own
    again = fit_method(method, data).predict(data.tail(20))
    np.testing.assert_array_equal(again["lower"], table["lower"])


def test_formula_equals_arrays(data):
    clean = data.dropna()
    train = ~clean["train"].to_numpy()
    fit = si.conformal("y ~ x", clean, split="train", level=0.8)  # true: calibration rows
    model = LinearRegression().fit(clean.loc[train, ["x"]], clean.loc[train, "y"])
    scores = np.sort(np.abs(clean.loc[~train, "y"] - model.predict(clean.loc[~train, ["x"]])))
    q = scores[int(np.ceil(0.8 * (len(scores) + 1))) - 1]
    table = fit.predict(clean)
    np.testing.assert_allclose(table["upper"], model.predict(clean[["x"]]) + q)
    np.testing.assert_allclose(table["estimate"], model.predict(clean[["x"]]))
    prefit = si.conformal(
        "y ~ x",
        clean[~train],
        split=0,
        model=LinearRegression().fit(clean.loc[train, ["x"]].to_numpy(), clean.loc[train, "y"]),
        level=0.8,
    )
    np.testing.assert_allclose(prefit.predict(clean)["upper"], table["upper"])


@pytest.mark.parametrize(
    ("method", "model", "options"),
    [
        ("split", RandomForestRegressor(20), {}),
        ("split", DecisionTreeRegressor(max_depth=3), {"score": "normalised"}),
        ("split", None, {"score": "normalised"}),
        ("split", "gaussian", {"score": "normalised"}),
        ("split", "kernel_ridge", {"side": "upper"}),
        ("cqr", HistGradientBoostingRegressor(loss="quantile", quantile=0.5, max_iter=20), {"score": "r"}),
        ("cqr", "gaussian", {"score": "m"}),
        ("cqr", MDN, {"side": "lower"}),
        ("cv+", RandomForestRegressor(20), {"folds": 3}),
        ("jackknife+", Ridge(2.0), {}),
        ("full", KernelRidge(2.0), {}),
        ("cp2-pcp", "location_scale", {"adjust": "difference"}),
        ("cp2-hpd", "gaussian", {"adjust": "none"}),
    ],
)
def test_models(method, model, options, data):
    fit = si.conformal("y ~ x", data, method=method, model=model, **options)
    share = fit.contains(data.dropna()).mean()
    assert 0.8 < share <= 1.0  # half or all of these rows were used, so this is a check of sanity, not of coverage


def test_groups(data):
    fit = fit_method("mondrian", data)
    np.testing.assert_array_equal(fit.groups.labels, ["g = a", "g = b", "g = c"])
    part = si.conformal("y ~ x + C(g) | C(g)", data, method="split")
    np.testing.assert_array_equal(part.predict(data)["lower"], fit.predict(data)["lower"])
    two = si.conformal("y ~ x", data, by=["g", "train"], method="cqr")
    assert "g = a, train = True" in two.groups.labels or "g = a, train = 1" in two.groups.labels
    sign = si.conformal("y ~ x | I(x > 0)", data)
    assert len(sign.groups.labels) == 2
    table = fit.coverage(data, slab=None)
    assert table["part"].tolist() == ["all", "group", "group", "group"]
    assert table["n"].tolist()[1:] == data.dropna()["g"].value_counts().sort_index().tolist()
    new = data.head(3).assign(g="d")
    unseen = si.conformal("y ~ x", data, by="g", method="split")
    with pytest.warns(si.StatinfWarning, match="2 rows are of a group|3 rows are of a group"):
        assert np.isinf(unseen.predict(new)["upper"].dropna()).all()
    with pytest.warns(si.StatinfWarning, match=r"fewer than 99 calibration rows.*'g = a'"):
        fit_method("mondrian", data, level=0.99)


def test_covariate_shift_of_any_source(data):
    def ratio(frame):
        return np.exp(np.asarray(frame["x"], float))

    fit = si.conformal("y ~ x", data, weights=ratio)
    column = data.assign(w=ratio(data))
    np.testing.assert_array_equal(
        si.conformal("y ~ x", column, weights="w").predict(column)["lower"], fit.predict(data)["lower"]
    )
    constant = si.conformal("y ~ x", data, weights=lambda frame: np.full(len(frame), 3.0))
    np.testing.assert_allclose(constant.predict(data)["lower"], si.conformal("y ~ x", data).predict(data)["lower"])
    far = pd.DataFrame({"x": [0.0, 9.0]})
    with pytest.warns(si.StatinfWarning, match="1 of 2 sets are infinite"):
        assert np.isinf(fit.predict(far)["upper"]).tolist() == [False, True]
    both = si.conformal("y ~ x", data, weights=ratio, by="g", method="cqr")
    with pytest.warns(si.StatinfWarning, match="of 297 sets are infinite"):
        assert np.isfinite(both.predict(data.dropna())["upper"]).mean() > 0.9
    assert "worth" in str(fit)
    with pytest.raises(si.OptionError, match="density ratio"):
        si.conformal("y ~ x", data, weights=np.ones(300))
    with pytest.raises(si.DataError, match="negative or infinite"):
        si.conformal("y ~ x", data, weights=lambda frame: -np.ones(len(frame)))
    with pytest.raises(si.OptionError, match="has not seen"):
        si.conformal("y ~ x", data, method="jackknife+", weights=ratio)


def test_coverage_table(data):
    fit = si.conformal("y ~ x", data.head(100), level=0.8)
    table = fit.coverage(data.tail(200), by="g")
    assert table["part"].tolist()[0] == "all" and table["n"][0] == 200
    assert (table["conf_low"] <= table["coverage"]).all() and (table["coverage"] <= table["conf_high"]).all()
    assert table["part"].tolist()[-1] == "worst slab"
    assert table["coverage"].iloc[0] == pytest.approx(fit.contains(data.tail(200)).mean())
    with pytest.raises(si.DataError, match="recorded outcome"):
        fit.coverage(data.assign(y=np.nan))
    with pytest.raises(si.DataError, match="'h'"):
        fit.coverage(data, by="h")


def test_small_samples_are_infinite_and_say_so(data):
    with pytest.warns(si.StatinfWarning, match="8 rows are too few at level 0.9; at least 9 are needed"):
        fit = si.conformal("y ~ x", data.dropna().head(8), method="jackknife+")
    assert np.isinf(fit.predict(data.dropna().head(3))[["lower", "upper"]]).all(axis=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = si.conformal("y ~ x", data.dropna().head(18))
    assert np.isfinite(fit.predict(data.dropna().head(3))["upper"]).all()
    with pytest.warns(si.StatinfWarning, match="at least 19"):
        si.conformal("y ~ x", data.dropna().head(30), score="asymmetric")


def test_messages(data):
    cases = [
        ({"method": "splt"}, "method='splt' is not a method of si.conformal.*'split'"),
        ({"level": 90}, "Did you mean level=0.9"),
        ({"method": "mondrian"}, "needs groups"),
        ({"score": "r"}, "score='r' is not known"),
        ({"method": "pcp", "side": "upper"}, "side= is an option of method='split', 'cqr', 'mondrian'"),
        ({"adjust": "linear"}, "adjust= is an option of method='cp2-pcp', 'cp2-hpd', not of 'split'"),
        ({"method": "full", "model": LinearRegression()}, "linear in the outcomes"),
        ({"method": "pcp", "model": LinearRegression()}, "no conditional density"),
        ({"method": "cqr", "model": "ridge"}, "cannot serve for a quantile"),
        ({"model": LinearRegression}, "class"),
        ({"split": 1.5}, r"must be in \[0, 1\)"),
        ({"split": np.zeros(300, bool)}, "no row to calibrate"),
        ({"split": 0}, "fitted already"),
        ({"method": "cv+", "folds": 1}, "at least 2"),
        ({"method": "cv+", "folds": "nonsense"}, "folds='nonsense'"),
        ({"draws": -5}, "draws= is an option of"),
        ({"level": "0.9"}, "not a number"),
        ({"seed": -1}, "seed"),
        ({"method": "cp2-pcp", "draws": 0}, "draws=0"),
    ]
    for options, message in cases:
        with pytest.raises(si.OptionError, match=message):
            si.conformal("y ~ x", data, **options)
    with pytest.raises(si.OptionError, match="both name groups"):
        si.conformal("y ~ x | g", data, by="g")
    with pytest.raises(si.DataError, match="split into training"):
        si.conformal("y ~ x", data.head(1))
    fit = si.conformal("y ~ x", data)
    with pytest.raises(si.NotIdentifiedError, match="predict"):
        _ = fit.std_errors
    with pytest.raises(si.OptionError, match="'band', 'size' or 'coverage'"):
        fit.plot("bands")


def test_constant_outcome_and_integers():
    data = pd.DataFrame({"y": np.full(60, 2), "x": np.arange(60)})
    table = si.conformal("y ~ x", data).predict(data)
    np.testing.assert_allclose(table["lower"], 2.0, atol=1e-10)
    assert si.conformal("y ~ 1", data, method="full").contains(data).all()


@pytest.mark.parametrize("method", ["split", "cv+", "jackknife+", "full", "mondrian", "cp2-hpd"])
def test_figures_and_saving(method, data, tmp_path):
    fit = fit_method(method, data)
    for kind in ("band", "size", "coverage"):
        axes = fit.plot(kind)
        assert axes.get_xlabel()
        plt.close("all")
    same = si.load(fit.save(tmp_path / "fit.si"))
    np.testing.assert_array_equal(same.predict(data)["lower"], fit.predict(data)["lower"])
    assert "<table" in fit._repr_html_()


def test_weights_that_score_new_rows(data):
    from dataclasses import dataclass

    from statinf.results import Weights

    @dataclass(frozen=True, kw_only=True, eq=False, repr=False)
    class Ratio(Weights):
        def score(self, newdata):
            return np.exp(np.nan_to_num(np.asarray(newdata["x"], float)))

    w = Ratio(method="ratio", formula="~ x", values=np.ones(300), used=np.arange(300), n_total=300)
    got = si.conformal("y ~ x", data, weights=w).predict(data)["upper"]
    np.testing.assert_array_equal(got, si.conformal("y ~ x", data, weights=w.score).predict(data)["upper"])
    own_rows = Weights(method="balance", formula="~ x", values=np.ones(300), used=np.arange(300), n_total=300)
    with pytest.raises(si.NotIdentifiedError, match="cannot score new ones"):
        si.conformal("y ~ x", data, weights=own_rows)


def test_list_columns_in_polars_and_pyarrow(data):
    for frame in (pl.from_pandas(data), pa.Table.from_pandas(data, preserve_index=False)):
        table = fit_method("full", frame).predict(frame.slice(0, 5))
        pieces = table["set"].to_list() if isinstance(frame, pl.DataFrame) else table["set"].to_pylist()
        assert [len(p) for p in pieces] == [1, 1, 1, 0, 1]
        assert pieces[0][0][0] == table["lower"].to_numpy()[0]


class Sampler:
    """A model of one's own that can only draw."""

    def __init__(self, scale=1.0, extra=0):
        self.scale, self.extra = scale, extra

    def fit(self, X, y, w=None, *, seed=0):
        return self

    def sample(self, X, size, *, seed=0, stream=0):
        noise = np.random.default_rng([seed, stream]).normal(size=size + self.extra)
        return X[:, :1] + self.scale * noise


def test_a_sampler_of_ones_own(data):
    fit = si.conformal("y ~ x", data, method="cp2-pcp", model=Sampler(), draws=20, mass_draws=100)
    table = fit.predict(data.dropna())
    assert "estimate" not in table and np.isfinite(table["length"]).all()
    with pytest.raises(si.DataError, match="returned shape"):
        si.conformal("y ~ x", data, method="pcp", model=Sampler(extra=1))
    with pytest.raises(si.DataError, match="not finite for row 0"):
        si.conformal("y ~ x", data, method="pcp", model=Sampler(scale=np.inf))
    with pytest.raises(si.OptionError, match="needs a model with `mixture`"):
        si.conformal("y ~ x", data, method="cp2-hpd", model=Sampler())


def test_another_level_at_predict(data):
    for method in ("split", "jackknife+", "cp2-hpd"):
        fit = fit_method(method, data)
        half, most = (fit.sets(data, level=v).length() for v in (0.5, 0.95))
        assert half.sum() < fit.sets(data).length().sum() < most.sum()


def test_density_ratio_gives_the_weights_and_heavy_rows_are_told():
    both = si.datasets.simulate("covariate_shift", 400, seed=1)
    source, target = both[both["sample"] == "source"], both[both["sample"] == "target"]
    ratio = si.density_ratio("~ x1 + x2", source, target)
    fit = si.conformal("y ~ x1 + x2", source, weights=ratio)
    with pytest.warns(si.StatinfWarning, match="of 400 sets are infinite: such a row holds more than 0.1"):
        found = fit.predict(target)
    share = ratio.score(target) / (ratio.score(target) + fit.procedure.calibration.weights.sum())
    np.testing.assert_array_equal(np.isinf(found["upper"]), share > 0.1)


@pytest.mark.parametrize("method", ["split", "cqr", "jackknife+"])
def test_a_frame_changed_after_the_fit(method, data):
    data = data.dropna()
    fit = si.conformal("y ~ x", data, method=method)
    before = fit.predict()
    data["x"] = 0.0
    pd.testing.assert_frame_equal(fit.predict(), before)


def test_a_density_ratio_that_comes_as_a_series_goes_by_its_index(data):
    def plain(frame):
        return np.exp(frame["x"].to_numpy())

    def shuffled(frame):
        return np.exp(frame["x"]).sort_values()

    rows = data.head(200)
    one, two = (si.conformal("y ~ x", data, weights=ratio).predict(rows) for ratio in (plain, shuffled))
    pd.testing.assert_frame_equal(one, two)


def test_what_is_promised_of_tails_with_thresholds_of_their_own():
    """Of 30 rows each tail at level 0.95 takes the largest score: coverage is 1 - 2 / 31, above 0.9 + 1 / 31."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"x": random.normal(size=60), "half": np.arange(60) >= 30})
    rows["y"] = rows["x"] + random.normal(size=60)
    law = 1.0 - 2.0 / 31.0
    for method, options, tails in (("split", {}, 1), ("split", {"score": "asymmetric"}, 2), ("cps", {}, 2)):
        fit = si.conformal("y ~ x", rows, method=method, split="half", **options)
        assert f"at least 0.9, and below 0.9 + {tails}/(n + 1)" in str(fit)
    assert 0.9 + 1.0 / 31.0 < law < 0.9 + 2.0 / 31.0
    scores = fit.procedure.calibration.scores
    np.testing.assert_array_equal(fit.procedure.calibration.thresholds(0.9, 1)[0], scores.max(axis=0))
    rows["c"] = np.where(rows["y"] > 0, "a", "b")
    for allowed in (True, False):
        assert ("and below" in str(si.conformal("c ~ x", rows, allow_empty=allowed))) == allowed


def test_the_law_of_coverage_is_shown_where_no_rows_tie_at_the_threshold():
    random = np.random.default_rng(2)
    rows = pd.DataFrame({"x": np.arange(200) % 2, "y": random.normal(size=200)})
    assert "beta-binomial" in str(si.conformal("y ~ x", rows))
    # Counts around two means: 10 values of 100 residuals at most, one of which is the threshold of several rows.
    counts = si.conformal("y ~ x", rows.assign(y=random.binomial(4, 0.5, 200)))
    scores = counts.procedure.calibration.scores
    assert len(np.unique(scores)) <= 10 and "beta-binomial" not in str(counts)
