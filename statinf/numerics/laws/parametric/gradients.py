"""Gradients of scores: ordinary ones by automatic differentiation, natural ones by the metric of the score."""

from __future__ import annotations

from typing import Any

from statinf.numerics.laws.parametric.law import Law, ScoreRule, clipped


def values(law: Law, rule: ScoreRule, theta: Any, y: Any, event: Any) -> Any:
    """Scores (n,) at parameters (K, n)."""
    return rule.value(clipped(law, theta), y, event)


def gradient(law: Law, rule: ScoreRule, theta: Any, y: Any, event: Any) -> Any:
    """Gradients (K, n); beyond the bounds of a parameter, that at the bound."""
    import jax

    def total(at: Any) -> Any:
        return rule.value(at, y, event).sum()

    return jax.grad(total)(clipped(law, theta))


def natural_gradient(law: Law, rule: ScoreRule, theta: Any, y: Any, event: Any) -> Any:
    """Gradients multiplied by the inverse of the metric, (K, n)."""
    import jax.numpy as jnp

    at = clipped(law, theta)
    if rule.natural is not None:
        return rule.natural(at, y, event)
    assert rule.metric is not None
    slope, metric = gradient(law, rule, theta, y, event), rule.metric(at)
    if len(metric) == 1:
        return slope / metric[0][0]
    (a, b), (_, c) = metric
    first, second = slope
    if isinstance(b, float):
        return jnp.stack([first / a, second / c])
    size = a * c - b * b
    return jnp.stack([(c * first - b * second) / size, (a * second - b * first) / size])
