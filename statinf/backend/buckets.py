"""Padding of rows to a few standard lengths, so that a fit of similar size compiles nothing new."""

from __future__ import annotations

import numpy as np

_FLOOR = 256
_POWERS_UP_TO = 1 << 17
_STEP = 1 << 16
_GROWTH = 1.25


def bucket(n: int) -> int:
    """The padded length for `n` rows.

    Powers of two from 256 up to 2**17; beyond, a grid that grows by a quarter, rounded up to multiples
    of 2**16, so that at most a quarter of the work is padding where run time rules.

    Examples
    --------
    >>> from statinf.backend import bucket
    >>> bucket(900), bucket(1000), bucket(200_000)
    (1024, 1024, 262144)
    """
    if n <= _POWERS_UP_TO:
        return max(_FLOOR, 1 << max(int(n) - 1, 0).bit_length())
    size = _POWERS_UP_TO
    while size < n:
        size = -(-int(size * _GROWTH) // _STEP) * _STEP
    return size


def pad_axis(array: np.ndarray, length: int, *, axis: int = 0, value: float = 0.0) -> np.ndarray:
    """Lengthen one axis of an array to `length` with a constant; the array itself if it is that long."""
    array = np.asarray(array)
    missing = length - array.shape[axis]
    if missing == 0:
        return array
    shape = list(array.shape)
    shape[axis] = length
    out = np.empty(shape, dtype=array.dtype)
    index = [slice(None)] * array.ndim
    index[axis] = slice(0, array.shape[axis])
    out[tuple(index)] = array
    index[axis] = slice(array.shape[axis], length)
    out[tuple(index)] = value
    return out


def pad_rows(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Pad arrays that share their first axis to its bucket with zeros.

    Zero is the right padding where every use of a row is multiplied by its weight, since the weights
    are padded with zero as well. Sorting and logarithms need their own padding value: see `pad_axis`.
    """
    length = bucket(len(arrays[0]))
    return tuple(pad_axis(a, length) for a in arrays)
