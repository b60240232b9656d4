"""Treatment effects with known truth: Kang-Schafer, Nie-Wager and an instrumental-variable model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from statinf.datasets.dgp.registry import Draw, count, covariates, dgp, positive, real, share
from statinf.errors import OptionError


@dgp("kang_schafer", reference="Kang and Schafer (2007), Statistical Science 22, 523-539, arXiv 0804.2958")
def kang_schafer(
    n: int, rng: np.random.Generator, *, effect: float = 0.0, noise_sd: float = 1.0, intercept: float = 210.0
) -> Draw:
    """Select on four normal covariates z of which only nonlinear transformations x are seen.

    y = intercept + 27.4 z1 + 13.7 (z2 + z3 + z4) + effect treat + e and
    logit P(treat = 1) = -z1 + 0.5 z2 - 0.25 z3 - 0.1 z4. Models linear in z are right, models linear in
    x1 = exp(z1 / 2), x2 = z2 / (1 + exp(z1)) + 10, x3 = (z1 z3 / 25 + 0.6)^3, x4 = (z2 + z4 + 20)^2 are wrong.

    Parameters
    ----------
    n, rng
        Rows and generator.
    effect : float
        Constant treatment effect, hence ATE = ATT = ATC; the paper's missing-data problem has none.
    noise_sd : float
        Standard deviation of e.
    intercept : float
        Mean outcome without treatment, the estimand of the paper.
    """
    z = rng.standard_normal((n, 4))
    z1, z2, z3, z4 = z.T
    chance = 1.0 / (1.0 + np.exp(z1 - 0.5 * z2 + 0.25 * z3 + 0.1 * z4))
    treat = (rng.random(n) < chance).astype(np.int64)
    tau, mean = real("effect", effect), real("intercept", intercept)
    noise = positive("noise_sd", noise_sd, zero=True) * rng.standard_normal(n)
    y = mean + 27.4 * z1 + 13.7 * (z2 + z3 + z4) + tau * treat + noise
    x = np.column_stack(
        [np.exp(z1 / 2), z2 / (1.0 + np.exp(z1)) + 10.0, (z1 * z3 / 25.0 + 0.6) ** 3, (z2 + z4 + 20.0) ** 2]
    )
    truth = {
        "ate": tau,
        "att": tau,
        "atc": tau,
        "mean_y0": mean,
        "propensity_coefficients": {"z1": -1.0, "z2": 0.5, "z3": -0.25, "z4": -0.1},
        "outcome_coefficients": {"z1": 27.4, "z2": 13.7, "z3": 13.7, "z4": 13.7},
        "row_truths": ["z1", "z2", "z3", "z4"],
    }
    return {**covariates(z, "z"), **covariates(x), "treat": treat, "y": y}, truth


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, x)


def _plus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def _setup_a(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    wave = np.sin(np.pi * x[:, 0] * x[:, 1])
    baseline = wave + 2.0 * (x[:, 2] - 0.5) ** 2 + x[:, 3] + 0.5 * x[:, 4]
    return baseline, np.clip(wave, 0.1, 0.9), (x[:, 0] + x[:, 1]) / 2.0


def _setup_b(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    baseline = np.maximum(_plus(x[:, 0] + x[:, 1]), x[:, 2]) + _plus(x[:, 3] + x[:, 4])
    return baseline, np.full(len(x), 0.5), x[:, 0] + _softplus(x[:, 1])


def _setup_c(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    baseline = 2.0 * _softplus(x[:, 0] + x[:, 1] + x[:, 2])
    return baseline, 1.0 / (1.0 + np.exp(x[:, 1] + x[:, 2])), np.ones(len(x))


def _setup_d(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, second = _plus(x[:, 0] + x[:, 1] + x[:, 2]), _plus(x[:, 3] + x[:, 4])
    return (first + second) / 2.0, 1.0 / (1.0 + np.exp(-x[:, 0]) + np.exp(-x[:, 1])), first - second


def _average_effects() -> dict[str, float]:
    # E softplus(Z) by Gauss-Hermite; E max(N(0, v), 0) = sqrt(v / (2 pi)).
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    softplus = float(weights @ _softplus(nodes) / weights.sum())
    return {"A": 0.5, "B": softplus, "C": 1.0, "D": float((np.sqrt(3.0) - np.sqrt(2.0)) / np.sqrt(2.0 * np.pi))}


SETUPS: dict[str, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]] = {
    "A": _setup_a,
    "B": _setup_b,
    "C": _setup_c,
    "D": _setup_d,
}


@dgp("nie_wager", reference="Nie and Wager (2021), Biometrika 108, 299-319, arXiv 1712.04912")
def nie_wager(n: int, rng: np.random.Generator, *, setup: str = "A", p: int = 10, sd: float = 1.0) -> Draw:
    """Heterogeneous effects: y = baseline(x) + (treat - 1/2) cate(x) + sd e, treat ~ Bernoulli(propensity(x)).

    Setup A: difficult nuisances and a simple effect; B: randomised; C: constant effect and strong confounding;
    D: unrelated arms. Covariates are uniform on (0, 1) in A and standard normal in the others.

    Parameters
    ----------
    n, rng
        Rows and generator.
    setup : {"A", "B", "C", "D"}
    p : int
        Number of covariates, at least 5; those beyond the fifth are noise.
    sd : float
        Standard deviation of the error.
    """
    if setup not in SETUPS:
        raise OptionError(f"setup={setup!r} is not known; choose one of 'A', 'B', 'C', 'D'.")
    width = count("p", p, 5)
    x = rng.random((n, width)) if setup == "A" else rng.standard_normal((n, width))
    baseline, propensity, cate = SETUPS[setup](x)
    treat = (rng.random(n) < propensity).astype(np.int64)
    noise = positive("sd", sd, zero=True) * rng.standard_normal(n)
    y = baseline + (treat - 0.5) * cate + noise
    row = {"y": y, "treat": treat, **covariates(x), "cate": cate, "propensity": propensity, "baseline": baseline}
    return row, {"ate": _average_effects()[setup], "row_truths": ["cate", "propensity", "baseline"]}


@dgp("iv", reference="Staiger and Stock (1997), Econometrica 65, 557-586")
def iv(
    n: int,
    rng: np.random.Generator,
    *,
    effect: float = 1.0,
    instruments: int = 1,
    strength: float = 0.5,
    endogeneity: float = 0.6,
    sd: float = 1.0,
) -> Draw:
    """Linear model with one endogenous treatment, one exogenous covariate and normal instruments.

    treat = x1 / 2 + strength (z1 + ... + zk) / sqrt(k) + v and y = effect treat + x1 + sd u with
    corr(u, v) = endogeneity. The concentration parameter of the first stage is ``n strength^2``.

    Parameters
    ----------
    n, rng
        Rows and generator.
    effect : float
    instruments : int
        Number k of instruments.
    strength : float
        First-stage coefficient of the scaled sum of the instruments; c / sqrt(n) gives weak instruments.
    endogeneity : float
        Correlation of the two errors, in (-1, 1).
    sd : float
        Standard deviation of the outcome error.
    """
    k, pi, tau = count("instruments", instruments), real("strength", strength), real("effect", effect)
    rho = np.sign(endogeneity) * share("abs(endogeneity)", abs(real("endogeneity", endogeneity)))
    scale = positive("sd", sd)
    z, x = rng.standard_normal((n, k)), rng.standard_normal(n)
    v = rng.standard_normal(n)
    u = rho * v + np.sqrt(1.0 - rho**2) * rng.standard_normal(n)
    treat = 0.5 * x + pi * z.sum(axis=1) / np.sqrt(k) + v
    truth = {
        "effect": tau,
        "first_stage": [float(pi / np.sqrt(k))] * k,
        "concentration": float(n * pi**2),
        "ols_limit": float(tau + scale * rho / (1.0 + pi**2)),
    }
    return {"y": tau * treat + x + scale * u, "treat": treat, "x1": x, **covariates(z, "z")}, truth
