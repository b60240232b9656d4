"""Studies of `si.iv` (late, quantiles, weak and invalid instruments) and `si.proximal`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.certify.study import Shown, Study, limits
from benchmarks.invalid_coverage import FORMULA as INVALID
from benchmarks.invalid_coverage import draw as invalid_rows
from benchmarks.proximal_coverage import FORMULA as PROXIES
from benchmarks.proximal_coverage import draw as proxy_rows

SIZES = (100, 200, 1000)


def weak(strength: float, n: int, seed: int) -> Iterator[Any]:
    """Two instruments of a coefficient between nothing and little, and a hidden confounder."""
    rng = np.random.default_rng([41, n, seed])
    z1, z2, hidden = rng.standard_normal((3, n))
    treat = strength * (z1 + z2) + hidden + rng.standard_normal(n)
    y = treat + hidden + rng.standard_normal(n)
    data = pd.DataFrame({"y": y, "treat": treat, "z1": z1, "z2": z2})
    for method in ("2sls", "liml"):
        fit = si.iv("y ~ treat | 1 | z1 + z2", data, method=method)
        yield limits(fit, "treat", 1.0, "effect")
    fit = si.iv("y ~ treat | 1 | z1 + z2", data)
    for kind in ("iid", "HC1"):
        kept = any(low <= 1 <= high for low, high in fit.anderson_rubin(vcov=kind).pieces)
        yield Shown(fit, f"effect, Anderson-Rubin set ({kind})", kept)


def tests(n: int, seed: int) -> Iterator[Any]:
    """Right instruments of an exogenous treatment: tests of overidentification and of exogeneity keep what is true."""
    rng = np.random.default_rng([42, n, seed])
    z1, z2, z3 = rng.standard_normal((3, n))
    treat = 0.5 * (z1 + z2 + z3) + rng.standard_normal(n)
    data = pd.DataFrame({"y": treat + rng.standard_normal(n), "treat": treat, "z1": z1, "z2": z2, "z3": z3})
    fit = si.iv("y ~ treat | 1 | z1 + z2 + z3", data)
    for name in ("hansen", "sargan", "basmann"):
        yield Shown(fit, f"test of valid instruments, {name}", fit.overid(name).p_value > 0.05)
    for kind in ("iid", "HC1"):
        yield Shown(fit, f"test of exogeneity ({kind})", fit.wu_hausman(kind).p_value > 0.05)


def clustered(n: int, seed: int) -> Iterator[Any]:
    """Clusters of five rows that share instrument and a part of the error."""
    rng = np.random.default_rng([43, n, seed])
    codes = np.arange(n) // 5
    z, shared, hidden = rng.standard_normal((3, n))
    z, shared = z[codes], shared[codes]
    treat = z + hidden + rng.standard_normal(n)
    data = pd.DataFrame({"y": treat + hidden + shared + rng.standard_normal(n), "treat": treat, "z": z, "g": codes})
    fit = si.iv("y ~ treat | 1 | z", data, cluster="g")
    for kind in ("HC1", "HC2", "HC3"):
        yield lambda kind=kind: limits(
            fit.with_vcov({"cluster": "g", "type": kind}), "treat", 1.0, "effect", clusters=n // 5
        )


def compliers(n: int, seed: int) -> Iterator[Any]:
    """A binary offer that six of ten take up; their effect is 1."""
    rng = np.random.default_rng([44, n, seed])
    x, u = rng.standard_normal((2, n))
    offer = (rng.random(n) < 1 / (1 + np.exp(-0.5 * x))) * 1.0
    kind = rng.random(n)
    treat = np.where(kind < 0.2, 0.0, np.where(kind < 0.4, 1.0, offer))
    y = treat * np.where(kind < 0.4, 2.0, 1.0) + x + (kind < 0.2) * 0.5 + u
    data = pd.DataFrame({"y": y, "treat": treat, "x": x, "offer": offer})
    yield limits(si.iv("y ~ treat | x | offer", data, method="late", seed=seed), 0, 1.0, "effect on compliers")


def quantile_rows(rng: Any, n: int, kind: str, tau: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """A treatment that rises with the outcome's rank u, of effect 1 + u; or a weak instrument and effect 1."""
    from scipy.special import ndtr

    x, e, z = rng.standard_normal((3, n))
    if kind == "strong":
        d = np.exp(0.4 * z + 0.3 * e + 0.3 * rng.standard_normal(n))
        return pd.DataFrame({"y": d * (1 + ndtr(e)) + x + e, "d": d, "x": x, "z": z}), 1 + tau
    d = 0.1 * z + 0.5 * x + 0.7 * e + 0.6 * rng.standard_normal(n)
    return pd.DataFrame({"y": d + x + e, "d": d, "x": x, "z": z}), np.ones(len(tau))


