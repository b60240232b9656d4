"""Bootstrap draws on data in blocks: sums of influence values times multipliers, whatever the blocks and who sums them."""

from __future__ import annotations

from typing import Any

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import NotIdentifiedError, OptionError
from statinf.inference.row_multipliers import multiplied_sums, row_multipliers
from statinf.inference.weights import LAWS

N, REPLICAS = 1_500, 70


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"x": rng.normal(size=N), "z": rng.normal(size=N) + 1e6, "firm": rng.integers(0, 60, N)})
    d["g"] = rng.choice(list("cab"), N)
    d["w"] = rng.integers(0, 3, N).astype(float)
    d["t"] = (rng.random(N) < 1 / (1 + np.exp(-d.x))).astype(float)
    d["label"] = d.firm.map("{}".format)
    d["town"] = pd.Categorical(d.firm.map("t{}".format), [f"t{k}" for k in rng.permutation(60)])
    d["y"] = d.x + d.t + (d.g == "b") + 0.2 * (d.z - 1e6) + rng.normal(size=N) * (1 + d.x**2)
    d.loc[rng.choice(N, 20), "x"] = np.nan
    return d


FITS: dict[str, Any] = {
    "lm": lambda d: si.lm("y ~ x + z + g", d, weights="w"),
    "glm": lambda d: si.glm("t ~ x + g", d, family="binomial"),
    "iv": lambda d: si.iv("y ~ t | g | x", d),
    "liml": lambda d: si.iv("y ~ t | g | x + z", d, method="liml"),
    "aipw": lambda d: si.effect("y ~ t | x + g", d),
    "regression": lambda d: si.effect("y ~ t | x + g", d, method="regression"),
    "weights": lambda d: si.lm("y ~ t", d, weights=si.balance("t ~ x + g", d, method="ipw", tol=1e-13)),
}


@pytest.mark.parametrize("name", list(FITS))
def test_draws_are_products_of_multipliers_and_influence(data: pd.DataFrame, name: str) -> None:
    here, there = FITS[name](data), FITS[name](si.blocks(data, rows=400))
    moments = here.moments()
    influence = np.zeros((N, len(here.theta)))
    influence[here.design.rows] = moments.influence
    if moments.outside is not None:
        influence[moments.outside_rows] = moments.outside_influence
    expected = here.theta + row_multipliers(0, N, REPLICAS, seed=5).T @ influence
    made = there.bootstrap(REPLICAS, seed=5)
    size = np.sqrt(np.diag(here.cov.matrix))
    np.testing.assert_allclose((made.draws.draws - expected) / size, 0.0, atol=1e-8)
    other = here.bootstrap(REPLICAS, seed=5)
    np.testing.assert_allclose(made.draws.acceleration, other.draws.acceleration, rtol=1e-6)
    assert made.cov.label == other.cov.label


def test_neither_blocks_nor_workers_matter(data: pd.DataFrame) -> None:
    one = FITS["lm"](si.blocks(data, rows=97)).bootstrap(REPLICAS, seed=1)
    pieces = [dask.delayed(lambda part: part)(p) for p in (data[:500], data[500:500], data[500:])]
    for other in (si.blocks(data, rows=1_000), dd.from_pandas(data, npartitions=3), si.blocks(pieces, rows=300)):
        two = FITS["lm"](other).bootstrap(REPLICAS, seed=1)
        np.testing.assert_allclose(two.draws.draws, one.draws.draws, rtol=1e-10)
    few = FITS["lm"](si.blocks(data, rows=700)).bootstrap(30, seed=1)
    np.testing.assert_allclose(few.draws.draws, one.draws.draws[:30], rtol=1e-10)


