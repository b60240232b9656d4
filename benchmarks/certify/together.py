"""Studies of tests of nested and joint fits, tail risks of a sample, pipelines that are bootstrapped whole, and records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.certify.study import Shown, Study, inside

SIZES = (50, 200, 1000)
TAIL = 0.9


def nested(n: int, seed: int) -> Iterator[Any]:
    """Two covariates without effect: tests at 5% keep the smaller model."""
    rng = np.random.default_rng([121, n, seed])
    data = pd.DataFrame(rng.standard_normal((n, 3)), columns=["x", "z", "u"])
    data["y"] = data["x"] + rng.standard_normal(n)
    data["b"] = (data["x"] / 2 + rng.logistic(size=n) > 0) * 1.0
    for kind in ("iid", "HC1", "HC3"):
        test = si.anova(*(si.lm(f"y ~ {right}", data, vcov=kind) for right in ("x", "x + z + u")))
        yield Shown(test, f"test of two slopes of a line, {kind}", _kept(test))

    def binary() -> Shown:
        test = si.anova(*(si.glm(f"b ~ {right}", data, family="binomial") for right in ("x", "x + z + u")))
        return Shown(test, "test of two slopes of a logit, likelihood ratio", _kept(test))

    yield binary


def _kept(test: Any) -> bool:
    return bool(test.tidy()["p_value"].iloc[-1] > 0.05)


def joined(n: int, seed: int) -> Iterator[Any]:
    """Slopes of a covariate with and without another that goes with neither it nor the outcome, and on two outcomes."""
    rng = np.random.default_rng([122, n, seed])
    x, z, e, more = rng.standard_normal((4, n))
    data = pd.DataFrame({"x": x, "z": z, "y": x + np.exp(x / 2) * e, "v": x + 0.6 * e + 0.8 * more})
    both = si.joint(si.lm("y ~ x", data), si.lm("v ~ x", data))
    kept = both.test("`1: x` = `2: x`").p_value > 0.05
    yield Shown(both, "test of equal slopes of two outcomes", bool(kept))
    table = both.conf_int().loc[["1: x", "2: x"]]
    low, high = table.to_numpy().T
    yield Shown(both, "slopes of two outcomes", float(np.mean((low <= 1.0) & (high >= 1.0))))


def sampled(n: int, seed: int) -> Iterator[Any]:
    """VaR and CVaR of normal and of lognormal losses."""
    from scipy.special import ndtri

    z = np.random.default_rng([123, n, seed]).standard_normal(n)
    q = float(ndtri(TAIL))
    density = float(np.exp(-(q**2) / 2) / np.sqrt(2 * np.pi))
    laws: Mapping[str, tuple[np.ndarray, tuple[float, float]]] = {
        "normal": (z, (q, density / (1 - TAIL))),
        "lognormal": (np.exp(z), (float(np.exp(q)), float(np.exp(0.5) * _above(q - 1.0) / (1 - TAIL)))),
    }
    for law, (losses, truth) in laws.items():
        risk = si.cvar_of(losses, level=TAIL)
        for name, true in zip(("VaR", "CVaR"), truth, strict=True):
            yield Shown(("TailRisk", "cvar_of", "its own"), f"{name} of {law} losses", _holds(risk, name, true))


def _holds(risk: Any, name: str, true: float) -> bool:
    table = risk.tidy().set_index("term")
    return bool(inside(table.loc[[name]], true)[0])


def _above(z: float) -> float:
    """Upper tail of the standard normal law."""
    from scipy.special import ndtr

    return float(ndtr(-z))


def _ratio(data: pd.DataFrame) -> dict[str, float]:
    """A mean of treated over one of controls, and a median."""
    y, t = data["y"].to_numpy(), data["t"].to_numpy()
    return {"ratio": float(y[t == 1].mean() / y[t == 0].mean()), "median": float(np.median(y[t == 0]))}


def pipelines(n: int, seed: int) -> Iterator[Any]:
    """A ratio of means and a median; by rows, and by clusters of five rows that share half of their outcome's variance."""
    rng = np.random.default_rng([124, n, seed])
    codes, t = np.arange(n) // 5, np.arange(n) % 2 * 1.0
    truth = {"ratio": 1.5, "median": 2.0}
    for shared in (False, True):
        e = np.sqrt(0.5) * (rng.standard_normal(n)[codes if shared else slice(None)] + rng.standard_normal(n))
        data = pd.DataFrame({"y": 2.0 + t + e, "t": t, "g": codes})
        cluster = "g" if shared else None
        fit = si.bootstrap(_ratio, data, replicas=199, cluster=cluster, seed=seed, progress=False)
        low, high = (fit.conf_int()[c] for c in fit.conf_int().columns)
        said = ", clusters of five rows" if shared else ""
        for name, true in truth.items():
            held = bool(low[name] <= true <= high[name])
            yield Shown(fit, f"{name}, percentile{said}", held)


def recorded(n: int, seed: int) -> Iterator[Any]:
    """New records none of which is wrong: at 5% few are called so."""
    rng = np.random.default_rng([125, n, seed])
    x = rng.standard_normal(n + 100)
    rows = pd.DataFrame({"x": x, "y": x + np.exp(x / 2) * rng.standard_normal(n + 100)})
    found = si.veracity("y ~ x", rows[:n], seed=seed, progress=False)
    p = found.test(rows[n:])["p_value"].to_numpy(float)
    yield Shown(found, "test that a new record is right", float(np.mean(p > 0.05)))


STUDIES = (
    Study("anova", "anova", "two covariates without effect; tests at 5%", SIZES, nested),
    Study("joint", "joint", "two outcomes that share errors, of which one has errors that grow with x", SIZES, joined),
    Study("cvar_of", "cvar_of", "losses of normal and of lognormal law; the worst tenth", (100, 400, 2000), sampled),
    Study("pipelines", "bootstrap", "two arms of normal outcomes", SIZES[:2], pipelines),
    Study("veracity", "veracity", "a line, errors that grow with x, a hundred new records a sample", (100, 400), recorded),
)  # fmt: skip
