"""Sums of kernels between rows, made where the rows are split over devices: no kernel matrix is kept or sent.

Squared distances are sums of squared differences, exactly zero for identical rows. The same numbers come from NumPy by
`numerics.kernels.distances` where there is one processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import map_rows, row_sharded_sum

_BLOCK = 256


def _kernel(a: Any, b: Any, width: Any, kind: str) -> Any:
    """Kernel of rows a (n, p) and b (m, p): "gaussian" ``exp(-d^2 / width)`` or "distance" d."""
    import jax.numpy as jnp

    squared = jnp.sum((a[:, None, :] - b[None, :, :]) ** 2, axis=-1)
    return jnp.exp(-squared / width) if kind == "gaussian" else jnp.sqrt(squared)


def _in_blocks(function: Any, *rows: Any) -> Any:
    """Results of a function of blocks of rows, along a new first axis."""
    import jax

    n = rows[0].shape[0]
    step = _BLOCK if n % _BLOCK == 0 else n
    return jax.lax.map(lambda part: function(*part), tuple(r.reshape(n // step, step, *r.shape[1:]) for r in rows))


def _product(x: Any, y: Any, coefficients: Any, width: Any) -> Any:
    return _in_blocks(lambda part: _kernel(part, y, width, "gaussian") @ coefficients, x).reshape(x.shape[0], -1)


def gaussian_product(x: np.ndarray, y: np.ndarray, width: float, coefficients: np.ndarray) -> np.ndarray:
    """``K @ coefficients`` with ``K_ij = exp(-|x_i - y_j|^2 / width)``, shape (n, k).

    Parameters
    ----------
    x : ndarray, shape (n, p)
    y : ndarray, shape (m, p)
    width : float
    coefficients : ndarray, shape (m, k)
    """
    return map_rows(_product, x, shared=(y, coefficients, np.float64(width)))


def _forms(x: Any, u: Any, y: Any, v: Any, width: Any, *, kind: str) -> Any:
    return _in_blocks(lambda a, b: ((_kernel(a, y, width, kind) @ v) * b).sum(axis=0), x, u).sum(axis=0)


def quadratic_forms(x: np.ndarray, u: np.ndarray, kind: str, width: float = 1.0) -> np.ndarray:
    """``u_b' K u_b`` for every row of u, shape (B,).

    Parameters
    ----------
    x : ndarray, shape (n, p)
    u : ndarray, shape (B, n)
    kind : {"gaussian", "distance"}
    width : float
        Of the Gaussian kernel.
    """
    masses = np.ascontiguousarray(u.T)
    return row_sharded_sum(_forms, x, masses, shared=(x, masses, np.float64(width)), kind=kind)


def _squares(u: Any, factor: Any) -> Any:
    return ((u @ factor) ** 2).sum(axis=1)


def squared_lengths(u: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """``|u_b' factor|^2`` for every row of u, shape (B,)."""
    return map_rows(_squares, u, shared=(factor,))
