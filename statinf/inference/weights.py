"""Random weights: every bootstrap is a matrix of weights, one row per replica."""

from __future__ import annotations

import numpy as np

from statinf.backend import generator
from statinf.errors import OptionError

BLOCK = 64
"""Replicas that share one random stream; chunks are multiples of it, so that results do not depend on them."""

LAWS = ("mammen", "rademacher", "webb", "normal", "exponential")
_SQRT5 = 5.0**0.5
_WEBB = np.array([-(1.5**0.5), -1.0, -(0.5**0.5), 0.5**0.5, 1.0, 1.5**0.5])


def draw(kind: str, n: int, start: int, stop: int, seed: int, law: str = "mammen") -> np.ndarray:
    """Weights of the replicas `start` to `stop`, shape (stop - start, n).

    Parameters
    ----------
    kind : {"pairs", "bayesian", "multiplier"}
        "pairs": multinomial counts, mean 1. "bayesian": exponential weights of mean exactly 1 in each
        replica (Rubin 1981). "multiplier": independent multipliers of mean 0 and variance 1 from `law`.
    n : int
        Rows, or clusters.
    start, stop : int
        `start` is a multiple of `BLOCK`.
    seed : int
    law : {"mammen", "rademacher", "webb", "normal", "exponential"}
        Of the multipliers; "mammen" is the two-point law with third moment 1 (Mammen 1993), "webb" the six-point law
        for few clusters (Webb 2014).
    """
    if start % BLOCK:
        raise OptionError(f"a chunk of replicas starts at a multiple of {BLOCK}, not at {start}.")
    out = np.empty((stop - start, n))
    for block in range(start, stop, BLOCK):
        rng = generator(seed, block // BLOCK)
        size = min(BLOCK, stop - block)
        target = out[block - start : block - start + size]
        if kind == "pairs":
            _counts(rng, target)
        elif kind == "bayesian":
            rng.standard_exponential(out=target)
            target *= 1.0 / target.mean(axis=1, keepdims=True)
        elif kind == "multiplier":
            _multipliers(rng, target, law)
        else:
            raise OptionError(f"kind={kind!r} of bootstrap weights is not known; choose pairs, bayesian or multiplier.")
    return out


def _counts(rng: np.random.Generator, target: np.ndarray) -> None:
    n = target.shape[1]
    for row in target:
        # 32-bit draws cost a third less than 64-bit ones; n is far below 2**32.
        row[:] = np.bincount(rng.integers(0, n, size=n, dtype=np.uint32), minlength=n)


def _multipliers(rng: np.random.Generator, target: np.ndarray, law: str) -> None:
    if law == "normal":
        rng.standard_normal(out=target)
    elif law == "exponential":
        rng.standard_exponential(out=target)
        target -= 1.0
    elif law == "rademacher":
        bits = np.unpackbits(np.frombuffer(rng.bytes(-(-target.size // 8)), dtype=np.uint8))[: target.size]
        np.subtract(2.0 * bits.reshape(target.shape), 1.0, out=target)
    elif law == "webb":
        target[:] = _WEBB[rng.integers(0, 6, size=target.shape, dtype=np.uint8)]
    elif law == "mammen":
        rng.random(out=target)
        low = (_SQRT5 + 1.0) / (2.0 * _SQRT5)
        target[:] = np.where(target < low, (1.0 - _SQRT5) / 2.0, (1.0 + _SQRT5) / 2.0)
    else:
        raise OptionError(f"law={law!r} is not known; choose one of {', '.join(map(repr, LAWS))}.")
