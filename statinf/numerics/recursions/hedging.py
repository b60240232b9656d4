"""Foster's randomised forecaster in each of several bins, which no sequence of outcomes can miscalibrate.

Foster (1999), A proof of calibration via Blackwell's approachability theorem, Games and Economic Behavior 29. Forecasts are the
middles of equal bins of [0, 1]. One is good whose outcomes' mean so far lies in its bin; else two neighbours are mixed so
that their errors cancel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import kernel
from statinf.numerics.recursions.scanning import step_of


def hedge_start(bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Times that each forecast was played in each bin, and ones seen then, shape (bins, bins) each."""
    return np.zeros((bins, bins)), np.zeros((bins, bins))


def _play(counts: Any, ones: Any, own: Any, uniform: Any) -> Any:
    """The forecast's number in the game of a bin whose records are (bins,) each; JAX."""
    import jax.numpy as jnp

    bins = counts.shape[-1]
    number = jnp.arange(bins)
    low, high = number / bins, (number + 1) / bins
    mean = jnp.where(counts > 0, ones / jnp.maximum(counts, 1.0), (low + high) / 2.0)
    short, over = low - mean, mean - high
    good = (short <= 0.0) & (over <= 0.0)
    above = jnp.argmax(short > 0.0)
    up, down = short[above], over[above - 1]
    mixed = jnp.where(uniform * (up + down) < up, above - 1, above)
    return jnp.where(good[own], own, jnp.where(good.any(), jnp.argmax(good), mixed))


@kernel
def hedge(carry: Any, live: Any, rows: Any, constants: Any) -> Any:
    """Forecasts of a game per bin.

    Parameters
    ----------
    carry : tuple of arrays, shape (bins, bins) each
        As `hedge_start` makes it.
    rows : tuple of bin numbers, uniform draws and outcomes, shape (n,) each
    constants : tuple, empty

    Returns
    -------
    carry
    outputs : tuple of forecast numbers, shape (n,)
    """
    from jax import lax

    def update(state: Any, row: Any) -> Any:
        counts, ones = state
        own, uniform, outcome = row
        played = _play(counts[own], ones[own], own, uniform)
        return (counts.at[own, played].add(1.0), ones.at[own, played].add(outcome)), (played,)

    return lax.scan(step_of(update), carry, (live, rows))


@kernel
def hedge_ahead(counts: Any, ones: Any, own: Any, uniform: Any) -> Any:
    """What would be played next in each bin number of `own` (n,), with the draw `uniform`."""
    import jax

    return jax.vmap(lambda b: _play(counts[b], ones[b], b, uniform))(own)
