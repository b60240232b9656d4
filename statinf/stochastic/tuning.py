"""Steps, burn-in and starting value of a plain recursion from the first rows of a stream.

The step rule takes the largest weighted step that the pilot rows allow for about the first hundredth of the stream
and then decays: k0 = ceil(N / 100), c0 = k0**power / (W_max r2), with r2 the 95 % quantile of |g'f| times the largest
curvature of the loss and W_max the largest multiplier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError, NumericalWarning, OptionError, issue_warning
from statinf.numerics.laws.multipliers import LARGEST
from statinf.stochastic.rows import StreamRows
from statinf.stochastic.settings import Settings

UNKNOWN_LENGTH = 10_000
"""Length assumed for streams that do not tell theirs."""


@dataclass(frozen=True)
class Tuning:
    """What the pilot rows decide.

    `start` (d,) is the first iterate, in the coordinates of the recursion, `scale` the spread of the pilot's residuals;
    the rest is that of `Settings`.
    """

    c0: float
    k0: float
    power: float
    burn_in: int
    start: np.ndarray
    scale: float
    left: np.ndarray | None = None
    right: np.ndarray | None = None
    tolerance: np.ndarray | None = None
    matrix: np.ndarray | None = None
    curvature: float = 1.0
    bound: float = 0.0
    instruments: bool = False


def pilot_size(d: int, n: int | None) -> int:
    """Rows that the tuning looks at: 1,000 or 20 a coefficient, at most what there is."""
    size = max(1000, 20 * d)
    return size if n is None else min(size, n)


def burn_in_rows(burn_in: float | int | None, n: int | None) -> int:
    """Rows before the average starts: half of a short stream, a tenth (at least 1,000) of a long one by default."""
    length = UNKNOWN_LENGTH if n is None else n
    if burn_in is None:
        return length // 2 if length < 10_000 else max(length // 10, 1000)
    if isinstance(burn_in, bool) or not isinstance(burn_in, int | float | np.number) or not 0 <= burn_in < np.inf:
        raise OptionError(f"burn_in={burn_in!r} is not a count of rows or a share between 0 and 1.")
    if isinstance(burn_in, float) and 0.0 < burn_in < 1.0:
        if n is None:
            raise OptionError(
                f"burn_in={burn_in:g} is a share, but the length of this stream is unknown: give a count of rows, or "
                "expected_rows=."
            )
        return int(burn_in * n)
    if burn_in != int(burn_in):
        raise OptionError(f"burn_in={burn_in!r} is neither a whole number of rows nor a share below 1.")
    if n is not None and burn_in >= n:
        raise OptionError(
            f"burn_in={int(burn_in)} leaves none of the {n} rows to average; give less, or a share such as 0.5."
        )
    return int(burn_in)


def check_step(given: Mapping[str, Any]) -> None:
    """Raise an `OptionError` for a step constant that is unknown or outside its domain."""
    unknown = set(given) - {"c0", "k0", "power"}
    if unknown:
        raise OptionError(f"step has no {sorted(unknown)[0]!r}; its names are 'c0', 'k0' and 'power'.")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
            raise OptionError(f"step {name}={value!r} is not a finite number.")
    power = float(given.get("power", 2.0 / 3.0))
    if not 0.5 <= power <= 1.0:
        raise OptionError(
            f"step power={power:g} is outside [0.5, 1): averaging needs steps that decay, but slower than 1/k."
        )
    if "c0" in given and given["c0"] <= 0.0:
        raise OptionError(f"step c0={given['c0']:g} must be positive.")
    if "k0" in given and given["k0"] < 0.0:
        raise OptionError(f"step k0={given['k0']:g} must not be negative.")


def step_rule(
    step: Mapping[str, float] | None, r2: float, n: int | None, law: str, power: float = 2.0 / 3.0
) -> tuple[float, float, float]:
    """Constants (c0, k0, power) of the steps c0 / (k0 + k)**power; what the caller gave stays.

    Parameters
    ----------
    step : mapping or None
        Any of "c0", "k0", "power".
    r2 : float
        95 % quantile of |g'f| times the largest curvature over pilot rows.
    n : int or None
        Length of the stream, where known.
    law : str
        Law of the multipliers.
    power : float
        The power where the caller gave none.

    Raises
    ------
    OptionError
        For an unknown name or a value outside its domain.
    """
    given = dict(step or {})
    check_step(given)
    power = float(given.get("power", power))
    if power == 1.0:
        issue_warning(
            "step power=1 needs c0 > 1 / (2 lambda_min) of the mean matrix, which is unknown; a power below 1 does not.",
            NumericalWarning,
        )
    bound = max(LARGEST[law] * r2, np.finfo(float).tiny)
    if "c0" in given:
        c0 = float(given["c0"])
        k0 = float(given["k0"]) if "k0" in given else float(np.ceil((c0 * bound) ** (1.0 / power)))
    else:
        k0 = float(given["k0"]) if "k0" in given else float(np.ceil((UNKNOWN_LENGTH if n is None else n) / 100))
        c0 = max(k0, 1.0) ** power / bound
    return c0, k0, power


def curvature_bound(loss: str, residuals: np.ndarray, tau: float) -> float:
    """Largest second derivative of the loss; for quantiles the density of the pilot's residuals at their quantile."""
    if loss == "logistic":
        return 0.25
    if loss == "quantile":
        centred = residuals - np.quantile(residuals, tau)
        h = 1.06 * spread(residuals) * len(residuals) ** -0.2
        return float(np.mean(np.exp(-0.5 * (centred / h) ** 2)) / (h * np.sqrt(2.0 * np.pi)))
    return 1.0  # of a Poisson loss there is none: its steps are implicit


