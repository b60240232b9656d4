"""Data-generating processes: reproducible, true to their formulas, and honest about their truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from statinf import datasets
from statinf.datasets.dgp import registry
from statinf.errors import DataError, OptionError

NAMES = datasets.list_simulations()["name"].tolist()
# Monte Carlo comparisons allow five standard errors; with the seeds fixed they are deterministic.
SES = 5.0


def within(draws: np.ndarray, truth: float) -> bool:
    return bool(abs(draws.mean() - truth) <= SES * draws.std(ddof=1) / np.sqrt(len(draws)))


def ols(y: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and heteroscedasticity-robust standard errors."""
    x = np.column_stack([np.ones(len(y)), *columns])
    bread = np.linalg.inv(x.T @ x)
    beta = bread @ x.T @ y
    score = x * (y - x @ beta)[:, None]
    return beta, np.sqrt(np.diag(bread @ score.T @ score @ bread))


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_numbers(name: str) -> None:
    first, again, other = (datasets.simulate(name, 120, seed=s) for s in (3, 3, 4))
    assert_frame_equal(first, again, check_exact=True)
    assert not first.equals(other)
    assert len(first) in {120, 240}
    assert not first.isna().any().any()


@pytest.mark.parametrize("name", NAMES)
def test_truth_survives_json_and_parquet(name: str, tmp_path: Path) -> None:
    frame = datasets.simulate(name, 60)
    assert json.loads(json.dumps(frame.attrs["truth"])) == frame.attrs["truth"]
    json.dumps(frame.attrs["simulation"])
    assert set(frame.attrs["truth"].get("row_truths", [])) <= set(frame.columns)
    pytest.importorskip("pyarrow")
    frame.to_parquet(tmp_path / "sample.parquet")
    assert pd.read_parquet(tmp_path / "sample.parquet").attrs["truth"] == frame.attrs["truth"]


def test_a_process_is_registered_by_a_decorator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REGISTRY", registry._registry().copy())
    monkeypatch.setattr(registry, "_registry", lambda: registry._REGISTRY)

    @registry.dgp("coin", reference="Bernoulli (1713)")
    def coin(n: int, rng: np.random.Generator, *, p: float = 0.5) -> registry.Draw:
        """Tosses of a coin."""
        return {"y": rng.random(n) < p}, {"p": p}

    assert datasets.simulate("coin", 10, p=1.0)["y"].all()
    row = datasets.list_simulations().set_index("name").loc["coin"]
    assert row["title"] == "Tosses of a coin." and row["constants"] == "p=0.5"
    coin.__module__ = "elsewhere"
    with pytest.raises(ValueError, match="'coin' is already defined"):
        registry.dgp("coin", reference="")(lambda n, rng: ({}, {}))


def test_bad_calls() -> None:
    with pytest.raises(DataError, match=r"'kang_shafer'.*Did you mean 'kang_schafer'"):
        datasets.simulate("kang_shafer", 10)
    with pytest.raises(DataError, match=r"'efect'.*Did you mean 'effect'.*takes effect=0.0, noise_sd=1.0"):
        datasets.simulate("kang_schafer", 10, efect=1.0)
    for bad in (0, -1, 2.5, "10", True, None):
        with pytest.raises(OptionError, match="n="):
            datasets.simulate("linear", bad)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="seed=-1"):
        datasets.simulate("linear", 10, seed=-1)


@pytest.mark.parametrize(
    ("name", "constant", "value"),
    [
        ("linear", "sd", 0.0),
        ("linear", "df", 2.0),
        ("linear", "beta", ()),
        ("linear", "beta", [1.0, np.nan]),
        ("linear", "intercept", "one"),
        ("poisson", "overdispersion", -0.1),
        ("clustered", "clusters", 41),
        ("clustered", "clusters", 1),
        ("clustered", "icc_error", 1.0),
        ("nie_wager", "setup", "E"),
        ("nie_wager", "p", 4),
        ("iv", "endogeneity", -1.0),
        ("iv", "instruments", 0),
        ("covariate_shift", "tilt", "abc"),
        ("covariate_shift", "n_target", 0),
    ],
)
def test_constants_outside_their_domain(name: str, constant: str, value: Any) -> None:
    with pytest.raises(OptionError, match=constant):
        datasets.simulate(name, 40, **{constant: value})


