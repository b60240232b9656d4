"""Bootstrap multipliers of rows told by their places, and the sums of rows that they perturb.

The multiplier of a row in a replica is a pure function of the seed, the row's place in the table and the replica: the Philox
counter generator (Salmon et al. 2011) is set to where the row stands. However rows are cut into blocks, and whoever sums them,
the draws are the same; the first replicas of a long run are those of a short one.
"""

from __future__ import annotations

import numpy as np

from statinf.errors import OptionError
from statinf.inference.weights import BLOCK, LAWS

_TILE = 8192
_SIXTEEN = 1 << 16
_LOW = round(_SIXTEEN * (5.0**0.5 + 1.0) / (2.0 * 5.0**0.5))
"""Of 65,536 sixteen-bit numbers so many fall on Mammen's lower point."""
_P = _LOW / _SIXTEEN
_POINTS = {"mammen": (-(((1.0 - _P) / _P) ** 0.5), (_P / (1.0 - _P)) ** 0.5), "rademacher": (-1.0, 1.0)}
"""Two points with mean zero and variance one, exactly."""
_WEBB = np.array([-(1.5**0.5), -1.0, -(0.5**0.5), 0.5**0.5, 1.0, 1.5**0.5])
_COUNTERS = {"mammen": 4, "rademacher": 1}
"""Counters of 32 bytes that the 64 replicas of a row take; of other laws eight, four bytes a replica."""


def row_multipliers(first: int, count: int, replicas: int, *, law: str = "mammen", seed: int = 0) -> np.ndarray:
    """Multipliers of the rows `first` to `first + count`, of mean zero and variance one.

    Parameters
    ----------
    first : int
        Place of the first row, from 0.
    count, replicas : int
    law : {"mammen", "rademacher", "webb", "normal", "exponential"}
    seed : int

    Returns
    -------
    ndarray, shape (count, replicas)

    Examples
    --------
    >>> whole = row_multipliers(0, 10, 100, seed=1)
    >>> bool((row_multipliers(7, 3, 30, seed=1) == whole[7:, :30]).all())
    True
    """
    low, span = _affine(law)
    groups = range(-(-replicas // BLOCK))
    parts = [low + span * _drawn(law, _key(seed), first, count, group) for group in groups]
    return np.concatenate(parts, axis=1)[:, :replicas]


def multiplied_sums(rows: np.ndarray, first: int, replicas: int, *, law: str, seed: int) -> np.ndarray:
    """Sums of rows times their multipliers in each replica.

    Parameters
    ----------
    rows : ndarray, shape (n, q)
    first : int
        Place of the first row in the table; the others follow it.
    replicas : int
    law : str
    seed : int

    Returns
    -------
    ndarray, shape (replicas, q)
    """
    (low, span), key = _affine(law), _key(seed)
    groups = -(-replicas // BLOCK)
    out = np.zeros((groups * BLOCK, rows.shape[1]))
    for start in range(0, len(rows), _TILE):
        part = rows[start : start + _TILE]
        for group in range(groups):
            drawn = _drawn(law, key, first + start, len(part), group)
            out[group * BLOCK : (group + 1) * BLOCK] += np.dot(drawn.T, part)
    return span * out[:replicas] + low * rows.sum(axis=0)


def _affine(law: str) -> tuple[float, float]:
    """What takes numbers drawn to multipliers: a + b times them."""
    if law not in LAWS:
        raise OptionError(f"law={law!r} is not known; choose one of {', '.join(map(repr, LAWS))}.")
    if law in _POINTS:
        low, high = _POINTS[law]
        return low, high - low
    return (-1.0, 1.0) if law == "exponential" else (0.0, 1.0)


def _key(seed: int) -> np.ndarray:
    return np.random.SeedSequence(seed).generate_state(2, dtype=np.uint64)


def _drawn(law: str, key: np.ndarray, first: int, count: int, group: int) -> np.ndarray:
    """Numbers of some rows in the replicas of a group, shape (count, 64)."""
    each = _COUNTERS.get(law, 8)
    counter = np.array([first * each, group, 0, 0], dtype=np.uint64)
    raw = np.random.Philox(key=key, counter=counter).random_raw(4 * each * count)
    if law == "mammen":
        return (raw.view(np.uint16).reshape(count, BLOCK) >= _LOW).astype(np.float64)
    if law == "rademacher":
        # Of the 256 bits of a counter the first 64 are used.
        return np.unpackbits(raw.view(np.uint8).reshape(count, 32)[:, : BLOCK // 8], axis=1).astype(np.float64)
    words = raw.view(np.uint32).reshape(count, BLOCK)
    if law == "webb":
        return _WEBB[(words.astype(np.uint64) * np.uint64(6)) >> np.uint64(32)]
    uniform = (words + 0.5) * 2.0**-32
    if law == "exponential":
        return -np.log(uniform)
    from scipy.special import ndtri

    return ndtri(uniform)
