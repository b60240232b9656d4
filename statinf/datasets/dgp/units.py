"""Units with a distribution of outcomes each, and a running variable that decides their treatment."""

from __future__ import annotations

import numpy as np

from statinf.datasets.dgp.registry import Draw, count, dgp, real


@dgp("unit_distributions", reference="Van Dijcke (2025), arXiv 2504.03992, for the setting; the constants are ours")
def unit_distributions(
    n: int, rng: np.random.Generator, *, members: int = 30, shift: float = 1.0, stretch: float = 0.0
) -> Draw:
    """Draw n units and the outcomes of their members; units with x >= 0 are treated.

    The running variable x is uniform on (-1, 1). Outcomes of a unit are normal with a mean that is normal around ``5 + 5 x`` and
    a standard deviation ``|1 + x + e|``, e standard normal; treatment adds `shift` to each outcome and `stretch` times
    the standard deviation times its normal score: the effect on the mean tau-quantile is
    ``shift + stretch E|1 + e| z(tau)``.

    Parameters
    ----------
    n, rng
        Units and generator; there are `n` times `members` rows.
    members : int
    shift, stretch : float
    """
    members, shift, stretch = count("members", members), real("shift", shift), real("stretch", stretch)
    x = rng.uniform(-1.0, 1.0, n)
    mean, sd = 5.0 + 5.0 * x + rng.standard_normal(n), np.abs(1.0 + x + rng.standard_normal(n))
    unit, treated = np.repeat(np.arange(n), members), np.repeat(x >= 0.0, members)
    score = rng.standard_normal(n * members)
    y = mean[unit] + sd[unit] * score * (1.0 + stretch * treated) + shift * treated
    return {"y": y, "x": x[unit], "unit": unit}, {"shift": shift, "stretch": stretch}