@pytest.mark.parametrize("cluster", ["firm", "label", "town"])
def test_clusters_draw_as_in_memory(data: pd.DataFrame, cluster: str) -> None:
    for name in ("lm", "aipw", "weights"):
        here, there = FITS[name](data), FITS[name](si.blocks(data, rows=211))
        a, b = (fit.bootstrap(REPLICAS, cluster=cluster, seed=2) for fit in (here, there))
        size = np.sqrt(np.diag(here.cov.matrix))
        np.testing.assert_allclose(b.draws.draws / size, a.draws.draws / size, atol=1e-8)
        assert a.cov.label == b.cov.label
    a, b = (si.lm("y ~ x + g", d, cluster=cluster).bootstrap(40, "wild") for d in (data, si.blocks(data, rows=211)))
    np.testing.assert_allclose(b.draws.draws, a.draws.draws, rtol=1e-9)


@pytest.mark.parametrize("kind", ["multiplier", "wild"])
def test_standard_errors_are_those_of_the_sandwich(data: pd.DataFrame, kind: str) -> None:
    fit = si.lm("y ~ x + z + g", si.blocks(data, rows=500), vcov="HC0" if kind == "multiplier" else "HC2")
    replicas = 2_000
    for law in LAWS:
        made = fit.bootstrap(replicas, kind, law=law, seed=3)
        # Draws are sums of many terms, near enough normal: their variance is off by a share of sqrt(2 / B), four of them at most.
        ratio = np.diag(made.cov.matrix) / np.diag(fit.cov.matrix)
        assert np.abs(ratio - 1.0).max() < 4.0 * np.sqrt(2.0 / replicas), law
    low, high = made.conf_int(interval="bca").to_numpy().T  # type: ignore[possibly-undefined]
    assert ((low < fit.theta) & (fit.theta < high)).all()


@pytest.mark.parametrize("law", LAWS)
def test_multipliers(law: str) -> None:
    v = row_multipliers(2**40, 2_000, 192, law=law, seed=1)
    m, kurtosis = v.size, {"mammen": 2.0, "rademacher": 1.0, "normal": 3.0, "exponential": 9.0, "webb": 7 / 6}[law]
    # Four standard errors of the mean, of the variance and of products of neighbours.
    assert abs(v.mean()) < 4 / np.sqrt(m)
    assert abs(v.var() - 1) < 4 * np.sqrt(max(kurtosis - 1, 1e-2) / m)
    assert abs((v[1:] * v[:-1]).mean()) < 4 / np.sqrt(m) and abs((v[:, 1:] * v[:, :-1]).mean()) < 4 / np.sqrt(m)
    assert abs((v[:, 64:] * v[:, :-64]).mean()) < 4 / np.sqrt(m)
    np.testing.assert_array_equal(row_multipliers(2**40 + 7, 20, 100, law=law, seed=1), v[7:27, :100])
    rows = np.random.default_rng(0).normal(size=(2_000, 3))
    np.testing.assert_allclose(multiplied_sums(rows, 2**40, 192, law=law, seed=1), v.T @ rows, rtol=1e-9, atol=1e-9)


def test_what_is_made_of_a_fit_is_drawn(data: pd.DataFrame) -> None:
    fit = si.lm("y ~ x + z", si.blocks(data, rows=500))
    drawn = fit.bootstrap(50, seed=1).draws.draws
    ratio = fit.transform("x / z")
    made = ratio.bootstrap(50, seed=1)
    slope = np.array([[0.0, 1.0 / fit.theta[2], -fit.theta[1] / fit.theta[2] ** 2]])
    np.testing.assert_allclose(made.draws.draws, ratio.theta + (drawn - fit.theta) @ slope.T, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"kind": "pairs"}, NotIdentifiedError, "multiplier"),
        ({"kind": "bayesian"}, NotIdentifiedError, "in blocks"),
        ({"law": "gauss"}, OptionError, "law"),
        ({"cluster": "nothing"}, si.DataError, "nothing"),
        ({"replicas": 1}, OptionError, "replicas"),
    ],
)
def test_refusals(data: pd.DataFrame, options: dict, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        si.lm("y ~ x", si.blocks(data, rows=500)).bootstrap(**options)
    with pytest.raises(NotIdentifiedError, match="linear regressions"):
        FITS["glm"](si.blocks(data, rows=500)).bootstrap(kind="wild")