def spread(residuals: np.ndarray) -> float:
    """A robust standard deviation, positive."""
    quartiles = np.quantile(residuals, [0.25, 0.75])
    value = min(float(np.std(residuals)), float(quartiles[1] - quartiles[0]) / 1.349)
    return value if value > 0.0 else (float(np.std(residuals)) or 1.0)


def pilot_values(rows: StreamRows) -> np.ndarray:
    """A damped root of the pilot's equations for a first iterate, shape (d,); zero where they are not stable.

    Slow directions of temporal differences forget their start only after 1 / (step x eigenvalue) rows.
    """
    A, b = rows.F.T @ rows.G / len(rows), rows.F.T @ rows.c / len(rows)
    damping = 1e-3 * np.where(np.diag(A) > 0.0, np.diag(A), 1.0)
    if np.linalg.eigvals(A).real.min() < 0.0:
        return np.zeros(len(b))
    return np.linalg.solve(A + np.diag(damping), b)


def tune(
    F: np.ndarray, G: np.ndarray, c: np.ndarray, *, n: int | None, step: Mapping[str, float] | None, burn_in: float | int | None,
    law: str, loss: str = "squared", tau: float = 0.5, instruments: bool = False,
    start: np.ndarray | None = None, power: float = 2.0 / 3.0,
) -> Tuning:  # fmt: skip
    """Tune a plain run on its pilot rows.

    Parameters
    ----------
    F, G : ndarray, shape (m, d)
        Weighted regressors or instruments, and regressors.
    c : ndarray, shape (m,)
    n : int or None
        Length of the stream, where known.
    step, burn_in
        What the caller gave.
    law, loss : str
    tau : float
    instruments : bool
        F are not G times weights: the inverse of their mean product goes in front, so that no sign convention is needed.
    start : ndarray, shape (d,), optional
        Zero by default.
    power : float
        Default power of the steps.
    """
    residuals = _pilot_residuals(F, G, c, loss, tau)
    bound = curvature_bound(loss, residuals, tau)
    if loss == "poisson":  # about the mean curvature, which is that of the outcomes
        bound = float(np.mean(c)) or 1.0
    left = None
    if instruments:
        cross = F.T @ G / len(F)
        check_identified(cross / np.sqrt(np.outer(np.mean(F**2, axis=0), np.mean(G**2, axis=0))), len(F))
        left = np.linalg.inv(cross).T
    moved = F if left is None else F @ left
    r2 = bound * float(np.quantile(np.abs(np.einsum("ij,ij->i", moved, G)), 0.95))
    c0, k0, power = step_rule(step, r2, n, law, power)
    first = np.zeros(G.shape[1]) if start is None else check_start(start, G.shape[1])
    right = None if left is None else np.eye(len(first))
    return Tuning(c0, k0, power, burn_in_rows(burn_in, n), first, spread(residuals), left=left, right=right)


def check_identified(mean: np.ndarray, rows: int) -> None:
    """Raise a `NotIdentifiedError` if a scaled mean of z x' is singular."""
    values = np.linalg.svd(np.nan_to_num(mean), compute_uv=False)
    if not values.size or values[-1] <= 1e-8 * values[0]:
        raise NotIdentifiedError(
            f"The mean of z x' over the first {rows} rows is singular: the instruments do not identify every "
            "coefficient. Use instruments that move with the regressors, or sort the rows at random."
        )


def check_start(start: Any, d: int) -> np.ndarray:
    """A first iterate as an array, or an `OptionError`."""
    if np.shape(start) != (d,) or not np.isfinite(start).all():
        raise OptionError(f"start must be {d} finite numbers, one a coefficient.")
    return np.asarray(start, np.float64)


def _pilot_residuals(F: np.ndarray, G: np.ndarray, c: np.ndarray, loss: str, tau: float) -> np.ndarray:
    """Residuals of a rough fit to the pilot rows, for the scale of a quantile loss; c itself for a logistic one."""
    if loss in ("logistic", "poisson"):
        return c
    solve = np.linalg.pinv(F.T @ G, rcond=1e-10, hermitian=False)
    residuals = c - G @ (solve @ (F.T @ c))
    if loss == "quantile":
        level = G @ (solve @ F.sum(axis=0))  # the direction that moves every prediction by about one
        residuals = residuals - level * np.quantile(residuals, tau)
    return residuals


def start_share(settings: Settings, slowest: float, done: int) -> float:
    """Share of the first iterate's error that is left in the average, along a direction of eigenvalue `slowest`."""
    k = np.linspace(settings.burn_in, done, 2000)
    base = settings.k0 + 0.5
    if settings.power == 1.0:
        total = settings.c0 * np.log((base + k) / base)
    else:
        q = 1.0 - settings.power
        total = settings.c0 / q * ((base + k) ** q - base**q)
    return float(np.mean(np.exp(-slowest * total)))
