"""Values that are no linear function of their parameters: martingale conditions and the martingale loss by Newton's method.

Jia and Zhou (2022), JMLR 23(154), arXiv 2108.06655, sections 3 and 4, for a family J^theta of values that the caller writes with
jax.numpy. The test functions are the derivatives of J in theta (CTD(0)), or those over J^2, which is the best direction up to the
drift where the state is geometric and so the martingale's variance goes with the squared value. Derivatives are by differentiation.
Errors are those of the summed conditions of each episode, with the Jacobian of the conditions as bread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from statinf.backend import Kernel
from statinf.brief import Brief, Later
from statinf.errors import ConvergenceError, NotIdentifiedError, OptionError
from statinf.inference.moments import Moments
from statinf.results.estimate import Estimate
from statinf.stochastic.continuous.estimating import estimate_of
from statinf.stochastic.continuous.paths import Paths
from statinf.stochastic.continuous.problem import CtdProblem

_STEPS, _HALVINGS, _CLOSE = 100, 30, 1e-10


@dataclass(frozen=True, eq=False, repr=False)
class ValueFamily(Brief):
    """A family of values with its conditions, compiled once.

    Attributes
    ----------
    function : callable
        From a mapping of columns to arrays (n,) and one of parameters to numbers, to values (n,).
    columns, terms : tuple of str
    test : {"td0", "relative", "loss"}
        The derivatives, those over the squared values, or the martingale loss.
    discounting : {"euler", "exact"}
    """

    function: Callable[..., Any]
    columns: tuple[str, ...]
    terms: tuple[str, ...]
    test: str
    discounting: str

    def values(self, x: Any, theta: Any) -> Any:
        """Values (n,) of columns x (n, p) at parameters (q,), inside of jax."""
        state = {name: x[:, j] for j, name in enumerate(self.columns)}
        made = self.function(state, {name: theta[k] for k, name in enumerate(self.terms)})
        if np.shape(made) != x.shape[:1]:
            raise ValueError(f"values of shape {np.shape(made)}, not one per row")
        return made

    def rows(self, theta: Any, x: Any, known: Any, steps: Any) -> tuple[Any, Any, Any]:
        """Conditions by row (n, q), errors (n,) and slopes of the values (n, q).

        `steps` are factors of the value here and ahead, what is added, and the time step, each (n,).

        `known` has what is paid at last rows, and NaN elsewhere.
        """
        import jax
        import jax.numpy as jnp

        here, ahead, added, dt = steps
        J, slope = self.values(x, theta), jax.jacfwd(lambda t: self.values(x, t))(theta)
        if self.test == "loss":
            errors = jnp.where(dt > 0.0, added - J, 0.0)
            return slope * (dt * errors)[:, None], errors, slope
        following = jnp.append(jnp.where(jnp.isnan(known), J, known)[1:], 0.0)
        errors = jnp.where(dt > 0.0, ahead * following - here * J + added, 0.0)
        tests = slope / jnp.where(dt > 0.0, J, 1.0)[:, None] ** 2 if self.test == "relative" else slope
        return tests * errors[:, None], errors, slope

    @cached_property
    def conditions(self) -> Kernel:
        """What `ConditionsAlong.at` says, compiled once."""
        return Kernel(self._pieces)

    @cached_property
    def valued(self) -> Kernel:
        """Values (n,) at columns (n, p) and parameters (q,), and their slopes (n, q)."""

        def both(x: Any, theta: Any) -> Any:
            import jax

            return self.values(x, theta), jax.jacfwd(lambda t: self.values(x, t))(theta)

        return Kernel(both)

    @cached_property
    def plain(self) -> ValueFamily:
        """The same values with the conditions of increments times slopes."""
        return self if self.test == "td0" else replace(self, test="td0")

    def _pieces(self, theta: Any, x: Any, known: Any, steps: Any) -> Any:
        import jax

        rows, errors, slope = self.rows(theta, x, known, steps)
        jacobian = jax.jacfwd(lambda t: self.rows(t, x, known, steps)[0].sum(axis=0))(theta)
        derivative = jax.jacfwd(lambda t: self.rows(t, x, known, steps)[1])(theta)
        gram = (slope * steps[3][:, None]).T @ slope
        return rows, jacobian, errors, derivative, gram


def family_of(
    function: Any, start: Any, problem: CtdProblem, test: Any, discounting: str
) -> tuple[ValueFamily, np.ndarray]:
    """The family of values that the options ask for, and where its parameters start, shape (q,).

    Raises
    ------
    OptionError
        If the parameters have no start, or there is no such test function for values that the caller writes.
    """
    if test not in ("td0", "relative", "loss"):
        raise OptionError(f"test_function={test!r} is not for value_function=; there are 'td0' and 'relative'.")
    return ValueFamily(function, problem.names, tuple(start), test, discounting), np.array(
        [*start.values()], np.float64
    )


def nonlinear_estimate(problem: CtdProblem, family: ValueFamily, start: np.ndarray, overlapping: str = "") -> Estimate:
    """The root of the conditions, or the least loss, that is found from `start`.

    Raises
    ------
    ConvergenceError, NotIdentifiedError, OptionError
        If there is none, it is not unique, or the function cannot be used.
    """
    solved = ConditionsAlong(family, problem.paths)
    theta = solved.root(start)
    return estimate_of(
        problem, theta, Later(_moments, problem, solved, theta), discounting=family.discounting, overlapping=overlapping,
        terms=family.terms, again=Later(_again, family, theta), family=family,
    )  # fmt: skip


def _moments(problem: CtdProblem, solved: ConditionsAlong, theta: np.ndarray) -> Moments:
    rows, jacobian = solved.at(theta)[:2]
    return Moments(problem.by_row(rows), -np.linalg.inv(jacobian), len(rows), np.inf)


def _again(family: ValueFamily, theta: np.ndarray, paths: Paths) -> np.ndarray:
    """The estimate from other rows of the same paths, shape (q,)."""
    return ConditionsAlong(family, paths).root(theta)


class ConditionsAlong(Brief):
    """The conditions of a family along paths, and their root."""

    def __init__(self, family: ValueFamily, paths: Paths) -> None:
        self.family, self.paths = family, paths
        last, dt, discount = paths.last, paths.dt, paths.discount
        ahead = np.ones(len(dt)) if family.discounting == "euler" else np.exp(-discount * dt)
        here = 1.0 + discount * dt if family.discounting == "euler" else np.ones(len(dt))
        added = paths.returns() if family.test == "loss" else paths.reward * dt
        self._steps = tuple(np.where(last, 0.0, v) for v in (here, ahead, added, dt))
        paid = np.zeros(len(dt)) if paths.terminal is None else paths.terminal
        self._known = np.where(last, paid, np.nan) if paths.terminal is not None else np.full(len(dt), np.nan)

    def at(self, theta: np.ndarray) -> tuple[np.ndarray, ...]:
        """Conditions by row (n, q), the Jacobian of their sums, errors (n,), their slopes (n, q), and the slopes' products."""
        try:
            found = self.family.conditions(theta, self.paths.x, self._known, self._steps)
        except Exception as error:
            # Whatever a function stumbles on is the caller's.
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise OptionError(
                f"value_function= failed ({type(error).__name__}: {reason[:160]}); it takes a mapping of columns to arrays "
                "(n,) and one of parameters to numbers, and returns values (n,) made with jax.numpy."
            ) from error
        return found

    def root(self, start: np.ndarray) -> np.ndarray:
        """Newton's method from a start, with steps that are halved until they bring the root or the loss nearer."""
        theta, found = start, self.at(start)
        if not all(np.isfinite(part).all() for part in found):
            raise OptionError("value_function= or its derivatives are missing or infinite at start=.")
        for _ in range(_STEPS):
            move = self._direction(found)
            size, old = np.abs(move).max(), self._merit(found, found)
            if (np.abs(move) <= _CLOSE * (np.abs(theta) + _CLOSE)).all():
                return theta + move
            share = 1.0
            for _ in range(_HALVINGS):
                tried = self.at(theta + share * move)
                if all(np.isfinite(p).all() for p in tried[:3]) and self._merit(found, tried) < old:
                    break
                share /= 2.0
            else:
                if size <= 1e-6 * (np.abs(theta).max() + 1e-6):
                    return theta  # no nearer in the digits that there are
                break
            theta, found = theta + share * move, tried
        shown = ", ".join(f"{name} = {value:.4g}" for name, value in zip(self.family.terms, theta, strict=True))
        raise ConvergenceError(
            f"no root of the conditions was found from start=; the last step was at {shown}. Give a start= that is nearer, or "
            "another test_function=: where the values have heavy tails 'relative' is steadier."
        )

    def _direction(self, found: tuple[np.ndarray, ...]) -> np.ndarray:
        rows, jacobian, _, _, gram = found
        total, matrix = rows.sum(axis=0), -jacobian
        if self.family.test == "loss" and np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[0] <= 0.0:
            matrix = gram
        scale = np.sqrt(np.abs(np.diag(gram)))
        unit = matrix / np.outer(scale, scale) if (scale > 0.0).all() else np.zeros_like(matrix)
        values = np.linalg.svd(unit, compute_uv=False)
        if not values[-1] > 1e-12 * max(values[0], np.finfo(float).tiny):
            raise NotIdentifiedError(
                f"the parameters {', '.join(map(repr, self.family.terms))} are not identified along these paths: some combination "
                "of them does not change the conditions."
            )
        return np.linalg.solve(matrix, total)

    def _merit(self, old: tuple[np.ndarray, ...], new: tuple[np.ndarray, ...]) -> float:
        """The loss, or the length of Newton's step from the new point with the old Jacobian, in the parameters' own scale."""
        if self.family.test == "loss":
            return float(self._steps[3] @ new[2] ** 2)
        step = np.linalg.solve(old[1], new[0].sum(axis=0))
        return float(np.sum(np.diag(old[4]) * step**2))
