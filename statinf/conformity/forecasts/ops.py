"""Online Platt scaling: the two parameters of Platt's map, moved by an online Newton step after every outcome.

Gupta and Ramdas (2023), Online Platt Scaling with Calibeating, ICML, arXiv 2305.00070. With l = log(p / (1 - p)) the map is
sigmoid(a l + b). Estimand: probabilities whose log-loss is, for every sequence of forecasts and outcomes along which the
log-loss curves at least gamma times its squared slope between the maps that are compared, within O(log T) of that of the best
fixed map of a bounded norm: the excess over (a, b) is at most log(1 + sum |g|^2 / (2 rho)) / gamma + gamma rho |(a, b) -
start|^2 / 2, with gradients g and rho = 100. A large gamma loses this: the map hardly moves. The paper's
defaults; its code starts at zero, the paper at the identity.
"""

from __future__ import annotations

from statinf.conformity.forecasts.scaler import NewtonOptions, NewtonScaler
from statinf.numerics.recursions.newton_steps import newton_start
from statinf.results import Method

RHO = 100.0


def estimate(options: NewtonOptions) -> NewtonScaler:
    """The map before the first row."""
    start = (1.0, 0.0) if options.start == "identity" else (0.0, 0.0)
    return NewtonScaler(newton_start(start, RHO), False, options.gamma, options.radius, options.clip)


METHOD = Method(
    verb="calibrate_online",
    name="ops",
    estimate=estimate,
    options=NewtonOptions,
    summary="Platt's slope and intercept, moved by an online Newton step after every outcome",
    citation="Gupta and Ramdas (2023)",
    arxiv="2305.00070",
    guarantee="log-loss within O(log T) of the best fixed Platt map, where the loss curves at least gamma times its squared slope",
    vignette="online-platt",
    traits={
        "column shift": "a forecast is a probability, which has no unit",
        "column scale": "a forecast is a probability, which has no unit",
    },
)
