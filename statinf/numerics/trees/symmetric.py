"""Gradient boosting of symmetric trees on binned columns, from sums over rows alone; several models at once.

In a symmetric tree all nodes of a level split at the same cut of the same column (Prokhorenkova et al. 2018, arXiv 1706.09516),
so that a row's leaf is a number of a few bits. What a level needs of the rows are sums of gradients and Hessians by node,
column and bin; whoever holds the rows, in one piece or in blocks, adds these up, and the trees are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import methodcaller
from typing import Any

import numpy as np

from statinf.backend import progress_bar
from statinf.brief import Brief

_TIE = 1e-10
"""Gains closer than this share of the scores are equal: rounding must not choose among them."""
_FEW = 4096
LevelSums = dict[int, np.ndarray]
"""By model: sums of gradients and of Hessians, shape (p, 2, nodes, bins)."""


@dataclass(frozen=True)
class TreePlan:
    """How trees are grown.

    Attributes
    ----------
    trees, depth, bins : int
    rate : float
        Share of each step that is taken.
    l2 : float
        Added to the sum of Hessians of a leaf, and of a side of a split: rows' worth of no effect.
    """

    trees: int
    depth: int
    bins: int
    rate: float
    l2: float


@dataclass(frozen=True, repr=False)
class SymmetricTrees(Brief):
    """Trees of M models, the last one perhaps half grown.

    Attributes
    ----------
    plan : TreePlan
    logistic : ndarray of bool, shape (M,)
        Whether values are log odds; means otherwise.
    start : ndarray, shape (M,)
    feature, cut : ndarray of int, shape (M, trees, depth)
        Rows whose bin is above the cut of a level get a one as the next bit of their leaf's number.
    leaf : ndarray, shape (M, trees, 2^depth)
    done : tuple of int
        Whole trees, and levels of the next one.
    """

    plan: TreePlan
    logistic: np.ndarray
    start: np.ndarray
    feature: np.ndarray
    cut: np.ndarray
    leaf: np.ndarray
    done: tuple[int, int] = (0, 0)

    @classmethod
    def planted(cls, plan: TreePlan, logistic: np.ndarray, start: np.ndarray) -> SymmetricTrees:
        """Models without a tree."""
        shape = (len(start), plan.trees, plan.depth)
        none = np.zeros(shape, np.int32)
        return cls(plan, logistic, start, none, none, np.zeros((*shape[:2], 2**plan.depth)))

    @property
    def size(self) -> int:
        """Models."""
        return len(self.start)

    @property
    def whole(self) -> bool:
        """Whether all trees are grown."""
        return self.done[0] == self.plan.trees

    def grown(self, sums: LevelSums) -> SymmetricTrees:
        """With one more level of each model, from the sums over all rows."""
        tree, level = self.done
        feature, cut, leaf = self.feature.copy(), self.cut.copy(), self.leaf
        last = level + 1 == self.plan.depth
        leaf = leaf.copy() if last else leaf
        for m, found in sums.items():
            left = np.cumsum(found, axis=3)
            feature[m, tree, level], cut[m, tree, level] = best_split(left, self.plan.l2)
            if last:
                leaf[m, tree] = self._leaves(left, feature[m, tree, level], cut[m, tree, level])
        done = (tree + 1, 0) if last else (tree, level + 1)
        return replace(self, feature=feature, cut=cut, leaf=leaf, done=done)

    def _leaves(self, left: np.ndarray, feature: int, cut: int) -> np.ndarray:
        """Steps of the leaves of a tree, shape (2^depth,)."""
        below = left[feature, :, :, cut]
        sides = np.stack([below, left[feature, :, :, -1] - below], axis=2).reshape(2, -1)
        mass = np.maximum(sides[1], 0.0) + self.plan.l2
        return -self.plan.rate * np.divide(sides[0], mass, out=np.zeros(len(mass)), where=mass > 1e-9)

    def values(self, codes: np.ndarray, model: int) -> np.ndarray:
        """Means or log odds of a model in rows with bins (p, n), shape (n,)."""
        out = np.full(codes.shape[1], self.start[model])
        for tree in range(self.done[0]):
            out += self.leaf[model, tree][self.nodes(codes, model, tree, self.plan.depth)]
        return out

    def nodes(self, codes: np.ndarray, model: int, tree: int, levels: int) -> np.ndarray:
        """Nodes (n,) that rows reach after some levels of a tree."""
        node = np.zeros(codes.shape[1], np.uint8)
        for level in range(levels):
            node <<= 1
            node |= codes[self.feature[model, tree, level]] > self.cut[model, tree, level]
        return node


def best_split(left: np.ndarray, l2: float) -> tuple[int, int]:
    """Column and cut that lower the loss most, one cut for all nodes, from sums cumulated over bins (p, 2, nodes, bins).

    Among equal gains the first column wins, and its first cut. The last cut, beyond which no row lies, is no split.
    """
    whole = left[:1, :, :, -1:]
    score = _score(left[:, 0], left[:, 1], l2) + _score(whole[:, 0] - left[:, 0], whole[:, 1] - left[:, 1], l2)
    score = score.sum(axis=1)
    score[:, -1] = _score(whole[:, 0], whole[:, 1], l2).sum()
    top = score.max()
    if not top - score[0, -1] > _TIE * top:
        return 0, score.shape[1] - 1
    first = int(np.argmax(score.ravel() >= top - _TIE * top))
    return first // score.shape[1], first % score.shape[1]


def _score(gradient: np.ndarray, mass: np.ndarray, l2: float) -> np.ndarray:
    """What a side of a split lowers the loss by, times two."""
    mass = np.maximum(mass, 0.0) + l2
    return np.divide(gradient**2, mass, out=np.zeros(np.broadcast_shapes(gradient.shape)), where=mass > 1e-9)


class BinnedRows:
    """Rows that the same models learn from, with how far each model has come on them.

    Parameters
    ----------
    codes : ndarray of uint8, shape (p, n)
    targets : mapping of int to ndarray, shape (n,)
        By model.
    w : ndarray, shape (n,), or None
        None for ones.
    """

    def __init__(self, codes: np.ndarray, targets: dict[int, np.ndarray], w: np.ndarray | None) -> None:
        self.codes, self.targets, self.w = codes, targets, w
        self.value: dict[int, np.ndarray] = {}
        self.node: dict[int, np.ndarray] = {}
        self.at = (0, 0)

    @classmethod
    def joined(cls, pieces: Sequence[BinnedRows]) -> BinnedRows:
        """Pieces of the same models in one."""
        first = pieces[0]
        targets: dict[int, np.ndarray] = {}
        made: dict[int, np.ndarray] = {}
        for m, y in first.targets.items():
            # Models of one target share its array.
            if id(y) not in made:
                made[id(y)] = np.concatenate([one.targets[m] for one in pieces])
            targets[m] = made[id(y)]
        plain = all(one.w is None for one in pieces)
        w = None if plain else np.concatenate([np.ones(one.size) if one.w is None else one.w for one in pieces])
        return cls(np.concatenate([one.codes for one in pieces], axis=1), targets, w)

    @property
    def size(self) -> int:
        """Rows."""
        return self.codes.shape[1]

    def first(self) -> dict[int, np.ndarray]:
        """By model: sums of weights and of weighted targets, shape (2,)."""
        out = {}
        for m, y in self.targets.items():
            mass = float(self.size) if self.w is None else self.w.sum()
            out[m] = np.array([mass, y.sum() if self.w is None else self.w @ y])
        return out

    def level(self, trees: SymmetricTrees) -> LevelSums:
        """Sums for the next level; rows that were asked for the level before go on from there."""
        self._follow(trees)
        return {m: self._sums(trees, m) for m in self.targets}

    def _follow(self, trees: SymmetricTrees) -> None:
        """Bring values and nodes to where the trees are."""
        tree, level = trees.done
        for m in self.targets:
            if m not in self.value:
                self.value[m] = np.full(self.size, trees.start[m])
            for grown in range(self.at[0], tree):
                node = trees.nodes(self.codes, m, grown, trees.plan.depth)
                self.value[m] += trees.leaf[m, grown][node]
            if level and self.at == (tree, level - 1) and level > 1:
                last = trees.feature[m, tree, level - 1], trees.cut[m, tree, level - 1]
                self.node[m] = (self.node[m] << 1) | (self.codes[last[0]] > last[1])
            else:
                self.node[m] = trees.nodes(self.codes, m, tree, level) if level else np.zeros(0, np.uint8)
        self.at = (tree, level)

    def _sums(self, trees: SymmetricTrees, m: int) -> np.ndarray:
        nodes, bins = 2 ** trees.done[1], trees.plan.bins
        gradient, hessian = self._derivatives(trees.logistic[m], m)
        base = self.node[m].astype(np.intp) * bins if trees.done[1] else None
        p, cells = len(self.codes), nodes * bins
        if self.size < _FEW:
            # One call for all columns.
            at = self.codes + cells * np.arange(p)[:, None] + (0 if base is None else base)
            both = [
                np.bincount(at.ravel(), None if v is None else np.tile(v, p), p * cells) for v in (gradient, hessian)
            ]
            return np.stack([v.reshape(p, nodes, bins) for v in both], axis=1)
        out = np.empty((p, 2, cells))
        for own, code in zip(out, self.codes, strict=True):
            at = code.astype(np.intp) if base is None else base + code
            own[0] = np.bincount(at, gradient, cells)
            own[1] = np.bincount(at, hessian, cells)
        return out.reshape(p, 2, nodes, bins)

    def _derivatives(self, logistic: bool, m: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Gradients and Hessians (n,) of half the squared, or of the logistic loss; None for ones."""
        if not logistic:
            away = self.value[m] - self.targets[m]
            return (away, None) if self.w is None else (away * self.w, self.w)
        mean = 1.0 / (1.0 + np.exp(-np.clip(self.value[m], -500.0, 500.0)))
        gradient, hessian = mean - self.targets[m], mean * (1.0 - mean)
        return (gradient, hessian) if self.w is None else (gradient * self.w, hessian * self.w)


def grow(
    plan: TreePlan, logistic: np.ndarray, total: Callable[[Callable[[BinnedRows], Any]], Any], show: bool | None = None
) -> SymmetricTrees:
    """Grow all models, one level of each at a time.

    Parameters
    ----------
    plan : TreePlan
    logistic : ndarray of bool, shape (M,)
    total : callable
        The sum of a function of `BinnedRows` over all rows; the function is picklable.
    show : bool, optional
        Progress bar.
    """
    found = total(methodcaller("first"))
    start = np.array([first_value(found[m][1] / found[m][0], bool(odds)) for m, odds in enumerate(logistic)])
    trees = SymmetricTrees.planted(plan, logistic, start)
    for _ in progress_bar(range(plan.trees * plan.depth), label="growing trees", show=show):
        trees = trees.grown(total(methodcaller("level", trees)))
    return trees


def first_value(mean: float, logistic: bool) -> float:
    """Where a model starts from a mean: there, or at its log odds, which are kept finite."""
    if not logistic:
        return mean
    inside = min(max(mean, 1e-12), 1.0 - 1e-12)
    return float(np.log(inside / (1.0 - inside)))
