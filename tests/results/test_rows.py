"""Rows have an identity: labels of predictions, and weights, clusters and joint fits that follow their rows."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import statinf as si
from statinf.errors import DataError
from statinf.formula import as_frame
from statinf.formula import frame as frames


def six():
    return pd.DataFrame({"x": range(1, 7), "y": [1, 2, 2, 4, 5, 7]}, index=[5, 3, 1, 0, 4, 2])


def trial(n=200, index=None):
    rng = np.random.default_rng(3)
    x = rng.normal(size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(int)
    y = t + 2 * x + rng.normal(size=n)
    return pd.DataFrame({"x": x, "t": t, "y": y, "g": np.arange(n) % 20}, index=index)


def same(a, b):
    np.testing.assert_allclose(b.params, a.params, rtol=1e-10)
    np.testing.assert_allclose(b.std_errors, a.std_errors, rtol=1e-10)


@pytest.mark.parametrize("index", [[5, 3, 1, 0, 4, 2], list("fdbaec"), [1, 1, 2, 2, 3, 3]])
@pytest.mark.parametrize("verb", ["lm", "poisson", "rq", "conformal"])
def test_predictions_carry_the_index(index, verb):
    data = six().set_axis(pd.Index(index), axis=0)
    fit = {
        "lm": lambda: si.lm("y ~ x", data),
        "poisson": lambda: si.glm("y ~ x", data, family="poisson"),
        "rq": lambda: si.rq("y ~ x", data, vcov="iid"),
        "conformal": lambda: si.conformal("y ~ x", data, method="full", model="ridge", level=0.5),
    }[verb]()
    made = fit.predict(data)
    assert made.index.equals(data.index) and len(made) == len(data)
    plain = fit.predict(data.reset_index(drop=True))
    numbers = made.select_dtypes("number")
    np.testing.assert_array_equal(numbers, plain[numbers.columns])
    part = data[data.x >= 4]
    assert fit.predict(part).index.equals(part.index)


def test_a_prediction_lands_beside_its_row():
    data = six()
    data["hat"] = si.lm("y ~ x", data).predict(data).iloc[:, 0]
    np.testing.assert_allclose(data["hat"].iloc[[0, 5]], [0.5714285714285714, 6.428571428571429])


def test_tables_about_no_rows_count_from_zero():
    assert si.lm("y ~ x", six()).tidy().index.tolist() == [0, 1]


def test_a_series_goes_by_its_index():
    data = six()
    w = pd.Series([1, 1, 1, 5, 5, 5])
    right = 1.0546006066734075
    assert si.lm("y ~ x", data, weights=w).params["x"] == pytest.approx(right, rel=1e-12)
    assert si.lm("y ~ x", data, weights=w.reindex(range(-3, 9), fill_value=9)).params["x"] == pytest.approx(right)
    by_position = si.lm("y ~ x", data, weights=w.to_numpy()).params["x"]
    assert by_position == pytest.approx(1.2608695652173914)
    assert si.lm("y ~ x", pl.from_pandas(data), weights=w).params["x"] == pytest.approx(by_position)
    with pytest.raises(DataError, match=r"index lacks 1 of 6 row labels of the data \(first: 5\)"):
        si.lm("y ~ x", data, weights=w.drop(5))
    with pytest.raises(DataError, match="label 0 occurs more than once"):
        si.lm("y ~ x", data, weights=w.set_axis([0, 0, 1, 2, 3, 4]))
    twice = data.set_axis([0, 0, 1, 1, 2, 2])
    assert si.lm("y ~ x", twice, weights=w.set_axis(twice.index)).params["x"] == pytest.approx(by_position)


def test_a_series_of_clusters_goes_by_its_index():
    data = trial()
    shuffled = data["g"].sample(frac=1, random_state=1)
    cov = {"cluster": "g"}
    given = si.lm("y ~ x", data, cluster=shuffled)
    same(si.lm("y ~ x", data, vcov=cov), given)


KINDS = {
    "shuffled": lambda d: d.sample(frac=1, random_state=2),
    "index reset": lambda d: d.sample(frac=1, random_state=2).reset_index(drop=True),
    "polars": lambda d: pl.from_pandas(d.sample(frac=1, random_state=2)),
    "pyarrow": lambda d: pa.Table.from_pandas(d.sample(frac=1, random_state=2), preserve_index=False),
    "fewer columns": lambda d: d.sample(frac=1, random_state=2)[["y", "t"]],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index", [None, "text"])
@pytest.mark.parametrize("how", ["as made", "pickled", "saved"])
def test_weights_follow_their_rows(kind, index, how, tmp_path):
    data = trial(index=None if index is None else [f"row {i}" for i in range(200)])
    w = si.balance("t ~ x", data)
    right = si.lm("y ~ t", data, weights=w)
    given = {
        "as made": lambda: w,
        "pickled": lambda: pickle.loads(pickle.dumps(w)),
        "saved": lambda: si.load(w.save(tmp_path / "w")),
    }[how]()
    same(right, si.lm("y ~ t", KINDS[kind](data), weights=given))


def test_weights_follow_rows_of_a_repeated_index():
    data = trial(index=np.arange(200) // 2)
    w = si.balance("t ~ x", data)
    same(si.lm("y ~ t", data, weights=w), si.lm("y ~ t", data.sample(frac=1, random_state=2), weights=w))


def test_a_pairs_bootstrap_estimates_moved_weights_again():
    data = trial()
    w = si.balance("t ~ x", data)
    order = np.random.default_rng(0).permutation(200)
    fit = si.lm("y ~ t", data.iloc[order], weights=w)
    moved = fit.design.weights_object
    draws = np.random.default_rng(1).poisson(1.0, size=(3, 200)).astype(float)
    back = np.empty_like(draws)
    back[:, order] = draws
    np.testing.assert_allclose(moved.resolve(draws), w.resolve(back)[:, order])


def test_weights_on_some_of_their_rows():
    data = trial()
    w = si.balance("t ~ x", data)
    right = si.lm("y ~ t", data.assign(y=data.y.where(data.x > 0)), weights=w)
    same(right, si.lm("y ~ t", data[data.x > 0], weights=w))
    same(right, si.lm("y ~ t", pl.from_pandas(data[data.x > 0]), weights=w))


def test_weights_of_other_rows_are_refused():
    data = trial()
    w = si.balance("t ~ x", data)
    other = data.assign(x=np.random.default_rng(9).normal(size=200))
    for bad in (other, other.sample(frac=1, random_state=1), other.set_axis(range(7, 207))):
        with pytest.raises(DataError, match="the weights belong to other rows"):
            si.lm("y ~ t", bad, weights=w)
    with pytest.raises(DataError, match=r"columns that they were made from \(x, t\) hold other values"):
        si.lm("y ~ t", pl.from_pandas(other), weights=w)
    with pytest.raises(DataError, match="the row labelled 200 was not in the frame"):
        si.lm("y ~ t", other.set_axis(range(7, 207)), weights=w)
    with pytest.raises(DataError, match="made on a frame of 200 rows, the data have 400"):
        si.lm("y ~ t", pd.concat([data, data]), weights=w)


def test_rows_that_nothing_tells_apart():
    coarse = trial().assign(x=lambda d: (d.x > 0) * 1.0)
    shuffled = coarse.sample(frac=1, random_state=1).reset_index(drop=True)
    # Rows of equal columns have equal weights: which of them is which does not matter.
    w = si.balance("t ~ x", coarse)
    same(si.lm("y ~ t", coarse, weights=w), si.lm("y ~ t", shuffled, weights=w))
    uneven = si.balance("t ~ x", coarse, weights=np.arange(1.0, 201.0))
    with pytest.raises(DataError, match="rows of equal columns have different weights"):
        si.lm("y ~ t", shuffled, weights=uneven)


@pytest.mark.parametrize("kind", ["shuffled", "index reset", "polars", "pyarrow"])
def test_joint_fits_match_their_rows(kind):
    data = trial()
    right = si.joint(si.lm("y ~ x", data), si.lm("y ~ x + t", data)).vcov
    made = si.joint(si.lm("y ~ x", data), si.lm("y ~ x + t", KINDS[kind](data))).vcov
    np.testing.assert_allclose(made, right, rtol=1e-10, atol=1e-15)
    with pytest.raises(DataError, match="rows of fit 1 cannot be matched with those of fit 2"):
        si.joint(si.lm("y ~ x", data), si.lm("y ~ x + t", KINDS[kind](data.assign(x=data.x + 1))))


def test_a_frame_changed_after_the_fit_changes_nothing():
    data = trial()
    fit = si.lm("y ~ x", data)
    predicted, errors = fit.predict(), fit.with_vcov({"cluster": "g"}).std_errors
    data["x"], data["g"] = 0.0, 1
    data.loc[3, "y"] = 99.0
    pd.testing.assert_frame_equal(fit.predict(), predicted)
    pd.testing.assert_series_equal(fit.with_vcov({"cluster": "g"}).std_errors, errors)
    polars = pl.from_pandas(trial())
    fit = si.lm("y ~ x", polars)
    polars.replace_column(0, pl.Series("x", np.zeros(200)))
    np.testing.assert_array_equal(fit.predict().to_numpy(), predicted.to_numpy())


def test_a_column_written_into_is_refused(monkeypatch):
    # What older pandas does with `data.loc[...] = `: the values change under a shallow copy.
    monkeypatch.setattr(frames, "copies_on_write", lambda: False)
    x = np.arange(10.0)
    frame = as_frame(pd.DataFrame({"x": pd.Series(x, copy=False)}, copy=False))
    frame.column("x")
    frame.column("x")
    x[4] = 40.0
    if frame.native["x"].iloc[4] != 40.0:
        pytest.skip("this pandas copies")
    with pytest.raises(DataError, match="column 'x' was changed in place after the fit had read it"):
        frame.column("x")
