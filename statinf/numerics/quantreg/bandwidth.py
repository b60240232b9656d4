"""Windows of levels in which densities of quantiles are estimated."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from statinf.errors import NotIdentifiedError, one_of

BANDWIDTHS = ("hall-sheather", "bofinger")


def normal_density(x: np.ndarray) -> np.ndarray:
    """Standard normal density; scipy.stats, which has it too, takes most of a second to import."""
    return np.exp(-0.5 * np.square(x)) / np.sqrt(2.0 * np.pi)


def bandwidth(n: int, tau: float, rule: str = "hall-sheather") -> float:
    """Half-width, on the scale of levels, of the window in which a density at level `tau` is estimated.

    Parameters
    ----------
    n : int
    tau : float
    rule : {"hall-sheather", "bofinger"}
        Hall and Sheather (1988) at 95 %, which suits intervals; Bofinger (1975), which suits the density itself.
    """
    return float(bandwidths(n, np.array([tau]), rule)[0])


def bandwidths(n: int, taus: np.ndarray, rule: str = "hall-sheather") -> np.ndarray:
    """`bandwidth` at several levels (k,)."""
    one_of("bandwidth", rule, BANDWIDTHS)
    x = ndtri(taus)
    f = normal_density(x)
    if rule == "bofinger":
        return n**-0.2 * (4.5 * f**4 / (2 * x**2 + 1) ** 2) ** 0.2
    return n ** (-1 / 3) * ndtri(0.975) ** (2 / 3) * (1.5 * f**2 / (2 * x**2 + 1)) ** (1 / 3)


def inside(tau: float, h: float) -> float:
    """The window halved until both ends are levels."""
    while tau - h < 0 or tau + h > 1:
        h /= 2
    return h


def kernel_densities(residual: np.ndarray, tau: float, rule: str, kind: str) -> np.ndarray:
    """Kernel weights of residuals (n,) at zero, whose weighted mean estimates their density there (Powell 1991).

    Parameters
    ----------
    residual : ndarray, shape (n,)
    tau : float
    rule : {"hall-sheather", "bofinger"}
    kind : {"ker", "uniform"}
        A Gaussian or a uniform kernel.

    Raises
    ------
    NotIdentifiedError
        If half of the residuals are equal.
    """
    h = inside(tau, bandwidth(len(residual), tau, rule))
    levels = ndtri(tau + h) - ndtri(tau - h)
    if kind == "ker":
        reach = levels * min(residual.std(ddof=1), np.subtract(*np.quantile(residual, [0.75, 0.25])) / 1.34)
    else:
        reach = levels * np.median(np.abs(residual - np.median(residual)))
    if not reach > 0:
        raise NotIdentifiedError(
            f"half of the residuals at tau={tau:g} are equal, so that their density has no kernel estimate; use "
            "vcov='boot'."
        )
    if kind == "ker":
        return normal_density(residual / reach) / reach
    return (np.abs(residual) <= reach) / (2 * reach)
