"""Paths of states on grids of time, as arrays, and sums along them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from statinf.brief import Brief


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Paths(Brief):
    """Rows of episodes, one episode after the other, each in the order of time.

    Attributes
    ----------
    x : ndarray, shape (n, p)
        Columns of the states.
    reward : ndarray, shape (n,)
        Reward per unit of time, from each row to the next.
    time : ndarray, shape (n,)
    episode : ndarray of int, shape (n,)
    terminal : ndarray, shape (n,), or None
        What is paid at the last row of each episode, zero in the others; None where paths go on after their last row.
    discount : float
        Rate per unit of time.
    """

    x: np.ndarray
    reward: np.ndarray
    time: np.ndarray
    episode: np.ndarray
    terminal: np.ndarray | None
    discount: float

    @cached_property
    def last(self) -> np.ndarray:
        """Last rows of episodes, shape (n,) bool."""
        return np.append(self.episode[1:] != self.episode[:-1], True)

    @cached_property
    def first(self) -> np.ndarray:
        """First rows of episodes, shape (n,) bool."""
        return np.append(True, self.last[:-1])

    @cached_property
    def dt(self) -> np.ndarray:
        """Time to the next row of the episode, shape (n,); zero in last rows."""
        return np.where(self.last, 0.0, np.diff(self.time, append=self.time[-1:]))

    @property
    def episodes(self) -> int:
        return int(np.count_nonzero(self.last))

    def following(self, values: np.ndarray) -> np.ndarray:
        """Values (n, ...) at the next row of the episode; zero in last rows."""
        out = np.zeros_like(values)
        out[:-1] = values[1:]
        out[self.last] = 0.0
        return out

    def lagged(self, values: np.ndarray, lag: int = 1) -> np.ndarray:
        """Values (n, ...) `lag` rows before, within the episode; zero where there is none."""
        out = np.zeros_like(values)
        out[lag:] = values[:-lag]
        out[lag:][self.episode[lag:] != self.episode[:-lag]] = 0.0
        out[:lag] = 0.0
        return out

    def returns(self) -> np.ndarray:
        """Discounted rewards from each row to the end of its episode, what is paid there included, shape (n,)."""
        paid = np.zeros(len(self.reward)) if self.terminal is None else self.terminal
        kept = np.where(self.last, 0.0, np.exp(-self.discount * self.dt))
        return backwards(kept, np.where(self.last, paid, self.reward * self.dt))

    def thinned(self) -> Paths:
        """Every other row of each episode, and its last."""
        begun = np.flatnonzero(self.first)
        place = np.arange(len(self.time)) - np.repeat(begun, np.diff(np.append(begun, len(self.time))))
        keep = (place % 2 == 0) | self.last
        some = {name: getattr(self, name)[keep] for name in ("x", "reward", "time", "episode")}
        return replace(self, **some, terminal=None if self.terminal is None else self.terminal[keep])


def backwards(factor: np.ndarray, added: np.ndarray) -> np.ndarray:
    """The solution of v_k = added_k + factor_k v_{k+1}, shape of `added`: (n,) or (n, d).

    Sums of twice as many rows in each pass, so that log2 of the longest episode passes suffice; nothing is divided by a
    product of factors, which long paths would make zero.

    Parameters
    ----------
    factor : ndarray, shape (n,)
        In [0, 1]; zero in rows whose sum ends with themselves.
    added : ndarray, shape (n,) or (n, d)
    """
    out, reach = added.copy(), factor.copy()
    reach[-1] = 0.0
    step = 1
    while step < len(out) and reach.any():
        far = reach[:-step] if out.ndim == 1 else reach[:-step, None]
        out[:-step] += far * out[step:]
        reach[:-step] *= reach[step:]
        step *= 2
    return out


def forwards(factor: np.ndarray, added: np.ndarray) -> np.ndarray:
    """The solution of v_k = added_k + factor_k v_{k-1}, shape of `added`; see `backwards`."""
    return np.ascontiguousarray(backwards(factor[::-1], added[::-1])[::-1])
