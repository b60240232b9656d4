"""Averaged steps of episodes or rows: theta moves by a_k (b_n - A_n theta), with the sums A_n, b_n of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError, NumericalWarning, OptionError, issue_warning
from statinf.stochastic.basis import whiten
from statinf.stochastic.continuous.equations import Equations, solve
from statinf.stochastic.continuous.paths import Paths

_STEPS, _MOST = 10_000, 400_000
"""Least and largest number of steps that are made in all by default, by passes over the rows or episodes."""
_RELAXATIONS = 20.0
"""Relaxation times of the slowest direction that the steps span by default."""
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


def averaged_steps(
    paths: Paths, equations: Equations, names: tuple[str, ...], *, update: str, step: Mapping[str, float],
    burn_in: float | int | None, passes: int | None, seed: int,
) -> Averaged:  # fmt: skip
    """Average over steps, one per episode in an order that is drawn anew in each pass, or one per row in the order of time.

    Raises
    ------
    ConvergenceError
        If iterates overflow.
    NotIdentifiedError
        If features are collinear.
    """
    root = solve(equations, names)
    inner = np.flatnonzero(~paths.last)
    basis = whiten(equations.Z[inner]).transform
    begun = np.flatnonzero(paths.first) if update == "episode" else inner
    A, b = _sums(equations.Z @ basis, equations.G @ basis, equations.c, begun)
    count = len(begun)
    largest, slowest = _largest(A)
    rounds = passes or int(-(-_enough(largest, slowest) // count))
    total = rounds * count
    first = _first_average(burn_in, total, rounds)
    sizes, told = _sizes(largest, step, total)
    order = np.tile(np.arange(count), rounds)
    if update == "episode":
        random = np.random.default_rng(seed)
        order = np.concatenate([random.permutation(count) for _ in range(rounds)])
    average = basis @ _walk(A, b, order, sizes, first)
    _warn_far(average, equations, root.theta, root.inverse, paths)
    seen = np.zeros(count, bool)
    seen[order[first:]] = True
    unit = "episodes" if update == "episode" else "rows"
    facts = {
        "Steps": f"{total} ({rounds} passes over {count} {unit}), {told}",
        "Averaged": f"{total - first} after {first}",
    }
    used = np.zeros(len(paths.time), bool)
    used[inner] = seen if update == "row" else np.repeat(seen, np.diff(np.append(begun, len(paths.time))))[inner]
    return Averaged(average, used, facts)


def _sums(Z: np.ndarray, G: np.ndarray, c: np.ndarray, begun: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A (m, q, q) and b (m, q), summed from each of the rows `begun` to the next."""
    products = Z[:, :, None] * G[:, None, :]
    return np.add.reduceat(products, begun), np.add.reduceat(Z * c[:, None], begun)


def _first_average(burn_in: float | int | None, total: int, rounds: int) -> int:
    """The first step whose iterate is averaged."""
    if burn_in is None:
        return total // 2 if rounds > 1 else total // 10
    found = int(burn_in * total) if isinstance(burn_in, float) and burn_in < 1.0 else int(burn_in)
    if not 0 <= found < total:
        raise OptionError(f"burn_in={burn_in!r} is not a count of steps below {total}, or a share below 1.")
    return found


def _largest(A: np.ndarray) -> tuple[float, float]:
    """The largest step that keeps most A (m, q, q) stable one by one, and iterates bounded in mean square; smallest eigenvalue.

    The latter is that of the symmetric part of the mean; the bound in mean square is it over the mean square of A.
    """
    size = np.sqrt(np.einsum("kij,kij->k", A, A))
    mean = A.mean(axis=0)
    slowest = float(np.linalg.eigvalsh(0.5 * (mean + mean.T))[0])
    largest = 1.0 / float(np.quantile(size[size > 0.0], 0.95))
    if slowest > 0.0:
        largest = min(largest, slowest / float(np.mean(size**2)))
    return largest, slowest


def _enough(largest: float, slowest: float) -> int:
    """Steps after which the slowest direction has come to rest, a fifth of the largest step being about their mean."""
    if slowest <= 0.0:
        return _STEPS
    return int(np.clip(_RELAXATIONS / (0.2 * largest * slowest), _STEPS, _MOST))


def _sizes(largest: float, step: Mapping[str, float], total: int) -> tuple[np.ndarray, str]:
    """Steps a_k, shape (total,), which begin with the largest, and how they are said."""
    power, k0 = float(step.get("power", 2 / 3)), float(step.get("k0", total / 20))
    c0 = float(step.get("c0", largest * k0**power))
    return c0 / np.power(k0 + np.arange(total), power), f"{c0:.3g} / ({k0:.3g} + k)^{power:.3g}"


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
    scores = equations.Z * equations.errors(root)[:, None] @ inverse.T
    if paths.episodes > 1:
        scores = np.add.reduceat(scores, np.flatnonzero(paths.first))
    error = np.sqrt((scores**2).sum(axis=0))
    far = np.abs(average - root) / np.where(error > 0.0, error, np.inf)
    if far.max() > _FAR:
        issue_warning(
            f"the average is {far.max():.2g} standard errors away from the root of the conditions of all episodes: it has not "
            "converged. Give more passes=, leave step= out, or use method='clstd'.",
            NumericalWarning,
        )
