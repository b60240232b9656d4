"""Unit directions that cover a sphere, and points that fill a ball."""

from __future__ import annotations

import numpy as np
from scipy import special

from statinf.backend import generator

_STREAM = 83


def sphere_directions(d: int, count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors (K, d) that hold both directions of every axis: even angles in the plane, random pairs in space.

    Parameters
    ----------
    d : int
    count : int
        How many are wanted; K is the next number that the pattern allows, two for d = 1.
    seed : int
        Of the random ones, for d of at least three.

    Examples
    --------
    >>> from statinf.numerics.geometry.directions import sphere_directions
    >>> sphere_directions(2, 4).round(6).tolist()
    [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    """
    if d == 1:
        return np.array([[1.0], [-1.0]])
    if d == 2:
        quarter = 0.5 * np.pi * np.arange(-(-count // 4)) / -(-count // 4)
        first = np.column_stack([np.cos(quarter), np.sin(quarter)])
        # Quarter turns are exact, so that opposite directions are.
        turned = np.column_stack([-first[:, 1], first[:, 0]])
        return np.concatenate([first, turned, -first, -turned]) + 0.0
    half = np.eye(d)
    more = max(0, -(-count // 2) - d)
    drawn = generator(seed, _STREAM).standard_normal((more, d))
    half = np.concatenate([half, drawn / np.linalg.norm(drawn, axis=1, keepdims=True)])
    return np.concatenate([half, -half]) + 0.0


def ball_points(d: int, count: int, radius: float) -> np.ndarray:
    """Points (count, d) that fill a ball around zero evenly."""
    uniform = _additive(d + 1, count)
    normal = special.ndtri(uniform[:, :d])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return radius * uniform[:, d:] ** (1.0 / d) * normal / np.where(length > 0, length, 1.0)


def box_points(lower: np.ndarray, upper: np.ndarray, count: int) -> np.ndarray:
    """Points (count, d) that fill a box evenly."""
    return lower + _additive(len(lower), count) * (upper - lower)


def _additive(d: int, count: int) -> np.ndarray:
    """Numbers in (0, 1), shape (count, d), of low discrepancy.

    Multiples modulo one of the inverse powers of the root of x^(d + 1) = x + 1 (Roberts, 2018).
    """
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (d + 1))
    steps = root ** -np.arange(1.0, d + 1)
    return np.clip((0.5 + np.arange(1, count + 1)[:, None] * steps) % 1.0, 1e-12, 1.0 - 1e-12)


def box_grid(lower: np.ndarray, upper: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """Midpoints (G, d) of equal cells that divide a box, about `count` of them, and the volume of a cell."""
    d = len(lower)
    per = max(2, round(count ** (1.0 / d)))
    step = (upper - lower) / per
    axes = [low + s * (np.arange(per) + 0.5) for low, s in zip(lower, step, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d), float(np.prod(step))
