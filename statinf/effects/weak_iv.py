"""Weak instruments: first-stage strength, and inference that does not depend on it.

Effective F of Montiel Olea and Pflueger (2013); partial R2 of Shea (1997); Cragg and Donald (1993); the test
of Anderson and Rubin (1949), whose confidence set is an interval, its complement, the whole line, or empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eig, eigh, solve

from statinf.effects.instruments import System
from statinf.errors import NotIdentifiedError
from statinf.findings import Finding
from statinf.frames import to_caller
from statinf.inference.distributions import f_sf

_SINGULAR = 1e-10


@dataclass(frozen=True)
class FirstStage:
    """Strength of the instruments for one endogenous column.

    Attributes
    ----------
    f : float
        Homoskedastic F of the excluded instruments.
    robust_f : float
        NaN where the covariance is singular, as one by clusters of several ways that was indefinite is.
        Robust Wald statistic over the number of instruments.
    effective_f : float
        Of Montiel Olea and Pflueger; NaN with several endogenous columns.
    p_value : float
        Of the robust F.
    partial_r2, shea_r2 : float
    """

    f: float
    robust_f: float
    effective_f: float
    p_value: float
    partial_r2: float
    shea_r2: float


def first_stage(made: System, j: int, variance: np.ndarray, df: float) -> FirstStage:
    """Strength for endogenous column j.

    Parameters
    ----------
    made : System
    j : int
    variance : ndarray, shape (b, b)
        Robust covariance of the first-stage coefficients on orthonormal instruments.
    df : float
        Denominator degrees of freedom of the robust F.
    """
    pi, v = made.first[:, j], made.rest[:-1, j]
    explained, left = float(pi @ pi), float(v @ v)
    exact = left <= 1e-24 * explained
    wald = np.inf if exact else _length(pi, variance) / made.b
    inner = made.first.T @ made.first
    total = inner + made.rest[:, :-1].T @ made.rest[:, :-1]
    shea = np.linalg.inv(total)[j, j] / np.linalg.inv(inner)[j, j]
    return FirstStage(
        f=np.inf if exact else explained / made.b / (left / made.df_first),
        robust_f=wald,
        effective_f=np.nan if made.c > 1 else np.inf if exact else explained / float(np.trace(variance)),
        p_value=f_sf(wald, made.b, df),
        partial_r2=explained / (explained + left),
        shea_r2=float(shea),
    )


def cragg_donald(made: System) -> float:
    """Smallest eigenvalue of the first stage's F matrix; the F itself with one endogenous column."""
    inside = made.rest[:-1, :-1].T @ made.rest[:-1, :-1] / made.df_first
    largest = float(eigh(inside, made.first.T @ made.first, eigvals_only=True)[-1])
    return 1.0 / (largest * made.b) if largest > 0 else np.inf


@dataclass(frozen=True, repr=False)
class AndersonRubin(Finding):
    """Test of a value of the effect and, with one endogenous column, the set of values that it keeps.

    Attributes
    ----------
    null : tuple of float
    statistic : float
        F with (df, df_denominator) degrees of freedom at `null`.
    p_value : float
    df : int
    df_denominator : float
    level : float
    pieces : tuple of (float, float), or None
        Intervals that make up the confidence set; empty if no value is kept, infinite limits where it is
        unbounded. None with several endogenous columns.
    label : str
        Covariance of the reduced form.
    """

    null: tuple[float, ...]
    statistic: float
    p_value: float
    df: int
    df_denominator: float
    level: float
    pieces: tuple[tuple[float, float], ...] | None
    label: str

    def tidy(self) -> Any:
        """The test, and one row per piece of the confidence set, in the caller's kind of data frame."""
        import pandas as pd

        pieces = self.pieces or ((np.nan, np.nan),)
        rows = [{**self.items(), "shape": self.shape, "conf_low": low, "conf_high": high} for low, high in pieces]
        null = {"null": float(*self.null) if len(self.null) == 1 else ", ".join(f"{v:g}" for v in self.null)}
        return to_caller(pd.DataFrame([null | row for row in rows]), self.frame_kind)

    @property
    def shape(self) -> str:
        """One of "interval", "complement", "line", "empty" and "several intervals"."""
        if self.pieces is None:
            return "not computed"
        if not self.pieces:
            return "empty"
        open_ends = [np.isinf(limit) for piece in self.pieces for limit in piece]
        if len(self.pieces) == 1:
            return "line" if all(open_ends) else "interval"
        return "complement" if len(self.pieces) == 2 and sum(open_ends) == 2 else "several intervals"

    def __contains__(self, value: float) -> bool:
        return any(low <= value <= high for low, high in self.pieces or ())

    def __str__(self) -> str:
        value = ", ".join(f"{v:g}" for v in self.null)
        head = f"Anderson-Rubin test of {value} ({self.label})"
        test = f"{head}: F({self.df}, {self.df_denominator:g}) = {self.statistic:.6g}, p = {self.p_value:.4g}"
        if self.pieces is None:
            return test
        united = " and ".join(f"[{low:.6g}, {high:.6g}]" for low, high in self.pieces) or "empty"
        return f"{test}\n{100 * self.level:g}% confidence set: {united}"


