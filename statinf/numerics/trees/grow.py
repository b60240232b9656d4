"""Least-squares trees grown level by level from histograms, several targets on the same rows at once.

For each level the sums of weight and of weighted target by node, feature and bin are one pass over the binned rows; all
splits of all nodes follow from their cumulated sums. A row of weight zero counts for nothing, so folds, subsamples,
held-out rows and padding are weights; every row, of whatever weight, is told its leaf.
"""

from __future__ import annotations

from typing import Any, NamedTuple

_TIE = 1e-10
"""Gains closer than this share of the node's sum of squares are equal: rounding must not choose among them."""


class Grown(NamedTuple):
    """Trees of depth D on n rows; nodes of level d stand at 2^d - 1 and after.

    feature, cut : (targets, 2^D - 1) int
        Rows of a bin above the cut go right. A node without a split sends every row left.
    gain : (targets, 2^D - 1)
        By how much each split lowers the weighted sum of squares.
    leaf : (targets, 2^D)
        Weighted mean of the target; zero where no row of positive weight arrives.
    fitted : (targets, n)
    """

    feature: Any
    cut: Any
    gain: Any
    leaf: Any
    fitted: Any


def grow(codes: Any, targets: Any, w: Any, columns: Any, min_leaf: Any, *, depth: int, bins: int) -> Grown:
    """Grow one tree per target; for use inside a kernel.

    Parameters
    ----------
    codes : (p, n) integers below `bins`
    targets : (K, n)
    w : (n,)
    columns : (p,) bool
        Features that may be split on.
    min_leaf : float
        Least weight of a leaf.
    depth, bins : int
    """
    import jax

    def one(target: Any) -> Grown:
        return _tree(codes, target, w, columns, min_leaf, depth, bins)

    # One after the other: histograms are scatters of single numbers, which batching would slow down.
    return jax.lax.map(one, targets)


def _tree(codes: Any, target: Any, w: Any, columns: Any, min_leaf: Any, depth: int, bins: int) -> Grown:
    import jax
    import jax.numpy as jnp

    product, rows = w * target, jnp.arange(codes.shape[1])
    nodes = 2 ** (depth - 1)

    def level(node: Any, _: Any) -> tuple[Any, Any]:
        # Every level has room for the nodes of the last, so that one program serves all.
        sums = _histograms(codes, node, product, w, nodes, bins)
        feature, cut, gain = _splits(sums, columns, min_leaf)
        here = codes.at[feature[node], rows].get(mode="promise_in_bounds")
        return 2 * node + (here > cut[node]).astype(jnp.int32), (feature, cut, gain)

    node, levels = jax.lax.scan(level, jnp.zeros(codes.shape[1], jnp.int32), None, length=depth)
    sums, weights = (jnp.zeros(2**depth).at[node].add(v, mode="promise_in_bounds") for v in (product, w))
    leaf = jnp.where(weights > 0.0, sums / jnp.where(weights > 0.0, weights, 1.0), 0.0)
    feature, cut, gain = (jnp.concatenate([part[d, : 2**d] for d in range(depth)]) for part in levels)
    return Grown(feature, cut, gain, leaf, leaf.at[node].get(mode="promise_in_bounds"))


def _histograms(codes: Any, node: Any, product: Any, w: Any, nodes: int, bins: int) -> Any:
    """Sums of `product` and of `w` by feature, node and bin, shape (p, 2, nodes, bins)."""
    import jax
    import jax.numpy as jnp

    start = node * bins

    def of_feature(code: Any) -> Any:
        at = start + code.astype(jnp.int32)
        empty = jnp.zeros(nodes * bins)
        found = [empty.at[at].add(v, mode="promise_in_bounds") for v in (product, w)]
        return jnp.stack(found).reshape(2, nodes, bins)

    return jax.lax.map(of_feature, codes)


def _splits(sums: Any, columns: Any, min_leaf: Any) -> tuple[Any, Any, Any]:
    """Feature, cut and gain of each node's best split, each (nodes,).

    Among equal gains the first feature wins, and the middle one of the cuts that part the rows in the same way.
    """
    import jax.numpy as jnp

    p, _, nodes, bins = sums.shape
    cumulated = jnp.cumsum(sums, axis=3)
    left, left_weight = cumulated[:, 0], cumulated[:, 1]
    whole, mass = left[:1, :, -1:], left_weight[:1, :, -1:]
    right, right_weight = whole - left, mass - left_weight
    # Sums that should be equal differ by rounding: an empty side weighs next to nothing, never exactly that.
    least = jnp.maximum(min_leaf, 1e-9)
    enough = (left_weight >= least - 1e-9) & (right_weight >= least - 1e-9) & columns[:, None, None]
    enough &= (left_weight > 0.5e-9) & (right_weight > 0.5e-9)
    base = whole**2 / jnp.where(mass > 0.0, mass, 1.0)
    parted = left**2 / jnp.where(enough, left_weight, 1.0) + right**2 / jnp.where(enough, right_weight, 1.0)
    gains = jnp.where(enough, parted - base, -jnp.inf).swapaxes(0, 1).reshape(nodes, p * bins)
    parted = jnp.where(enough, parted, 0.0).swapaxes(0, 1).reshape(nodes, p * bins)
    best = gains.max(axis=1)
    slack = _TIE * parted.max(axis=1)
    first = jnp.argmax(gains >= (best - slack)[:, None], axis=1)
    feature, cut = (first // bins).astype(jnp.int32), first % bins
    weights_there = left_weight[feature, jnp.arange(nodes)]
    same = weights_there <= jnp.take_along_axis(weights_there, cut[:, None], axis=1) + 1e-9
    last = bins - 1 - jnp.argmax(same[:, ::-1], axis=1)
    splits = best > slack
    middle = ((cut + last) // 2).astype(jnp.int32)
    nothing = jnp.int32(bins - 1)
    return (
        jnp.where(splits, feature, 0),
        jnp.where(splits, middle, nothing),
        jnp.where(splits, best, 0.0),
    )
