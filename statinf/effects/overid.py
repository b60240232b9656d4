"""Specification tests of instrumental-variable models: overidentification and endogeneity.

Sargan (1958), Basmann (1960), Hansen (1982); Durbin, Wu and Hausman by regression (Hausman 1978).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.effects.gmm_solver import gmm
from statinf.effects.instruments import System, k_class, structural_rss
from statinf.effects.iv_rows import IVRows
from statinf.inference.distributions import chi2_sf, f_sf
from statinf.inference.hypotheses import WaldTest, wald
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance, uncorrected
from statinf.numerics.linear.least_squares import solve


def sargan(made: System, beta: np.ndarray) -> WaldTest:
    """Share of the residual variation that the instruments explain, times n."""
    df = made.b - made.c
    value = made.nobs * float(((made.reduced - made.first @ beta) ** 2).sum()) / structural_rss(made, beta)
    return WaldTest("the extra instruments are valid (Sargan)", value, df, np.inf, chi2_sf(value, df))


def basmann(made: System, beta: np.ndarray) -> WaldTest:
    """Sargan's statistic with Basmann's denominator, the residual variation beside the instruments."""
    df = made.b - made.c
    inside = float(((made.reduced - made.first @ beta) ** 2).sum())
    value = inside * made.df_first / (structural_rss(made, beta) - inside)
    return WaldTest("the extra instruments are valid (Basmann)", value, df, np.inf, chi2_sf(value, df))


def hansen(rows: IVRows, codes: np.ndarray | None) -> WaldTest:
    """Criterion of two-step GMM, robust to heteroskedasticity or clusters."""
    made = rows.system
    root = np.sqrt(rows.weights)
    beta, gamma, _ = k_class(made, 1.0)
    x = np.column_stack([rows.endogenous, rows.exogenous]) * root[:, None]
    found = gmm(rows.basis * root[:, None], x, rows.y * root, np.concatenate([beta, gamma]), codes=codes)
    df = made.b - made.c
    return WaldTest("the extra instruments are valid (Hansen J)", found.j, df, np.inf, chi2_sf(found.j, df))


def wu_hausman(made: System) -> WaldTest:
    """Homoskedastic F test of the first-stage residuals in the structural regression."""
    x = np.vstack([made.first, made.rest[:, :-1]])
    y = np.concatenate([made.reduced, made.rest[:, -1]])
    residual = np.vstack([np.zeros_like(made.first), made.rest[:, :-1]])
    short = solve(x, y)
    long = solve(np.column_stack([x, residual]), y)
    df = made.df_resid - made.c
    if df <= 0:
        return WaldTest("the treatment is exogenous (Wu-Hausman)", np.nan, made.c, df, np.nan)
    value = (float(short.rss) - float(long.rss)) / made.c / (float(long.rss) / df)
    return WaldTest("the treatment is exogenous (Wu-Hausman)", value, made.c, df, f_sf(value, made.c, df))


def robust_hausman(rows: IVRows, kind: Any) -> WaldTest:
    """The same regression with a robust Wald test (Wooldridge 1995)."""
    made = rows.system
    columns = np.column_stack([rows.endogenous, rows.exogenous, rows.unexplained[:, :-1]])
    solution = solve(columns, rows.y, rows.weights)
    e = rows.y - columns @ solution.coef
    bread = solution.inverse_gram
    moments = Moments(columns * (rows.weights * e)[:, None], bread, made.nobs, float(made.df_resid - made.c))
    found = covariance(moments, uncorrected(kind), rows.clusters(kind))
    k = columns.shape[1]
    chosen = np.eye(k)[k - made.c :]
    return wald(
        solution.coef,
        found.matrix,
        chosen,
        np.zeros(made.c),
        found.df,
        "the treatment is exogenous (robust Wu-Hausman)",
    )
