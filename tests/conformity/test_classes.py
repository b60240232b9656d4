"""`si.conformal` with an outcome of categories."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats

import statinf as si
from statinf.conformity.row_draws import row_draws
from statinf.conformity.table import CONFORMAL
from statinf.errors import DroppedRowsWarning, SeparationWarning, StatinfWarning
from statinf.learners.multinomial import Multinomial

FORMULA = "kind ~ x + z"
METHODS = [name for name in CONFORMAL if CONFORMAL[name].outcome == "classes"]
LABELS = np.array(["low", "mid", "top"])


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    eta = np.column_stack([np.zeros(n), 0.8 * x, -0.5 + x - z])
    P = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    codes = (P.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1)
    return pd.DataFrame(
        {"kind": LABELS[codes], "x": x, "z": z, "g": np.where(rng.random(n) < 0.4, "a", "b"), "w": np.exp(0.3 * x)}
    )


@pytest.fixture(scope="module")
def data():
    found = rows(240)
    found.loc[2, "x"] = np.nan
    found.loc[5, "kind"] = None
    return found


@pytest.fixture(scope="module")
def new():
    return rows(80, 1).set_axis([f"r{i}" for i in range(80)], axis=0)


def quietly(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StatinfWarning)
        return si.conformal(*args, **options)


@pytest.mark.parametrize("method", [*METHODS, "cv+"])
def test_tables_in_every_kind_of_frame(data, new, method):
    options = {"kreg": 1} if method == "raps" else {}
    fit = si.conformal(FORMULA, data, method=method, level=0.8, **options)
    assert fit.nobs == 238 and fit.levels == ("low", "mid", "top")
    table = fit.predict(new)
    assert table.columns.tolist() == ["low", "mid", "top", "set", "set_size"]
    assert table.index.equals(new.index)
    np.testing.assert_allclose(table[["low", "mid", "top"]].sum(axis=1), 1.0, rtol=1e-12)
    assert table["set"].map(len).tolist() == table["set_size"].tolist()
    long = fit.predict_set(new)
    assert long.columns.tolist() == ["row", "class", "probability"]
    listed = long.groupby("row")["class"].agg(list)
    assert all(listed.get(i, []) == one for i, one in enumerate(table["set"]))
    inside = fit.contains(new)
    assert inside.tolist() == [k in s for k, s in zip(new["kind"], table["set"], strict=True)]
    for frame in (pl.from_pandas(data), pa.Table.from_pandas(data, preserve_index=False)):
        other = si.conformal(FORMULA, frame, method=method, level=0.8, **options)
        given = (
            type(frame)(new.reset_index(drop=True)) if isinstance(frame, pl.DataFrame) else pa.Table.from_pandas(new)
        )
        got = other.predict(given)
        assert isinstance(got, type(frame))
        np.testing.assert_array_equal(np.asarray(got["set_size"]), table["set_size"])
        np.testing.assert_array_equal(np.asarray(got["top"]), table["top"])
        assert other.coverage(given).shape == fit.coverage(new).shape
    text = str(fit)
    assert "Coverage:" in text and "1 (x is missing)" in text and "1 (kind is missing)" in text


def test_rows_that_cannot_be_predicted_have_no_set(data):
    fit = si.conformal(FORMULA, data)
    with pytest.warns(DroppedRowsWarning, match="x is missing"):
        table = fit.predict(data.head(4))
    assert table["set"].iloc[2] is None and np.isnan(table["set_size"].iloc[2]) and np.isnan(table["low"].iloc[2])
    assert not fit.contains(data.drop(index=2).head(6))[4]  # its class is missing


@pytest.mark.parametrize(
    ("outcome", "levels"),
    [
        (pd.Categorical(["b", "a", "c"] * 40, categories=["c", "zero", "b", "a"], ordered=True), ("c", "b", "a")),
        (np.array([True, False, True] * 40), (False, True)),
        (pd.array([True, False, None] * 40, dtype="boolean"), (False, True)),
        (pd.array(["u", None, "v"] * 40, dtype="string"), ("u", "v")),
    ],
    ids=["ordered, a level unused", "truth values", "nullable truth values", "nullable text"],
)
def test_kinds_of_outcome(outcome, levels):
    found = pd.DataFrame({"y": outcome, "x": np.random.default_rng(0).normal(size=120)})
    fit = si.conformal("y ~ x", found)
    assert fit.method == "lac" and fit.levels == levels
    assert "Method: lac" in str(fit)
    assert fit.predict(found.head(2)).columns.tolist() == [*map(str, levels), "set", "set_size"]


def test_numbers_as_classes(data, new):
    numbered = data.assign(code=data["kind"].map({"low": 3, "mid": 1, "top": 2}))
    fit = si.conformal("C(code) ~ x + z", numbered)
    assert fit.method == "lac" and fit.levels == (1, 2, 3)
    with pytest.raises(si.DataError, match=r"3 different ones; write C\(code\)"):
        si.conformal("code ~ x + z", numbered, method="aps")
    two = data.assign(t=((data["x"] > 0) ^ (np.arange(240) % 5 == 0)).astype(int)).dropna()
    assert si.conformal("t ~ x + z", two, method="aps").levels == (0, 1)
    assert si.conformal("I(kind == 'top') ~ x + z", two).levels == (False, True)
    with pytest.warns(StatinfWarning, match="'lac', 'aps', 'raps', 'class-conditional'"):
        fit = si.conformal("t ~ x + z", two)
    assert fit.method == "split" and "lower" in fit.predict(two.head(2)).columns


@pytest.mark.parametrize("method", ["split", "cqr", "full", "cps", "jackknife", "jackknife-minmax", "cv-minmax"])
def test_methods_for_numbers_are_refused_by_name(data, method):
    with pytest.raises(si.OptionError, match=f"{method}.*holds categories.*'lac', 'aps', 'raps', 'class-conditional'"):
        si.conformal(FORMULA, data, method=method)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "lac", "randomized": True}, "randomized"),
        ({"method": "class-conditional", "randomized": True}, "score='aps'"),
        ({"method": "raps", "penalty": -1.0}, "penalty=-1.0"),
        ({"method": "raps", "kreg": "many"}, "kreg='many'"),
        ({"method": "cv+", "weights": "w"}, "method='lac' or 'aps', not 'cv\\+'"),
        ({"method": "lac", "model": "rq"}, "cannot serve for class probabilities"),
        ({"method": "lac", "model": "logitt"}, "Did you mean 'logit'"),
        ({"method": "lac", "split": 0}, "fitted already"),
        ({"side": "upper"}, "side"),
    ],
)
def test_options_are_refused_by_name(data, options, said):
    with pytest.raises(si.OptionError, match=said):
        si.conformal(FORMULA, data, **options)


def test_options_of_sets_are_refused_for_numbers(data):
    with pytest.raises(si.OptionError, match="belongs to sets of classes"):
        si.conformal("z ~ x", data, method="cv+", score="lac")


def test_one_class_only():
    with pytest.raises(si.DataError, match="only the level 'low'"):
        si.conformal("kind ~ x", rows(50).assign(kind="low"))


# --- models -----------------------------------------------------------------------------------------------------


class Shares:
    """A plain classifier that gives every row the shares of the classes it was fitted to."""

    def fit(self, X, y):
        self.shares = np.unique(y, return_counts=True)[1] / len(y)

    def predict_proba(self, X):
        return np.tile(self.shares, (len(X), 1))


class Backwards:
    """The columns of its classes come from the last to the first."""

    def fit(self, X, y):
        found, counts = np.unique(y, return_counts=True)
        self.classes_, self.shares = found[::-1], counts[::-1] / len(y)
        return self

    predict_proba = Shares.predict_proba


class Wrong(Shares):
    def __init__(self, change):
        self.change = change

    def predict_proba(self, X):
        return self.change(Shares.predict_proba(self, X))


def _spoil(P, value):
    P[min(7, len(P) - 1), 0] += value
    return P


@pytest.mark.parametrize(
    "model",
    ["logit", "forest", "ridge", Multinomial(2.0), Shares(), Backwards()],
    ids=lambda m: m if isinstance(m, str) else type(m).__name__,
)
def test_models(data, new, model):
    if isinstance(model, str) and model == "forest":
        pytest.importorskip("sklearn")
    fit = si.conformal(FORMULA, data, model=model)
    table = fit.predict(new)
    np.testing.assert_allclose(table[["low", "mid", "top"]].sum(axis=1), 1.0, rtol=1e-12)
    if isinstance(model, Shares | Backwards):
        assert abs(table["low"].iloc[0] - (data["kind"] == "low").mean()) < 0.1


def test_probabilities_come_by_class_whatever_the_order_of_columns(data, new):
    one, other = (si.conformal(FORMULA, data, model=m).predict(new) for m in (Shares(), Backwards()))
    pd.testing.assert_frame_equal(one, other)


def test_a_scikit_learn_classifier_sees_the_labels(data, new):
    linear = pytest.importorskip("sklearn.linear_model")
    weighted = linear.LogisticRegression(class_weight={"low": 1.0, "mid": 1.0, "top": 25.0})
    plain = si.conformal(FORMULA, data, model=linear.LogisticRegression()).predict(new)
    heavy = si.conformal(FORMULA, data, model=weighted).predict(new)
    assert (heavy["top"] > plain["top"]).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda P: P * 0.9, "sum to 0.9, not to one in row"),
        (lambda P: _spoil(P, np.nan), "not finite in row"),
        (lambda P: P - [1.0, -1.0, 0.0], "negative value"),
        (lambda P: P[:, :2], "gave shape"),
        (lambda P: P[:, 0], "gave shape"),
    ],
)
def test_probabilities_that_are_none_are_refused(data, change, said):
    with pytest.raises(si.DataError, match=f"Wrong.*{said}"):
        si.conformal(FORMULA, data, model=Wrong(change))


def test_models_without_probabilities_are_refused(data):
    linear = pytest.importorskip("sklearn.linear_model")
    with pytest.raises(si.OptionError, match="LinearRegression has no predict_proba"):
        si.conformal(FORMULA, data, model=linear.LinearRegression())
    with pytest.raises(si.DataError, match="LogisticRegression cannot be fitted"):
        si.conformal(FORMULA, data, model=linear.LogisticRegression(C=-1.0))


def test_a_fitted_classifier_calibrates_every_row(data, new):
    linear = pytest.importorskip("sklearn.linear_model")
    used = data.dropna()
    model = linear.LogisticRegression().fit(used[["x", "z"]].to_numpy(), used["kind"])
    fit = si.conformal(FORMULA, data, model=model, split=0)
    assert fit.procedure.n == 238 and fit.procedure.trained == 0
    np.testing.assert_allclose(fit.predict(new)["top"], model.predict_proba(new[["x", "z"]].to_numpy())[:, 2])
    with pytest.warns(StatinfWarning, match="no row has the classes 'top'"):
        part = si.conformal(FORMULA, data[data["kind"] != "top"], model=model, split=0)
    assert part.levels == ("low", "mid", "top")
    assert part.contains(new, level=0.99)[(new["kind"] == "top").to_numpy()].any()
    model.classes_ = np.array(["p", "q", "r"])
    with pytest.raises(si.DataError, match="none of the outcome's"):
        si.conformal(FORMULA, data, model=model, split=0)


def test_a_class_that_training_lacks_has_probability_zero(data):
    calibrate = (data["kind"] == "top").to_numpy() | (np.arange(240) % 2 == 0)
    with pytest.warns(StatinfWarning, match="class 'top' is absent from the training rows"):
        fit = si.conformal(FORMULA, data, split=calibrate)
    assert (fit.predict(data.dropna())["top"] == 0.0).all()
    assert "Not seen by the model, probability zero: top" in str(fit)


def test_separated_classes_are_fitted_with_a_ridge():
    found = rows(120).assign(x=lambda d: d["x"] + 50.0 * (d["kind"] == "top"))
    with pytest.warns(SeparationWarning, match="small ridge penalty"):
        fit = si.conformal(FORMULA, found)
    assert np.isfinite(fit.predict(found.head(3))["top"]).all()


# --- guarantees, groups, weights --------------------------------------------------------------------------------


def test_a_class_that_calibration_lacks_is_in_every_set(data, new):
    calibrate = (data["kind"] != "top").to_numpy() & (np.arange(240) % 2 == 0)
    with pytest.warns(StatinfWarning, match=r"1 classes are in every set.*'top' \(0\)"):
        fit = si.conformal(FORMULA, data, method="class-conditional", split=calibrate, level=0.8)
    assert fit.predict(new)["set"].map(lambda s: "top" in s).all()
    assert "infinite" in str(fit)


def test_groups(data, new):
    fit = si.conformal("kind ~ x + z | g", data, level=0.8)
    assert fit.groups.labels == ("g = b", "others")
    np.testing.assert_array_equal(
        fit.predict(new)["set_size"], si.conformal(FORMULA, data, by="g", level=0.8).predict(new)["set_size"]
    )
    assert fit.coverage(new).query("part == 'group'")["label"].tolist() == ["g = b", "others"]
    with pytest.warns(
        StatinfWarning, match="3 rows are of a group without calibration rows; their sets are all classes"
    ):
        table = fit.predict(new.head(3).assign(g="c"))
    assert (table["set_size"] == 3).all()
    both = quietly("kind ~ x + z | g", data, method="class-conditional", level=0.8)
    assert "g = b, low" in str(both)


def test_density_ratios(data, new):
    fit = si.conformal(FORMULA, data.dropna(), weights="w", level=0.8)
    assert "the weights are worth" in str(fit)
    flat = si.conformal(FORMULA, data.dropna().assign(w=1.0), weights="w", level=0.8)
    plain = si.conformal(FORMULA, data.dropna(), level=0.8)
    np.testing.assert_array_equal(flat.contains(new.assign(w=1.0)), plain.contains(new))
    with pytest.warns(StatinfWarning, match="no density ratio"):
        assert np.isnan(fit.predict(new.head(2).assign(w=[1.0, np.nan]))["set_size"].iloc[1])


@pytest.mark.parametrize("method", METHODS)
def test_p_values_tell_who_is_in_the_set(data, new, method):
    fit = quietly(FORMULA, data, method=method, by="g")
    every = fit.p_values(new, of="classes")
    assert every.columns.tolist() == ["low", "mid", "top"] and every.index.equals(new.index)
    own = every.to_numpy()[np.arange(80), np.searchsorted(LABELS, new["kind"])]
    np.testing.assert_array_equal(fit.p_values(new), own)
    for level in (0.5, 0.8, 0.93):
        np.testing.assert_array_equal(own > 1.0 - level + 1e-12, fit.contains(new, level=level))
    drawn = fit.p_values(new, seed=1)
    assert (drawn <= own).all() and (drawn < own).any()


def test_p_values_are_refused_where_there_are_none(data, new):
    with pytest.raises(si.OptionError, match="'lac' or 'aps'"):
        si.conformal(FORMULA, data, method="cv+").p_values(new)


def test_empty_sets_are_counted_and_may_be_forbidden(data, new):
    fit = si.conformal(FORMULA, data, method="aps", level=0.5)
    table = fit.coverage(new)
    assert table["empty"].iloc[0] == (fit.predict(new)["set_size"] == 0).sum() > 0
    assert table.query("part == 'size' and label == '0'")["covered"].tolist() == [0]
    assert f"{fit.procedure.sizes[0]} of 119 empty" in str(fit)
    full = si.conformal(FORMULA, data, method="aps", level=0.5, allow_empty=False)
    assert (full.predict(new)["set_size"] >= 1).all()
    assert (full.contains(new) >= fit.contains(new)).all()


def test_coverage_has_a_row_per_class_size_and_value(data, new):
    fit = si.conformal(FORMULA, data, level=0.8)
    table = fit.coverage(new, by="g")
    parts = table.groupby("part", sort=False)["n"].sum()
    assert parts[["all", "class", "group", "size"]].tolist() == [80] * 4
    assert table.query("part == 'class'")["label"].tolist() == ["low", "mid", "top"]
    with pytest.warns(StatinfWarning, match="2 of 80 rows have a class that the fit has not seen"):
        strange = fit.coverage(new.assign(kind=["odd", "odd", *new["kind"][2:]]))
    assert strange.query("label == 'unseen'")[["n", "covered"]].to_numpy().tolist() == [[2, 0]]


def test_draws_belong_to_rows(data, new):
    fit = si.conformal(FORMULA, data, method="aps", level=0.8)
    order = np.random.default_rng(0).permutation(80)
    np.testing.assert_array_equal(fit.contains(new.iloc[order]), fit.contains(new)[order])
    np.testing.assert_array_equal(fit.contains(new.iloc[30:]), fit.contains(new)[30:])
    np.testing.assert_array_equal(fit.contains(new.reset_index(drop=True)), fit.contains(new))
    other = si.conformal(FORMULA, data, method="aps", level=0.8, seed=1, split=0.5)
    assert (fit.contains(new) != other.contains(new)).any()
    # Rows that are alike in everything still draw one by one.
    twice = fit.predict(new.iloc[np.zeros(40, int)].assign(x=0.0, z=0.0))["set_size"]
    assert twice.nunique() > 1


@pytest.mark.parametrize("alike", [False, True])
def test_draws_are_uniform_and_independent(alike):
    P = np.tile([0.2, 0.8], (4000, 1)) if alike else np.random.default_rng(0).dirichlet([1.0, 1.0], size=4000)
    draws = row_draws(P, 3, 59)
    assert stats.kstest(draws, "uniform").pvalue > 0.001
    # Neighbours, probabilities, other streams; the bound is four standard errors of a correlation of nothing.
    others = [draws[1:], row_draws(P, 3, 60), row_draws(P, 4, 59), *([] if alike else [P[:, 0]])]
    for other in others:
        assert abs(np.corrcoef(draws[: len(other)], other)[0, 1]) < 4.0 / np.sqrt(4000)
    assert len(row_draws(P[:0], 3, 59)) == 0


def test_raps_with_more_ranks_than_classes_says_so(data, new):
    with pytest.warns(StatinfWarning, match="kreg=5 with 3 classes.*those of 'aps'"):
        fit = si.conformal(FORMULA, data, method="raps")
    np.testing.assert_array_equal(fit.contains(new), si.conformal(FORMULA, data, method="aps").contains(new))
    tuned = si.conformal(FORMULA, data, method="raps", penalty="auto", kreg="auto", tune=0.25)
    assert tuned.procedure.tuned == 30 and tuned.procedure.n == 89 and "Chosen on: 30" in str(tuned)


def test_jackknife_sets_by_hand(new):
    found = rows(25, 4)
    fit = si.conformal(FORMULA, found, method="jackknife+", score="lac", level=0.8, model=Multinomial(1.0))
    X, kinds = found[["x", "z"]].to_numpy(), np.searchsorted(LABELS, found["kind"])
    exceeded = np.zeros((80, 3), int)
    for i in range(25):
        keep = np.arange(25) != i
        one = Multinomial(1.0).fit(X[keep], kinds[keep])
        own = 1.0 - one.predict_proba(X[i : i + 1])[0, kinds[i]]
        exceeded += own < 1.0 - one.predict_proba(new[["x", "z"]].to_numpy())
    np.testing.assert_array_equal(fit.predict(new)["set_size"], (exceeded < 0.8 * 26).sum(axis=1))
    assert "at least 0.6" in str(fit) and fit.citation.startswith("Romano")
    few = rows(12, 4)
    with pytest.warns(StatinfWarning, match="Every set holds every class: 12 rows"):
        si.conformal(FORMULA, few, method="jackknife+", level=0.95, model=Multinomial(1.0))


@pytest.mark.parametrize("method", ["class-conditional", "aps", "cv+"])
def test_saving_and_figures(data, new, method, tmp_path):
    fit = (
        quietly(FORMULA, data, method=method, by="g") if method != "cv+" else si.conformal(FORMULA, data, method="cv+")
    )
    same = si.load(fit.save(tmp_path / "fit.si"))
    pd.testing.assert_frame_equal(same.predict(new), fit.predict(new))
    with pytest.raises(si.DataError, match="holds no data"):
        same.predict()
    for kind, by in (("size", None), ("coverage", None), ("coverage", "size"), ("coverage", "g")):
        assert fit.plot(kind, newdata=new, by=by).get_ylabel() in ("Rows", "Coverage")
    with pytest.raises(si.OptionError, match="'size' or 'coverage'"):
        fit.plot("band")
    with pytest.raises(si.NotIdentifiedError, match="predict_set, contains, p_values, coverage"):
        _ = fit.params


def test_a_foreign_classifier_is_not_saved(data, tmp_path):
    with pytest.raises(si.DataError, match="Shares belongs to another library"):
        si.conformal(FORMULA, data, model=Shares()).save(tmp_path / "fit.si")


def test_columns_of_classes_that_are_called_set():
    found = rows(60).assign(kind=lambda d: d["kind"].replace({"low": "set"}))
    assert si.conformal(FORMULA, found, level=0.8).predict(found.head(1)).columns.tolist() == [
        "mid", "set", "top", "set_", "set_size"
    ]  # fmt: skip