def test_linear() -> None:
    frame = datasets.simulate("linear", 20_000, seed=1, heteroscedastic=1.0, df=5)
    truth = frame.attrs["truth"]
    x = frame[["x1", "x2", "x3"]].to_numpy()
    beta, se = ols(frame["y"].to_numpy(), *x.T)
    assert (abs(beta - [truth["intercept"], *truth["beta"]]) <= SES * se).all()
    np.testing.assert_allclose(frame["error_sd"], np.exp(x[:, 0] / 2))
    scaled = (frame["y"] - truth["intercept"] - x @ truth["beta"]) / frame["error_sd"]
    assert within(scaled.to_numpy() ** 2, 1.0)
    assert datasets.simulate("linear", 50)["error_sd"].nunique() == 1


def test_logit_and_poisson_have_the_stated_mean_and_variance() -> None:
    logit = datasets.simulate("logit", 20_000, seed=2)
    truth = logit.attrs["truth"]
    eta = truth["intercept"] + logit[["x1", "x2"]].to_numpy() @ truth["beta"]
    np.testing.assert_allclose(logit["probability"], 1 / (1 + np.exp(-eta)))
    assert within((logit["y"] - logit["probability"]).to_numpy(), 0.0)
    for alpha in (0.0, 0.7):
        counts = datasets.simulate("poisson", 50_000, seed=3, overdispersion=alpha)
        mu = counts["mean"].to_numpy()
        assert within(counts["y"].to_numpy() - mu, 0.0)
        assert within((counts["y"].to_numpy() - mu) ** 2 - mu - alpha * mu**2, 0.0)


def test_clustered_slope_variance_is_inflated_by_the_moulton_factor() -> None:
    draws, classical = [], []
    moulton = datasets.simulate("clustered", 400, clusters=40).attrs["truth"]["moulton"]
    for seed in range(400):
        frame = datasets.simulate("clustered", 400, seed=seed, clusters=40)
        x, y = frame["x"].to_numpy(), frame["y"].to_numpy()
        slope, start = np.polyfit(x, y, 1)
        draws.append(slope)
        classical.append(np.mean((y - start - slope * x) ** 2) / (len(x) * x.var()))
    factor = np.var(draws, ddof=1) / np.mean(classical)
    # The variance of 400 normal draws has the relative standard error sqrt(2 / 399) = 0.071; the factor itself is
    # exact only as the number of clusters grows, with a relative error of the order 1 / 40.
    assert factor == pytest.approx(moulton, rel=3 * 0.071 + 1 / 40)
    sizes = datasets.simulate("clustered", 103, clusters=10)["cluster"].value_counts()
    assert len(sizes) == 10 and sizes.max() - sizes.min() <= 1


def test_kang_schafer_follows_the_formulas() -> None:
    frame = datasets.simulate("kang_schafer", 20_000, seed=5, effect=2.0)
    z1, z2, z3, z4 = (frame[f"z{j}"].to_numpy() for j in range(1, 5))
    np.testing.assert_allclose(frame["x1"], np.exp(z1 / 2))
    np.testing.assert_allclose(frame["x2"], z2 / (1 + np.exp(z1)) + 10)
    np.testing.assert_allclose(frame["x3"], (z1 * z3 / 25 + 0.6) ** 3)
    np.testing.assert_allclose(frame["x4"], (z2 + z4 + 20) ** 2)
    noise = frame["y"] - (210 + 27.4 * z1 + 13.7 * (z2 + z3 + z4) + 2.0 * frame["treat"])
    assert within(noise.to_numpy(), 0.0) and within(noise.to_numpy() ** 2, 1.0)
    chance = 1 / (1 + np.exp(z1 - 0.5 * z2 + 0.25 * z3 + 0.1 * z4))
    assert within(frame["treat"].to_numpy() - chance, 0.0)
    # The paper: with propensities centred at one half, the mean among respondents is 200 where the truth is 210.
    assert within(datasets.simulate("kang_schafer", 20_000, seed=5).query("treat == 1")["y"].to_numpy(), 200.0)


@pytest.mark.parametrize("setup", ["A", "B", "C", "D"])
def test_nie_wager(setup: str) -> None:
    frame = datasets.simulate("nie_wager", 20_000, seed=6, setup=setup, p=6)
    assert [c for c in frame if c.startswith("x")] == [f"x{j}" for j in range(1, 7)]
    treat, cate = frame["treat"].to_numpy(), frame["cate"].to_numpy()
    ate = frame.attrs["truth"]["ate"]
    assert np.all(cate == 1.0) if setup == "C" else within(cate, ate)
    assert within(treat - frame["propensity"].to_numpy(), 0.0)
    noise = frame["y"].to_numpy() - frame["baseline"].to_numpy() - (treat - 0.5) * cate
    assert within(noise, 0.0) and within(noise**2, 1.0)
    signs = np.where(treat == 1, 1 / frame["propensity"], -1 / (1 - frame["propensity"]))
    assert within((signs * frame["y"]).to_numpy(), ate)