def quantiles(kind: str, n: int, seed: int) -> Iterator[Any]:
    from scipy.special import chdtri

    tau = np.array([0.25, 0.5, 0.75])
    data, truth = quantile_rows(np.random.default_rng([45, n, seed]), n, kind, tau)
    fit = si.iv("y ~ d | x | z", data, method="ivqr", tau=tau)
    places = [fit.terms.index(f"q{t:g}: d") for t in tau]
    for v in ("HC0", "iid"):
        found = fit.with_vcov(v)
        yield limits(found, places, truth, "effect at a quantile")
    kept = []
    for k, value in enumerate(truth):
        test, unit = fit._test(k, None)
        kept.append(test.statistics(np.array([value / unit]))[0][0] <= chdtri(1, 0.05))
    yield Shown(fit, "effect at a quantile, region()", float(np.mean(kept)))


def doubtful(n: int, seed: int) -> Iterator[Any]:
    """An instrument with a direct effect; the nuisances are right."""
    data = invalid_rows(n, seed, "")
    for name in ("mr", "genius"):
        fit = si.iv(INVALID, data, method="invalid", estimator=name)
        # The second averages effects by other weights: its own effect is .96.
        yield limits(fit, 0, 1.0, f"effect, {name}")
    yield Shown(fit, "effect, robust_set()", 1.0 in fit.robust_set())
    found = fit.plausible((0.5, 0.9))
    yield Shown(fit, "effect, plausible() within bounds that hold", found.conf_low <= 1 <= found.conf_high)


def proxies(n: int, seed: int) -> Iterator[Any]:
    """Both bridges have the right form; the average effect is 1.5."""
    data = proxy_rows(n, seed, "")

    def averages(fit: Any, row: Any) -> Shown:
        half = 1.96 * row["std_error"]
        return Shown(fit, f"average effect, ate() of {row['term']}", abs(row["estimate"] - 1.5) <= half)

    p2sls = si.proximal(PROXIES, data, effect="~ x1 + p")
    yield averages(p2sls, p2sls.ate().iloc[0])
    fit = si.proximal(PROXIES, data, method="p-learner", effect="~ x1 + p")
    for _, row in fit.ate().iterrows():
        yield averages(fit, row)
    yield limits(fit, slice(0, 3), np.array([1.0, 1.0, 2.0]), "coefficients of the effect")


STUDIES = (
    Study("iv_weak", "iv", "two instruments of coefficient .05 and a hidden confounder", SIZES, partial(weak, 0.05)),
    Study("iv_strong", "iv", "two instruments of coefficient .5 and a hidden confounder; sets", SIZES, partial(weak, 0.5)),
    Study("iv_tests", "iv", "three right instruments of an exogenous treatment; tests at 5%", SIZES, tests),
    Study("iv_clusters", "iv", "clusters of five rows that share the instrument and a part of the error", SIZES, clustered),
    Study("late", "iv", "a binary offer that six of ten take up, odds that go with x", (200, 1000), compliers),
    Study("ivqr", "iv", "effects that rise with the outcome's rank, a strong instrument", (200, 500), partial(quantiles, "strong")),
    Study("ivqr_weak", "iv", "a weak instrument, effect 1", (200, 500), partial(quantiles, "weak")),
    Study("invalid", "iv", "an instrument with a direct effect, right models", (500, 2000), doubtful),
    Study("proximal", "proximal", "a hidden confounder with two proxies, both bridges right", (100, 200, 1000), proxies),
)  # fmt: skip
