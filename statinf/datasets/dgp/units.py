"""Units with a distribution of outcomes each, and a running variable that decides their treatment."""

from __future__ import annotations

import numpy as np

from statinf.datasets.dgp.registry import Draw, count, dgp, real


@dgp("unit_distributions", reference="Van Dijcke (2025), arXiv 2504.03992, for the setting; the constants are ours")
def unit_distributions(
    n: int, rng: np.random.Generator, *, members: int = 30, shift: float = 1.0, stretch: float = 0.0
) -> Draw:
    """Draw members of units; units with x >= 0 are treated.

    The running variable x is uniform on (-1, 1). Outcomes of a unit are normal with a mean that is normal around ``5 + 5 x`` and
    a standard deviation ``|1 + x + e|``, e standard normal; treatment adds `shift` to each outcome and `stretch` times
    the standard deviation times its normal score: the effect on the mean tau-quantile is
    ``shift + stretch E|1 + e| z(tau)``.

    Parameters
    ----------
    n, rng
        Rows and generator.
    members : int
        Rows of each unit; the last one may have fewer.
    shift, stretch : float
    """
    members, shift, stretch = count("members", members), real("shift", shift), real("stretch", stretch)
    unit = np.arange(n) // members
    units = int(unit[-1]) + 1
    x = rng.uniform(-1.0, 1.0, units)
    mean, sd = 5.0 + 5.0 * x + rng.standard_normal(units), np.abs(1.0 + x + rng.standard_normal(units))
    treated, score = x[unit] >= 0.0, rng.standard_normal(n)
    y = mean[unit] + sd[unit] * score * (1.0 + stretch * treated) + shift * treated
    return {"y": y, "x": x[unit], "unit": unit}, {"shift": shift, "stretch": stretch}