def test_iv() -> None:
    frame = datasets.simulate("iv", 20_000, seed=7, instruments=3, endogeneity=-0.5, effect=0.7)
    truth = frame.attrs["truth"]
    y, treat, x = (frame[c].to_numpy() for c in ("y", "treat", "x1"))
    z = frame[["z1", "z2", "z3"]].to_numpy()
    first, first_se = ols(treat, x, *z.T)
    assert (abs(first[2:] - truth["first_stage"]) <= SES * first_se[2:]).all()
    direct, direct_se = ols(y, treat, x)
    assert abs(direct[1] - truth["ols_limit"]) <= SES * direct_se[1]
    assert all(within(z[:, j] * (y - truth["effect"] * treat - x), 0.0) for j in range(3))
    assert truth["concentration"] == 20_000 * 0.25


@pytest.mark.parametrize("name", ["covariate_shift", "shimodaira"])
def test_shift_ratio_and_best_lines(name: str) -> None:
    frame = datasets.simulate(name, 40_000, seed=8, n_target=30_000)
    truth = frame.attrs["truth"]
    assert frame["sample"].value_counts().to_dict() == {"source": 40_000, "target": 30_000}
    x = "x1" if name == "covariate_shift" else "x"
    others = [c for c in frame if c.startswith("x") and c != x]
    for side in ("source", "target"):
        part = frame[frame["sample"] == side]
        beta, se = ols(part["y"].to_numpy(), part[x].to_numpy(), *part[others].to_numpy().T)
        assert (abs(beta - [*truth[f"line_{side}"], *[0.0] * len(others)]) <= SES * se).all()
    source, target = (frame[frame["sample"] == side] for side in ("source", "target"))
    assert within(source["ratio"].to_numpy(), 1.0)
    gap = (source["ratio"] * source["y"]).to_numpy()
    spread = np.hypot(gap.std() / np.sqrt(len(gap)), target["y"].std() / np.sqrt(len(target)))
    assert abs(gap.mean() - target["y"].mean()) <= SES * spread


def test_heterogeneous_shift_has_the_stated_shifts_and_ratio() -> None:
    frame = datasets.simulate("heterogeneous_shift", 40_000, seed=3, x_shift=0.5, y_shift=0.3, correlation=-0.6)
    source, target = (frame[frame["sample"] == side] for side in ("source", "target"))
    for name, shift in (("x1", 0.5), ("x2", 0.5), ("y1", 0.3 / np.sqrt(2)), ("y4", 0.3 / np.sqrt(2))):
        assert within(source[name].to_numpy(), 0.0) and within(target[name].to_numpy(), shift)
        assert within((source["ratio"] * (source[name] - shift)).to_numpy(), 0.0)
    assert within((source["x1"] * source["y1"]).to_numpy(), -0.6)
    assert within(((source["z"] - source["mean"]) ** 2).to_numpy(), 0.09)


def test_gated_sine_has_the_stated_mean_and_no_linear_part_where_it_is_symmetric() -> None:
    frame = datasets.simulate("gated_sine", 20_000, seed=4)
    x1, x2 = frame["x1"], frame["x2"]
    np.testing.assert_allclose(frame["mean"], 0.5 + 0.4 * np.sin(2 * x1) * np.where(x2 > 0, 1.0, -0.5), rtol=1e-14)
    inner = (frame["mean"] > 0.25) & (frame["mean"] < 0.75)
    assert within(((frame["y"] - frame["mean"])[inner] ** 2).to_numpy(), frame.attrs["truth"]["noise_variance"])
    even = datasets.simulate("gated_sine", 20_000, seed=4, symmetric=True)
    beta, se = ols(even["y"].to_numpy(), even["x1"].to_numpy(), even["x2"].to_numpy())
    assert (np.abs(beta - [0.5, 0.0, 0.0]) <= SES * se).all()
    with pytest.raises(OptionError, match="symmetric"):
        datasets.simulate("gated_sine", 10, symmetric="yes")
