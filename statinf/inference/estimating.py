"""Estimators given by their estimating function alone: roots, scores and bread by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from statinf.backend import Kernel, pad_rows
from statinf.errors import ConvergenceError
from statinf.inference.moments import Moments


@dataclass(frozen=True)
class EstimatingFunction:
    """A root-n estimator as the root of a summed estimating function.

    Attributes
    ----------
    psi : callable
        Pure JAX function `psi(theta, *row) -> (q,)` of the parameter, shape (q,), and one row of each
        data array.

    Examples
    --------
    The mean and the variance of a sample, stacked:

    >>> import numpy as np
    >>> import jax.numpy as jnp
    >>> from statinf.inference import EstimatingFunction
    >>> def psi(theta, y):
    ...     return jnp.array([y - theta[0], (y - theta[0]) ** 2 - theta[1]])
    >>> y = np.array([1.0, 2.0, 4.0, 5.0])
    >>> function = EstimatingFunction(psi)
    >>> function.root(np.array([0.0, 1.0]), (y,)).round(6)
    array([3. , 2.5])
    """

    psi: Callable[..., Any]

    @cached_property
    def _sums(self) -> Kernel:
        def sums(theta: Any, w: Any, *rows: Any) -> Any:
            import jax

            def summed(t: Any) -> Any:
                values = jax.vmap(self.psi, in_axes=(None, *(0 for _ in rows)))(t, *rows)
                # Padding rows may give NaN in psi; they must not reach the sum.
                return (jax.numpy.where(w[:, None] > 0, values, 0.0) * w[:, None]).sum(axis=0)

            return summed(theta), jax.jacfwd(summed)(theta)

        return Kernel(sums)

    @cached_property
    def _rows(self) -> Kernel:
        def rowwise(theta: Any, w: Any, *rows: Any) -> Any:
            import jax

            values = jax.vmap(self.psi, in_axes=(None, *(0 for _ in rows)))(theta, *rows)
            return jax.numpy.where(w[:, None] > 0, values, 0.0) * w[:, None]

        return Kernel(rowwise)

    def sums(
        self, theta: np.ndarray, rows: tuple[np.ndarray, ...], weights: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The weighted sum of psi, shape (q,), and its Jacobian, shape (q, q)."""
        w = np.ones(len(rows[0])) if weights is None else weights
        return self._sums(np.asarray(theta, float), *pad_rows(w, *rows))

    def scores(self, theta: np.ndarray, rows: tuple[np.ndarray, ...], weights: np.ndarray | None = None) -> np.ndarray:
        """Weighted psi of each row, shape (n, q)."""
        w = np.ones(len(rows[0])) if weights is None else weights
        return self._rows(np.asarray(theta, float), *pad_rows(w, *rows))[: len(w)]

    def root(
        self,
        start: np.ndarray,
        rows: tuple[np.ndarray, ...],
        weights: np.ndarray | None = None,
        *,
        tolerance: float = 1e-12,
        max_iterations: int = 100,
    ) -> np.ndarray:
        """Solve the summed equations by Newton's method with step halving on the norm of the sum.

        Raises
        ------
        ConvergenceError
            If the sum does not fall below `tolerance` times its scale, with the norm reached.
        """
        theta = np.asarray(start, dtype=np.float64)
        value, jacobian = self.sums(theta, rows, weights)
        scale = float(np.abs(self.scores(theta, rows, weights)).sum()) + 1.0
        for _ in range(max_iterations):
            size = float(np.linalg.norm(value))
            if size <= tolerance * scale:
                return theta
            step = np.linalg.lstsq(jacobian, -value, rcond=None)[0]
            for halving in range(30):
                candidate = theta + step * 0.5**halving
                value, jacobian = self.sums(candidate, rows, weights)
                if np.isfinite(value).all() and np.linalg.norm(value) < size:
                    break
            if np.array_equal(candidate, theta) or np.linalg.norm(value) >= size:
                break
            theta = candidate
        if np.linalg.norm(value) <= 1e-8 * scale:
            return theta
        raise ConvergenceError(
            f"the estimating equations were not solved: their sum has norm {np.linalg.norm(value):.3e}."
        )

    def moments(self, theta: np.ndarray, rows: tuple[np.ndarray, ...], weights: np.ndarray | None = None) -> Moments:
        """Scores and bread at a root, ready for every covariance."""
        w = np.ones(len(rows[0])) if weights is None else weights
        _, jacobian = self.sums(theta, rows, w)
        nobs = int(np.count_nonzero(w))
        return Moments(self.scores(theta, rows, w), -np.linalg.inv(jacobian), nobs, float(nobs - len(theta)))
