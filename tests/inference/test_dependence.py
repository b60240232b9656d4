"""HAC, Driscoll-Kraay and Conley covariances: sums over all pairs of rows, and what fits do with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.inference.serial import lag_weights, long_run
from statinf.inference.space import EARTH

HAC = {"hac": 3, "time": "t", "unit": "id"}
DK = {"driscoll-kraay": 2, "time": "t", "kernel": "parzen"}
CONLEY = {"conley": 300, "latitude": "lat", "longitude": "lon", "kernel": "bartlett"}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n = 160
    frame = pd.DataFrame({"id": np.repeat(np.arange(20), 8), "t": np.tile(np.arange(8), 20) + 2000})
    place = rng.uniform([-60, -180], [70, 180], (20, 2))
    place[:10] = np.array([45.0, 179.9]) + rng.uniform(-3, 3, (10, 2))  # across the date line
    frame["lat"], frame["lon"] = place[frame["id"]].T
    frame["x"] = rng.normal(size=n) + rng.normal(size=20)[frame["id"]]
    frame["z"], frame["w"], frame["arm"] = rng.normal(size=n), rng.uniform(0.5, 2, n), rng.integers(0, 2, n)
    frame["y"] = (
        frame["x"] + rng.normal(size=20)[frame["id"]] + rng.normal(size=8)[frame["t"] - 2000] + rng.normal(size=n)
    )
    return frame.drop(index=[3, 30, 77]).reset_index(drop=True)


def kilometres(frame: pd.DataFrame) -> np.ndarray:
    """Great circles by the haversine."""
    phi, lam = np.radians(frame["lat"].to_numpy()), np.radians(frame["lon"].to_numpy())
    a = (
        np.sin((phi[:, None] - phi) / 2) ** 2
        + np.cos(phi[:, None]) * np.cos(phi) * np.sin((lam[:, None] - lam) / 2) ** 2
    )
    return 2 * EARTH * np.arcsin(np.minimum(np.sqrt(a), 1.0))


def pairs(frame: pd.DataFrame, kind: dict) -> np.ndarray:
    """The weight of each pair of rows."""
    apart = np.abs(np.subtract.outer(frame["t"].to_numpy(), frame["t"].to_numpy())).astype(float)
    same = np.equal.outer(frame["id"].to_numpy(), frame["id"].to_numpy())
    if "hac" in kind:
        return same * np.maximum(1 - apart / 4, 0)
    if "driscoll-kraay" in kind:
        x = apart / 3
        return np.where(x < 0.5, 1 - 6 * x**2 + 6 * x**3, 2 * np.maximum(1 - x, 0) ** 3)
    near = kilometres(frame) / kind["conley"]
    weights = np.maximum(1 - near, 0) if kind.get("kernel") == "bartlett" else (near <= 1).astype(float)
    if "time" in kind:
        weights = weights * (apart == 0)
    if "lags" in kind:
        weights = weights + same * (apart > 0) * np.maximum(1 - apart / (kind["lags"] + 1), 0)
    return weights


SPACES = [
    CONLEY,
    {**CONLEY, "kernel": "uniform"},
    {**CONLEY, "time": "t"},
    {**CONLEY, "time": "t", "unit": "id", "lags": 2},
    {**CONLEY, "conley": 15000, "kernel": "uniform"},
    {**CONLEY, "conley": 30000, "kernel": "uniform", "time": "t"},
]


@pytest.mark.parametrize("kind", [HAC, DK, *SPACES], ids=str)
def test_sums_over_all_pairs_of_rows(data, kind):
    fit = si.lm("y ~ x + z", data, weights="w", vcov={**kind, "adjust": False})
    influence = fit.influence
    expected = influence.T @ pairs(data, kind) @ influence
    if np.linalg.eigvalsh(expected)[0] > 0:
        np.testing.assert_allclose(fit.cov.matrix, expected, rtol=1e-9, atol=1e-14)
    else:
        assert "made positive semi-definite" in fit.cov.label
        assert np.linalg.eigvalsh(fit.cov.matrix)[0] > -1e-12
    n, k, times = len(data), 3, 8
    factor = n / (n - k) if "conley" in kind else (n - 1) / (n - k) * times / (times - 1)
    np.testing.assert_allclose(fit.with_vcov(kind).cov.matrix, factor * fit.cov.matrix, rtol=1e-10)


@pytest.mark.parametrize("kind", [HAC, DK, CONLEY], ids=["hac", "dk", "conley"])
def test_rows_may_come_in_any_order_and_frame_and_where_columns_stand_does_not_matter(data, kind):
    pl = pytest.importorskip("polars")
    known = si.lm("y ~ x + z", data, vcov=kind)
    shuffled = data.sample(frac=1, random_state=1)
    far = data.assign(x=data["x"] + 1e7)
    for other in (shuffled, pl.from_pandas(data), far):
        found = si.lm("y ~ x + z", other, vcov=kind)
        np.testing.assert_allclose(found.std_errors[["x", "z"]], known.std_errors[["x", "z"]], rtol=1e-7)
    assert known.with_vcov("HC1").with_vcov(kind).cov.label == known.cov.label
    assert known.cov.label in str(known.summary())


@pytest.mark.parametrize("kind", [HAC, DK, CONLEY], ids=["hac", "dk", "conley"])
def test_rows_of_weight_zero_are_absent_and_incomplete_ones_are_named(data, kind):
    inside = data["t"] != 2004
    zero = si.lm("y ~ x", data.assign(w=data["w"] * inside), weights="w")
    short = si.lm("y ~ x", data[inside], weights="w")
    if "time" in kind:
        with pytest.warns(si.StatinfWarning, match="not evenly spaced .2003 is followed by 2005"):
            zero = zero.with_vcov(kind)
        with pytest.warns(si.StatinfWarning, match="not evenly spaced"):
            short = short.with_vcov(kind)
    else:
        zero, short = zero.with_vcov(kind), short.with_vcov(kind)
    np.testing.assert_allclose(zero.cov.matrix, short.cov.matrix, rtol=1e-10)
    name = "t" if "time" in kind else "lon"
    gaps = data.assign(**{name: data[name].astype(float).where(data.index != 5)})
    fit = si.lm("y ~ x", gaps, vcov=kind)
    assert fit.dropped == {f"{name} is missing": 1}
    with pytest.raises(si.DataError, match=f"column '{name}' of the covariance is missing in 1 rows"):
        si.lm("y ~ x", gaps).with_vcov(kind)
    with pytest.raises(si.DataError, match="needs the rows of the fit"):
        fit.lean().with_vcov(kind)
    with pytest.raises(si.NotIdentifiedError, match="the bootstrap draws rows"):
        fit.bootstrap(39)
    assert len(fit.bootstrap(39, cluster="id").draws.draws) == 39


FITS = {
    "glm": lambda d, v: si.glm("arm ~ x + z", d, family="binomial", vcov=v),
    "iv": lambda d, v: si.iv("y ~ x | 1 | z", d, vcov=v),
    "gmm": lambda d, v: si.iv("y ~ x | 1 | z + w", d, method="gmm", vcov=v),
    "effect": lambda d, v: si.effect("y ~ arm | x", d, method="aipw", vcov=v, folds=2),
    "regression": lambda d, v: si.effect("y ~ arm | x", d, method="regression", vcov=v),
    "expectile": lambda d, v: si.expectile("y ~ x", d, tau=0.3, vcov=v),
}


@pytest.mark.parametrize("name", FITS)
def test_every_fit_whose_scores_are_those_of_rows_has_them(data, name):
    for kind in (HAC, DK, CONLEY):
        fit = FITS[name](data, kind)
        influence = fit.influence
        expected = influence.T @ pairs(data, kind) @ influence
        ratio = fit.std_errors.to_numpy() / np.sqrt(np.diag(expected))
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-7)
        assert 0.99 < ratio[0] < 1.2  # the small-sample factor
    both = fit.transform(lambda b: {"twice": 2 * next(iter(b.values()))}).with_vcov(HAC)
    assert both.std_errors["twice"] == pytest.approx(2 * fit.with_vcov(HAC).std_errors.iloc[0], rel=1e-9)


def test_estimated_weights_enter_through_influence_values(data):
    weights = si.balance("arm ~ x + z", data, method="ipw")
    fit = si.lm("y ~ arm", data, weights=weights, vcov=DK)
    influence = fit.influence
    np.testing.assert_allclose(fit.cov.matrix, influence.T @ pairs(data, DK) @ influence, rtol=1e-9, atol=1e-14)
    assert fit.cov.label.endswith("no small-sample factor, weights estimated")
    with pytest.raises(si.NotIdentifiedError, match="known weights only"):
        fit.with_vcov({"cluster": "id", "type": "CR2"})


def test_hansens_test_of_dependent_rows_is_refused(data):
    fit = si.iv("y ~ x | 1 | z + w", data, method="gmm", vcov=HAC)
    assert "hansen_p" not in fit.diagnostics
    with pytest.raises(si.NotIdentifiedError, match="Hansen's test"):
        fit.overid()


def test_many_lags_are_one_transform_and_products_are_the_same():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(300, 2))
    weights = lag_weights("quadratic-spectral", 9.0, 300)
    assert len(weights) > 200
    apart = np.abs(np.subtract.outer(np.arange(300), np.arange(300)))
    expected = scores.T @ np.append(weights, np.zeros(300))[apart] @ scores
    np.testing.assert_allclose(long_run(scores, weights), expected, rtol=1e-11)
    assert np.linalg.eigvalsh(long_run(scores, lag_weights("parzen", 200.0, 300)))[0] > 0


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"hac": 2}, "needs 'time'"),
        ({"hac": -1, "time": "t"}, "whole number of lags"),
        ({"hac": 2, "time": 5}, "name of a column"),
        ({"hac": 2, "time": "t", "kernel": "flat"}, "kernel='flat'.*'bartlett', 'parzen'"),
        ({"hac": 2, "time": "t", "prewhite": 0.5}, "order of the autoregression"),
        ({"hac": "andrews", "time": "t", "unit": "id"}, "for one series"),
        ({"hac": 2, "time": "t", "adjust": 2}, "True or False"),
        ({"driscoll-kraay": 2, "time": "t", "unit": "id"}, "'unit' does not go with 'driscoll-kraay'"),
        ({"conley": 0, "latitude": "lat", "longitude": "lon"}, "kilometres"),
        ({"conley": 9, "latitude": "lat"}, "needs 'longitude'"),
        ({**CONLEY, "lags": 2}, "all of 'time', 'unit' and 'lags'"),
        ("newey-west", "write vcov={'hac': lags, 'time': 'column'}"),
        ({"cluster": ["id", "t"], "type": "CR2"}, "one cluster column, not for 'id', 't'"),
        ({"cluster": "id", "df": "bell"}, "'satterthwaite' or 'imbens-kolesar' or 'clusters'"),
    ],
)
def test_spellings_that_cannot_be_are_refused(data, kind, message):
    with pytest.raises(si.OptionError, match=message):
        si.lm("y ~ x", data, vcov=kind)


def test_data_that_cannot_be_are_refused(data):
    for kind, frame, message in (
        ({"hac": 2, "time": "t"}, data, "same value in several rows"),
        ({"hac": 2, "time": "t", "unit": "arm"}, data, "several rows of one time"),
        ({"driscoll-kraay": 2, "time": "one"}, data.assign(one=1), "has one value"),
        (CONLEY, data.assign(lat=data["lat"] + 90), "'lat' hold values beyond 90"),
        (CONLEY, data.assign(lon="east"), "'lon' hold categories"),
        (DK, data.drop(columns="t"), "column 't' is not in the data"),
    ):
        with pytest.raises(si.DataError, match=message):
            si.lm("y ~ x", frame, vcov=kind)
    with pytest.raises(si.OptionError, match="does not exist here"):
        si.rq("y ~ x", data, vcov=DK)
    with pytest.raises(si.NotIdentifiedError, match="too few for prewhitening"):
        si.lm("y ~ x + z", data.groupby("t").head(1), vcov={"hac": 1, "time": "t", "prewhite": 2})


def test_frequency_weights_are_repeated_rows(data):
    counted = data.assign(k=1 + data["id"] % 3)
    repeated = counted.loc[counted.index.repeat(counted["k"])].reset_index(drop=True)
    fit = si.lm("y ~ x + z", counted, weights="k", weights_kind="frequency")
    for kind in (DK, CONLEY):
        found = fit.with_vcov(kind)
        np.testing.assert_allclose(found.cov.matrix, si.lm("y ~ x + z", repeated, vcov=kind).cov.matrix, rtol=1e-9)
    with pytest.raises(si.NotIdentifiedError, match="no place of its own in a series"):
        fit.with_vcov(HAC)
