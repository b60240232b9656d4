"""Selection with a bound on the false discovery rate: Benjamini and Hochberg's procedure on conformal ranks, and e-values.

A conformal p-value is a count over n + 1, so it is compared with its bound in whole numbers. Where every new row has a
bound of its own, made from the other rows, what passes is pruned (Fithian and Lei, 2022; Jin and Candes, 2025, arXiv
2307.09291): with u the row's random number the rows kept are those with u R_j <= r, r being the largest number that so
many of them reach. This is the e-value procedure of Wang and Ramdas (2022) for e_j = m / (q R_j u).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import generator

SLACK = 1e-12
"""Relative slack in comparisons of p-values with their bounds: equality in exact arithmetic must hold in floats."""
PRUNINGS = ("homogeneous", "heterogeneous", "deterministic")


@dataclass(frozen=True)
class Discoveries:
    """What was selected among m new rows.

    Attributes
    ----------
    selected : ndarray of bool, shape (m,)
    p_values, e_values : ndarray, shape (m,)
    chosen : ndarray of int, shape (m,)
        Which of several scores was used at each row.
    """

    selected: np.ndarray
    p_values: np.ndarray
    e_values: np.ndarray
    chosen: np.ndarray


def benjamini_hochberg(p: np.ndarray, fdr: float) -> np.ndarray:
    """The rows (m,) bool that the step-up procedure selects at level `fdr`.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.inference.discoveries import benjamini_hochberg
    >>> benjamini_hochberg(np.array([0.04, 0.5, 0.01, 0.9]), 0.1)
    array([ True, False,  True, False])
    """
    m = len(p)
    order = np.argsort(p, kind="stable")
    passed = np.flatnonzero(m * p[order] <= fdr * (1.0 + SLACK) * np.arange(1, m + 1))
    selected = np.zeros(m, bool)
    selected[order[: passed[-1] + 1 if len(passed) else 0]] = True
    return selected


def step_up(below: np.ndarray, n: int, m: int, fdr: float) -> int:
    """How many p-values ``(1 + below) / (n + 1)``, in ascending order, the step-up procedure selects.

    Parameters
    ----------
    below : ndarray of int, shape (k,)
        Ascending; the smallest k of m.
    """
    bound = fdr * (1.0 + SLACK) * (n + 1) * np.arange(1, len(below) + 1)
    passed = np.flatnonzero((below + 1.0) * m <= bound)
    return int(passed[-1]) + 1 if len(passed) else 0


def prune(passed: np.ndarray, sizes: np.ndarray, uniform: np.ndarray | float) -> np.ndarray:
    """The rows (m,) bool that are kept of those that passed their own bound.

    Parameters
    ----------
    passed : ndarray of bool, shape (m,)
    sizes : ndarray of int, shape (m,)
        R_j: how many rows are selected with row j's bound.
    uniform : ndarray, shape (m,), or float
        One where nothing is random.
    """
    scaled = sizes * uniform
    ranked = np.sort(scaled[passed])
    reached = np.flatnonzero(ranked <= np.arange(1, len(ranked) + 1))
    return passed & (scaled <= (reached[-1] + 1 if len(reached) else 0))


def pruning_draws(pruning: str, order: np.ndarray, seed: int) -> np.ndarray | float:
    """The random numbers of a pruning: one, one per row (m,), or none.

    Parameters
    ----------
    pruning : {"homogeneous", "heterogeneous", "deterministic"}
    order : ndarray of int, shape (m,)
        The rows by their scores; draws go by it, so that they do not depend on where a row stands.
    """
    if pruning == "deterministic":
        return 1.0
    random = generator(seed, 53)
    if pruning == "homogeneous":
        return float(1.0 - random.random())
    out = np.empty(len(order))
    out[order] = 1.0 - random.random(len(order))
    return out


def last_at_most(values: np.ndarray, bounds: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """For each query the last position before `ends` at which `values` is at most the bound; -1 where there is none.

    Parameters
    ----------
    values : ndarray, shape (m,)
    bounds : ndarray, shape (k,)
    ends : ndarray of int, shape (k,)
        At most m.
    """
    least = [values]
    """Level i holds the least of the 2^i values that end at a position."""
    while 2 ** len(least) <= len(values):
        half, width = least[-1], 2 ** (len(least) - 1)
        wider = half.copy()
        wider[width:] = np.minimum(half[width:], half[:-width])
        least.append(wider)
    at = ends - 1
    for level in range(len(least) - 1, -1, -1):
        whole = at + 1 >= 2**level
        skipped = whole & (least[level][np.where(whole, at, 0)] > bounds)
        at = np.where(skipped, at - 2**level, at)
    return at
