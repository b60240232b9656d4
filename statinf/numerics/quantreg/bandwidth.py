"""Windows of levels in which densities of quantiles are estimated."""

from __future__ import annotations

from scipy.stats import norm

from statinf.errors import one_of

BANDWIDTHS = ("hall-sheather", "bofinger")


def bandwidth(n: int, tau: float, rule: str = "hall-sheather") -> float:
    """Half-width, on the scale of levels, of the window in which a density at level `tau` is estimated.

    Parameters
    ----------
    n : int
    tau : float
    rule : {"hall-sheather", "bofinger"}
        Hall and Sheather (1988) at 95 %, which suits intervals; Bofinger (1975), which suits the density itself.
    """
    one_of("bandwidth", rule, BANDWIDTHS)
    x, f = norm.ppf(tau), norm.pdf(norm.ppf(tau))
    if rule == "bofinger":
        return float(n**-0.2 * (4.5 * f**4 / (2 * x**2 + 1) ** 2) ** 0.2)
    return float(n ** (-1 / 3) * norm.ppf(0.975) ** (2 / 3) * (1.5 * f**2 / (2 * x**2 + 1)) ** (1 / 3))


def inside(tau: float, h: float) -> float:
    """The window halved until both ends are levels."""
    while tau - h < 0 or tau + h > 1:
        h /= 2
    return h
