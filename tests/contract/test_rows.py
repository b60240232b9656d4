"""Rows in another order or another kind of frame, rows of weight zero, and rows that are missing."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import statinf as si
from contract.promises import promise, same
from contract.verbs import DATA, EXAMPLES, METHODS, NAMES, TARGET, N, call, fitted, numbers, reads, with_warnings
from statinf.results import Fit, Weights

pytestmark = [
    pytest.mark.filterwarnings("ignore::statinf.StatinfWarning"),
    pytest.mark.parametrize("method", METHODS, ids=NAMES),
]
ROUNDING = float(np.finfo(float).eps ** 0.5)
"""The same rows summed in another order: solvers that stop at a tolerance keep half of the digits."""
LABELS = [f"r{i}" for i in np.random.default_rng(1).permutation(N)]


def only(found: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    """The numbers of a result, those per row on some rows."""
    return {k: v[rows] if k.startswith("per row") else v for k, v in found.items()}


def converted(kind):
    return {
        "polars": (pl.from_pandas(DATA), pl.from_pandas(TARGET)),
        "pyarrow": (pa.Table.from_pandas(DATA), pa.Table.from_pandas(TARGET)),
        "labelled": (DATA.set_axis(LABELS, axis=0), TARGET),
    }[kind]


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "labelled"])
def test_every_kind_of_frame_gives_the_same_numbers_and_comes_back(method, kind):
    data, target = converted(kind)
    result = call(method, data, target)
    same(numbers(result, data), numbers(fitted(method)))
    expected = {"polars": pl.DataFrame, "pyarrow": pa.Table, "labelled": pd.DataFrame}[kind]
    tables = {"predict": lambda: result.predict(data), "augment": result.augment, "tidy": result.tidy}
    tables |= {"glance": result.glance} | ({"diagnostics": result.diagnostics} if isinstance(result, Weights) else {})
    for name, make in tables.items():
        try:
            table = make()
        except si.StatinfError:
            continue
        assert isinstance(table, expected), name
        if kind == "labelled" and name in ("predict", "augment"):
            assert list(table.index) == LABELS, name


def test_the_order_of_rows_does_not_matter(method):
    order = np.random.default_rng(0).permutation(N)
    mixed, back = DATA.iloc[order].reset_index(drop=True), np.argsort(order)
    with promise(method, "row order"):
        same(only(numbers(call(method, mixed), mixed), back), numbers(fitted(method)), ROUNDING)


def test_the_same_call_gives_the_same_numbers(method):
    same(numbers(call(method)), numbers(fitted(method)))


@pytest.mark.parametrize("kind", ["equal", "unequal"])
def test_a_row_of_weight_zero_is_absent(method, kind):
    random = np.random.default_rng(8)
    w = np.where(random.uniform(size=N) < 0.85, weights_of_rows(method, kind), 0.0)
    gone = w == 0.0
    strange = DATA.copy()
    strange.loc[gone, ["x", "z", "v", "x_next"]] = random.standard_normal((int(gone.sum()), 4)) * 50.0 + 300.0
    strange.loc[gone, "y"] = -4000.0
    kept = strange[~gone]
    with promise(method, "zero weights"):
        first, said = with_warnings(lambda: call(method, kept, weights=w[~gone]))
        found, again = with_warnings(lambda: call(method, strange, weights=w))
        assert again == said
        assert found.nobs == first.nobs == len(kept)
        assert getattr(found, "df_resid", 0) == getattr(first, "df_resid", 0)
        same(only(numbers(found, strange), ~gone), numbers(first, kept), ROUNDING)
        assert counts(found) == counts(first)
        if isinstance(found, Weights):
            assert not np.nan_to_num(found.full()[gone]).any()


def weights_of_rows(method, kind):
    """Weights of all rows; skips a method that takes none of this kind."""
    if not EXAMPLES[method.verb].row_weights:
        pytest.skip("no weights of rows")
    if kind == "equal":
        return np.ones(N)
    w = np.round(np.random.default_rng(4).uniform(0.5, 2.0, N), 2)
    try:
        call(method, weights=w)
    except si.OptionError as refused:
        pytest.skip(str(refused))
    return w


def counts(result):
    """What a summary counts above its table."""
    return {k: v for k, v in result.summary().facts if v.replace(",", "").isdigit()}


@pytest.mark.parametrize("kind", ["equal", "unequal"])
def test_weights_doubled_give_the_same_estimates(method, kind):
    w = weights_of_rows(method, kind)
    found, first = (numbers(call(method, weights=v)) for v in (2.0 * w, w))
    if "per row weight" in first:
        found, first = ({k: v / np.nanmean(v) for k, v in one.items()} for one in (found, first))
    errors = [k for k in first if "error" in k or "conf_" in k]
    with promise(method, "weights doubled"):
        same(without(found, errors), without(first, errors), ROUNDING)
    if "weights doubled" in method.traits:
        return
    with promise(method, "errors of doubled weights"):
        same({k: found[k] for k in errors}, {k: first[k] for k in errors}, ROUNDING)


def without(found, names):
    return {k: v for k, v in found.items() if k not in names}


def test_missing_rows_are_counted_by_cause(method):
    outcome, covariate = reads(method)
    holes = DATA.copy()
    holes.loc[[3, 7], covariate], holes.loc[11, outcome] = np.nan, np.nan
    kept = holes.drop(index=[3, 7, 11])
    result, said = with_warnings(lambda: call(method, holes))
    first, before = with_warnings(lambda: call(method, kept))
    assert result.nobs == first.nobs
    assert [s for s in said if "is missing" not in s] == before
    with promise(method, "causes of missing rows"):
        # Of a verb that reads one column, all three rows are its own.
        causes = Counter([f"{c} is missing" for c in (covariate, covariate, outcome)])
        assert dict(result.dropped) == causes
        notes = " ".join(result.summary().notes)
        assert all(f"{count} ({cause})" in notes for cause, count in causes.items())
    used = np.isin(np.arange(N), kept.index)
    same(only(numbers(result), used), only(numbers(first, kept), slice(None)), ROUNDING)
    with pytest.raises(si.DataError, match=r"na_action='raise'.*is missing"):
        call(method, holes, na_action="raise")


def test_a_fit_has_a_covariance_and_influence_per_row(method):
    result = fitted(method)
    if not isinstance(result, Fit):
        return
    q = int(result.estimable.sum())
    assert result.cov.matrix.shape == (q, q) and result.cov.label
    try:
        influence = result.influence
    except si.StatinfError:
        return
    assert influence.shape == (N, q) and np.isfinite(influence).all()
