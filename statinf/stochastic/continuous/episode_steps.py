"""Averaged steps of whole episodes: theta moves by a_k (b_n - A_n theta), with the sums A_n, b_n of one episode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError, NumericalWarning, OptionError, issue_warning
from statinf.stochastic.basis import whiten
from statinf.stochastic.continuous.equations import Equations, solve
from statinf.stochastic.continuous.paths import Paths

_STEPS = 10_000
"""Steps that are made in all, by passes over the episodes, where there are fewer of these."""
_FAR = 0.5
"""Distance from the batch root, in its standard errors, from which the average has not converged."""


@dataclass(frozen=True, eq=False, repr=False)
class Averaged(Brief):
    """The average of a recursion.

    Attributes
    ----------
    theta : ndarray, shape (q,)
        Of the features centred and scaled.
    used : ndarray of bool, shape (n,)
        Rows whose equations the average solves.
    facts : dict
    """

    theta: np.ndarray
    used: np.ndarray
    facts: dict[str, str]


def steps_of_episodes(
    paths: Paths, equations: Equations, names: tuple[str, ...], *, step: dict[str, float], burn_in: float | int | None,
    passes: int | None, seed: int,
) -> Averaged:  # fmt: skip
    """Average over steps, one per episode, in a random order that is drawn anew in each pass.

    Raises
    ------
    ConvergenceError
        If iterates overflow.
    NotIdentifiedError
        If features are collinear.
    """
    root = solve(equations, names)
    basis = whiten(equations.Z[~paths.last]).transform
    begun = np.flatnonzero(paths.first)
    Z, G = equations.Z @ basis, equations.G @ basis
    A = np.add.reduceat(Z[:, :, None] * G[:, None, :], begun)
    b = np.add.reduceat(Z * equations.c[:, None], begun)
    count = len(begun)
    rounds = passes or -(-_STEPS // count)
    total = rounds * count
    first = _first_average(burn_in, total, rounds)
    sizes = _sizes(A, step, total)
    random = np.random.default_rng(seed)
    order = np.concatenate([random.permutation(count) for _ in range(rounds)])
    average = basis @ _walk(A, b, order, sizes, first)
    _warn_far(average, equations, root.theta, root.inverse, paths)
    seen = np.zeros(count, bool)
    seen[order[first:]] = True
    power, k0 = step.get("power", 2 / 3), step.get("k0", total / 20)
    facts = {
        "Steps": f"{total} episodes in {rounds} passes, {sizes[0] * k0**power:.3g} / ({k0:.3g} + k)^{power:.3g}",
        "Averaged": f"{total - first} after {first}",
    }
    return Averaged(average, np.repeat(seen, np.diff(np.append(begun, len(paths.time)))), facts)


def _first_average(burn_in: float | int | None, total: int, rounds: int) -> int:
    """The first step whose iterate is averaged."""
    if burn_in is None:
        return total // 2 if rounds > 1 else total // 10
    found = int(burn_in * total) if isinstance(burn_in, float) and burn_in < 1.0 else int(burn_in)
    if not 0 <= found < total:
        raise OptionError(f"burn_in={burn_in!r} is not a count of steps below {total}, or a share below 1.")
    return found


def _sizes(A: np.ndarray, step: dict[str, float], total: int) -> np.ndarray:
    """Steps a_k, shape (total,): at first the largest that keep most episodes stable."""
    largest = 1.0 / float(np.quantile(np.linalg.svd(A, compute_uv=False)[:, 0], 0.95))
    power, k0 = step.get("power", 2 / 3), step.get("k0", total / 20)
    c0 = float(step.get("c0", largest * k0**power))
    return c0 / np.power(k0 + np.arange(total), power)


def _walk(A: np.ndarray, b: np.ndarray, order: np.ndarray, sizes: np.ndarray, first: int) -> np.ndarray:
    """Average of the iterates from step `first` on, shape (q,)."""
    theta, total = np.zeros(A.shape[1]), np.zeros(A.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for k, n in enumerate(order):
            theta = theta + sizes[k] * (b[n] - A[n] @ theta)
            if k >= first:
                total = total + theta
    if not np.isfinite(total).all():
        raise ConvergenceError(
            "the iterates overflow: give a smaller step c0, or method='clstd', which needs no steps."
        )
    return total / (len(order) - first)


def _warn_far(average: np.ndarray, equations: Equations, root: np.ndarray, inverse: np.ndarray, paths: Paths) -> None:
    begun = np.flatnonzero(paths.first)
    scores = np.add.reduceat(equations.Z * equations.errors(root)[:, None], begun) @ inverse.T
    error = np.sqrt((scores**2).sum(axis=0))
    far = np.abs(average - root) / np.where(error > 0.0, error, np.inf)
    if far.max() > _FAR:
        issue_warning(
            f"the average is {far.max():.2g} standard errors away from the root of the conditions of all episodes: it has not "
            "converged. Give more passes=, leave step= out, or use method='clstd'.",
            NumericalWarning,
        )
