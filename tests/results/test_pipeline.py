"""Bootstraps of whole analyses: against refits by weights, analytic errors, other kinds of frames, and what fails in some draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import statinf as si
from statinf.inference.weights import draw


def sample(n: int = 120, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x = random.standard_normal(n)
    t = (x + random.logistic(size=n) > 0) * 1.0
    group = np.arange(n) // 4
    y = 1 + t + x + random.standard_normal(n // 4)[group] + random.standard_normal(n)
    return pd.DataFrame({"y": y, "t": t, "x": x, "group": group, "name": [f"g{g}" for g in group]})


DATA = sample()


def line(rows, w=None):
    return si.lm("y ~ t + x", rows, weights=w)


def test_weighted_draws_are_those_of_the_fits_own_bootstrap() -> None:
    own = line(DATA).bootstrap(64, "bayesian", seed=3)
    ours = si.bootstrap(line, DATA, replicas=64, kind="bayesian", weighted=True, seed=3)
    np.testing.assert_allclose(ours.draws.draws, own.draws.draws, rtol=1e-9)
    np.testing.assert_allclose(ours.conf_int(0.9), own.conf_int(0.9), rtol=1e-9)


def test_redrawn_rows_are_their_counts_as_weights() -> None:
    rows = si.bootstrap(line, DATA, replicas=40, seed=5)
    counts = si.bootstrap(line, DATA, replicas=40, seed=5, weighted=True)
    np.testing.assert_allclose(rows.draws.draws, counts.draws.draws, rtol=1e-9)


def test_drawn_clusters_are_whole_and_their_copies_apart() -> None:
    seen = []

    def look(rows):
        seen.append(rows)
        return rows["y"].mean()

    for column in ("group", "name"):
        seen.clear()
        fit = si.bootstrap(look, DATA, replicas=20, cluster=column, seed=1)
        counts = draw("pairs", 30, 0, 20, 1)
        for rows, times in zip(seen[1:], counts, strict=True):
            assert len(rows) == 120
            assert rows.groupby(column).size().eq(4).all()
            assert rows[column].nunique() == 30
            # Copies hold the rows of their cluster.
            assert rows.groupby(column)["y"].sum().round(9).nunique() == (times > 0).sum()
        assert "30 clusters" in fit.cov.label
    assert seen[1]["name"].str.endswith("(2)").any()


def test_clustered_errors_are_near_the_sandwich() -> None:
    data = sample(400, 2)
    ours = si.bootstrap(line, data, replicas=120, cluster="group", weighted=True, kind="bayesian").std_errors
    # 120 draws know an error to 6.5 percent; three of them.
    assert (np.abs(ours / si.lm("y ~ t + x", data, cluster="group").std_errors - 1) < 0.2).all()


def test_strata_keep_their_sizes() -> None:
    sizes = []

    def treated(rows):
        sizes.append(rows["t"].sum())
        return rows["y"].mean()

    si.bootstrap(treated, DATA, replicas=25, strata="t")
    assert set(sizes) == {DATA["t"].sum()}


def test_balance_and_model_are_made_anew() -> None:
    """The stacked errors of balance and model, by a bootstrap that knows nothing of them."""

    def effect(rows, w):
        balanced = si.balance("t ~ x", rows, method="entropy", weights=w)
        return si.lm("y ~ t", rows, weights=balanced).params[["t"]]

    data = sample(200, 1)
    fit = si.bootstrap(effect, data, replicas=100, kind="bayesian", weighted=True)
    stacked = si.lm("y ~ t", data, weights=si.balance("t ~ x", data, method="entropy"))
    fixed = stacked.with_vcov("fixed").std_errors["t"]
    assert fit.params["t"] == pytest.approx(stacked.params["t"], rel=1e-12)
    assert abs(fit.std_errors["t"] - stacked.std_errors["t"]) < 0.5 * abs(fixed - stacked.std_errors["t"])


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas, lambda d: d.to_dict("list")])
def test_other_frames_give_the_same_numbers(convert) -> None:
    plain = si.bootstrap(line, DATA, replicas=20, cluster="name", seed=2)
    other = si.bootstrap(line, convert(DATA), replicas=20, cluster="name", seed=2)
    np.testing.assert_allclose(other.draws.draws, plain.draws.draws, rtol=1e-9)


@pytest.mark.parametrize(
    ("returned", "names"),
    [
        (lambda r: r["y"].mean(), ("estimate",)),
        (lambda r: [r["y"].mean(), r["x"].mean()], ("value1", "value2")),
        (lambda r: {"mean": r["y"].mean()}, ("mean",)),
        (lambda r: r[["y", "x"]].mean(), ("y", "x")),
    ],
    ids=["number", "list", "mapping", "series"],
)
def test_functions_return_what_is_at_hand(returned, names) -> None:
    fit = si.bootstrap(returned, DATA, replicas=40)
    assert fit.terms == names
    assert fit.test(f"{names[0]} = 0" if names[0] != "estimate" else "estimate = 0").p_value < 1
    assert list(fit.tidy()["term"]) == list(names)


def test_a_fit_is_saved_and_read(tmp_path) -> None:
    fit = si.bootstrap(line, DATA, replicas=20)
    again = si.load(fit.save(tmp_path / "fit.si"))
    assert again.conf_int(0.9).equals(fit.conf_int(0.9))


def test_some_failures_are_counted_and_many_are_an_error() -> None:
    def rare(share):
        def function(rows):
            if np.random.default_rng(int(rows["y"].sum() * 1e6) % 2**32).random() < share:
                raise si.DataError("no luck.")
            return rows["y"].mean()

        return function

    data = DATA.assign(y=DATA["y"].abs())
    some = si.bootstrap(rare(0.03), data, replicas=200)
    assert 0 < some.draws.failed < 20
    assert len(some.draws.draws) == 200 - some.draws.failed
    with pytest.raises(si.ConvergenceError, match="no luck"):
        si.bootstrap(rare(0.5), data, replicas=50)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ({"function": 3}, si.OptionError, "function"),
        ({"kind": "bayesian"}, si.OptionError, "weighted=True"),
        ({"kind": "wild"}, si.OptionError, "wild"),
        ({"replicas": 1}, si.OptionError, "replicas"),
        ({"cluster": "nowhere"}, si.DataError, "nowhere"),
        ({"cluster": "group", "strata": "t"}, si.DataError, "varies within"),
        (
            {"data": DATA.assign(group=np.where(DATA.index < 3, np.nan, 1.0)), "cluster": "group"},
            si.DataError,
            "missing",
        ),
        ({"function": lambda r: "text"}, si.OptionError, "returned a str"),
        ({"function": lambda r: np.ones((2, 2))}, si.OptionError, "shape"),
        ({"function": lambda r: np.nan}, si.DataError, "no finite value"),
    ],
    ids=["function", "bayesian", "kind", "replicas", "cluster", "strata", "missing", "text", "matrix", "nan"],
)
def test_what_cannot_be_done_is_said(call, error, words) -> None:
    with pytest.raises(error, match=words):
        si.bootstrap(**({"function": line, "data": DATA, "replicas": 20} | call))


def test_intervals_that_need_more_than_draws_are_refused() -> None:
    fit = si.bootstrap(line, DATA, replicas=20)
    with pytest.raises(si.NotIdentifiedError, match="bca"):
        fit.conf_int(0.5, interval="bca")
    with pytest.raises(si.NotIdentifiedError, match="draws alone"):
        fit.with_vcov("HC1")
