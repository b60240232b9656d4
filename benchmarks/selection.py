"""Selection by scores beside two sorts, and beside the authors' algorithm of one step-up procedure per new row."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.harness import compare
from statinf.conformity.selection.scores import select_from_scores


def two_sorts(old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least that any procedure on ranks costs."""
    return np.sort(old), np.sort(new)


def per_row(old: np.ndarray, new: np.ndarray, w: np.ndarray, own: np.ndarray, fdr: float, u: float) -> np.ndarray:
    """`weighted_CS` of the authors' package ConfSelect 0.1.0 with rand = "homo" in NumPy, vectorised within each new row."""
    m, total = len(new), w.sum()
    order = np.argsort(old, kind="stable")
    mass = np.append(0.0, np.cumsum(w[order]))
    below = mass[np.searchsorted(old[order], new, side="left")]
    upto = mass[np.searchsorted(old[order], new, side="right")]
    sizes = np.empty(m, int)
    rank = fdr * (1.0 + 1e-12) * np.arange(1, m + 1) / m
    for j in range(m):
        p = (below + own[j] * (new[j] < new)) / (total + own[j])
        p[j] = 0.0
        sizes[j] = np.flatnonzero(np.sort(p) <= rank)[-1] + 1
    p = (upto + own) / (total + own)
    first = p <= fdr * (1.0 + 1e-12) * sizes / m
    ranked = np.sort(u * sizes[first])
    reached = np.flatnonzero(ranked <= np.arange(1, len(ranked) + 1))
    return first & (u * sizes <= (reached[-1] + 1 if len(reached) else 0))


def main() -> None:
    """Run every comparison."""
    rng = np.random.default_rng(0)
    n = 100_000
    y = rng.normal(size=n)
    prediction = y + rng.normal(size=n)
    for name, shift, clip in (
        ("clip scores", 0.0, True),
        ("residual scores", -0.5, False),
        ("all new rows small", -6.0, False),
    ):
        old = np.where(y > 0, np.inf, -prediction) if clip else rng.normal(size=n)
        new = -(rng.normal(size=n) + rng.normal(size=n)) if clip else rng.normal(size=n) + shift
        compare(
            f"cs, 1e5 + 1e5 rows, {name}",
            partial(select_from_scores, old, new),
            partial(two_sorts, old, new),
            repeat=25,
            peer_name="two sorts",
            peer_version="",
            family="selection",
            note="ours does all of the selection, the other side sorts both arrays only",
        )
    m = 3000
    old, new = rng.normal(size=m), rng.normal(size=m) - 0.7
    w, own = np.exp(0.5 * rng.normal(size=(2, m)))
    draw = 1.0 - np.random.Generator(np.random.SFC64(np.random.SeedSequence(0, spawn_key=(53,)))).random()
    compare(
        "weighted cs, 3e3 + 3e3 rows, homogeneous",
        partial(select_from_scores, old, new, w, own, 0.1),
        partial(per_row, old, new, w, own, 0.1, draw),
        repeat=3,
        check=lambda a, b: float(np.sum(a != b)),
        peer_name="one procedure per row",
        peer_version="",
        family="selection",
        note="the algorithm of the authors' R code in NumPy; error: rows on which the two differ",
    )
    old, new = rng.normal(size=n), rng.normal(size=n) - 0.7
    w, own = np.exp(0.5 * rng.normal(size=(2, n)))
    compare(
        "weighted cs, 1e5 + 1e5 rows, homogeneous",
        partial(select_from_scores, old, new, w, own, 0.1),
        repeat=5,
        family="selection",
    )
    C, T = rng.normal(size=(24, 10_000)), rng.normal(size=(24, 10_000)) - 0.5
    compare(
        "optcs-msel, 24 models, 1e4 + 1e4 rows",
        partial(select_from_scores, C, T, fdr=0.2),
        repeat=5,
        family="selection",
    )


if __name__ == "__main__":
    main()