def f_quantile(p: float, df1: float, df2: float) -> float:
    """Quantile of the F distribution; of a chi-square over its degrees of freedom where the second are infinite."""
    from scipy import special

    if np.isinf(df2):
        return float(special.chdtri(df1, 1.0 - p)) / df1
    return float(special.fdtri(df1, df2, p))


def statistic(made: System, variance_at: Callable[[np.ndarray], np.ndarray], null: np.ndarray) -> float:
    """Anderson-Rubin F at `null`, shape (c,).

    Raises
    ------
    NotIdentifiedError
        If the covariance is singular there.
    """
    length = _length(made.reduced - made.first @ null, variance_at(null))
    if np.isnan(length):
        raise NotIdentifiedError(
            "the covariance of the reduced form is singular, so there is no Anderson-Rubin test under it: clusters of several "
            "ways, or too few of them, do this. Give vcov= another kind, such as clusters of one column."
        )
    return length / made.b


def _length(g: np.ndarray, variance: np.ndarray) -> float:
    """G' variance^-1 g; NaN where the variance is singular."""
    scale = np.sqrt(np.diag(variance))
    if not (scale > 0).all():
        return np.nan
    scaled, unit = variance / np.outer(scale, scale), g / scale
    if np.linalg.eigvalsh(scaled)[0] <= _SINGULAR:
        return np.nan
    return float(unit @ solve(scaled, unit, assume_a="pos"))


def kept_values(
    made: System, variance_at: Callable[[np.ndarray], np.ndarray], critical: float, centre: float
) -> tuple[tuple[float, float], ...]:
    """All values of one endogenous coefficient with an Anderson-Rubin F of at most `critical`.

    With g(t) = g0 - t g1 and a covariance S(t) that is quadratic in t, limits solve
    det [[c S(t), g(t)], [g(t)', 1]] = 0, a quadratic eigenvalue problem whose real roots cut the line.
    """
    size = float(np.sqrt((made.rest[:, -1] ** 2).sum() / (made.rest[:-1, :-1] ** 2).sum())) or 1.0
    at = [variance_at(np.array([centre + t * size])) * (critical * made.b) for t in (-1.0, 0.0, 1.0)]
    g0, g1 = made.reduced - made.first[:, 0] * centre, made.first[:, 0] * size
    b = made.b
    second, first, constant = (np.zeros((b + 1, b + 1)) for _ in range(3))
    constant[:b, :b], constant[:b, b], constant[b, :b], constant[b, b] = at[1], g0, g0, 1.0
    first[:b, :b], first[:b, b], first[b, :b] = (at[2] - at[0]) / 2.0, -g1, -g1
    second[:b, :b] = (at[2] + at[0]) / 2.0 - at[1]
    # Rows and columns scaled alike leave the roots where they are and the pencil well scaled.
    scale = 1.0 / np.sqrt(np.append(np.maximum(np.diag(at[1]), np.finfo(float).tiny), 1.0))
    second, first, constant = (m * np.outer(scale, scale) for m in (second, first, constant))
    zero, one = np.zeros_like(first), np.eye(b + 1)
    left = np.block([[zero, one], [-constant, -first]])
    right = np.block([[one, zero], [zero, second]])
    alpha, beta = eig(left, right, right=False, homogeneous_eigvals=True)
    finite = np.abs(beta) > 1e-12 * np.abs(alpha)
    roots = alpha[finite] / beta[finite]
    real = np.sort(roots.real[np.abs(roots.imag) <= 1e-7 * np.maximum(np.abs(roots), 1e-3)])

    def inside(t: float) -> bool:
        return statistic(made, variance_at, np.array([centre + t * size])) <= critical

    real = np.array([r for r in real if _crosses(inside, r, real)])
    cuts = np.concatenate([[-np.inf], real, [np.inf]])
    span = float(np.abs(real).max()) if len(real) else 1.0
    pieces: list[list[float]] = []
    for low, high in zip(cuts[:-1], cuts[1:], strict=True):
        probe = 0.5 * (max(low, -10 * span - 1e6) + min(high, 10 * span + 1e6))
        if inside(probe):
            limits = [centre + low * size, centre + high * size]
            if pieces and pieces[-1][1] == limits[0]:
                pieces[-1][1] = limits[1]
            else:
                pieces.append(limits)
    return tuple((low, high) for low, high in pieces)


def _crosses(inside: Callable[[float], bool], root: float, every: np.ndarray) -> bool:
    gaps = np.abs(every - root)
    near = gaps[gaps > 0].min() if (gaps > 0).any() else 1.0
    step = min(1e-6 * max(abs(root), 1e-3), 0.25 * near)
    return inside(root - step) != inside(root + step)
