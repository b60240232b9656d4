"""Base learners: what is fitted to the gradients of all parameters in one iteration."""

from __future__ import annotations

from typing import Any

from statinf.numerics.boosting.plan import Numbers, Plan
from statinf.numerics.trees.grow import grow
from statinf.numerics.trees.leaves import fitted_values


def fit_base(features: Any, targets: Any, v: Any, columns: Any, numbers: Numbers, plan: Plan) -> tuple[Any, Any]:
    """One base learner per parameter: its arrays, and its values (K, n) in every row.

    Parameters
    ----------
    features : as in `BoostingRows`
    targets : (K, n)
    v : (n,)
        Weights of the iteration.
    columns : (p,) bool
    """
    if plan.base == "tree":
        grown = grow(features, targets, v, columns, numbers.min_leaf, depth=plan.depth, bins=plan.bins)
        return (grown.feature, grown.cut, grown.gain, grown.leaf), grown.fitted
    coef = _ridge(features, targets, v, columns, numbers.ridge)
    return (coef,), linear_values(features, coef)


def base_values(features: Any, piece: Any, plan: Plan) -> Any:
    """Values (K, n) of a fitted base learner."""
    if plan.base == "tree":
        feature, cut, _, leaf = piece
        return fitted_values(features, feature, cut, leaf, depth=plan.depth)
    return linear_values(features, piece[0])


def linear_values(features: Any, coef: Any) -> Any:
    """Intercepts and slopes (K, 1 + p) at rows (n, p)."""
    return coef[:, :1] + coef[:, 1:] @ features.T


def _ridge(X: Any, targets: Any, v: Any, columns: Any, ridge: Any) -> Any:
    import jax.numpy as jnp

    Z = jnp.concatenate([jnp.ones((len(X), 1)), jnp.where(columns, X, 0.0)], axis=1)
    weighted = Z * v[:, None]
    penalty = jnp.concatenate([jnp.zeros(1), jnp.where(columns, ridge * v.sum(), 1.0)])
    return jnp.linalg.solve(Z.T @ weighted + jnp.diag(penalty), weighted.T @ targets.T).T
