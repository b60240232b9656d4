"""Online beta scaling: the three parameters of the beta map, moved by an online Newton step after every outcome.

Gupta and Ramdas (2023), Online Platt Scaling with Calibeating, ICML, arXiv 2305.00070, appendix; the map sigmoid(a log p + b
log(1 - p) + c) is that of Kull, Silva Filho and Flach (2017). Estimand: as for `ops`, against the best fixed beta map.
The identity is a = 1, b = -1, c = 0. rho = 25 as in the authors' code.
"""

from __future__ import annotations

from statinf.conformity.forecasts.ops import METHOD as OPS
from statinf.conformity.forecasts.scaler import NewtonOptions, NewtonScaler
from statinf.numerics.recursions.newton_steps import newton_start
from statinf.results import Method

RHO = 25.0


def estimate(options: NewtonOptions) -> NewtonScaler:
    """The map before the first row."""
    start = (1.0, -1.0, 0.0) if options.start == "identity" else (0.0, 0.0, 0.0)
    return NewtonScaler(newton_start(start, RHO), True, options.gamma, options.radius, options.clip)


METHOD = Method(
    verb="calibrate_online",
    name="obs",
    estimate=estimate,
    options=NewtonOptions,
    summary="the three parameters of the beta map, moved by an online Newton step after every outcome",
    citation="Gupta and Ramdas (2023)",
    arxiv="2305.00070",
    guarantee="log-loss within O(log T) of the best fixed beta map, where the loss curves at least gamma times its squared slope",
    vignette="online-platt",
    traits=OPS.traits,
)
