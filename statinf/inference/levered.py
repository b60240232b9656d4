"""How residuals are scaled by leverage: HC2 to HC5.

With h the leverage of a row, and m its share h / mean(h): HC2 has (1 - h)^(-1/2) and HC3 its square (MacKinnon and White
1985); HC4 has (1 - h)^(-d/2) with d = min(4, m) (Cribari-Neto 2004), HC4m d = min(1, m) + min(3/2, m) (Cribari-Neto and
da Silva 2011), HC5 (1 - h)^(-d/4) with d = min(m, max(4, 0.7 max(m))) (Cribari-Neto, Souza and Vasconcellos 2007).
"""

from __future__ import annotations

import numpy as np


def correction(
    leverage: np.ndarray, plain: np.ndarray, kind: str, nobs: int, highest: float | None = None
) -> np.ndarray:
    """What residuals are multiplied by, in the shape of the leverage.

    Parameters
    ----------
    leverage : ndarray, shape (n,) or (n, q)
        As corrections take it: raised to the share of a row in the equations that set its own weight, where there are any.
    plain : ndarray of the same shape
        Of the regression alone and of all copies of a row together: its sum counts the coefficients.
    kind : {"HC2", "HC3", "HC4", "HC4m", "HC5"}
    nobs : int
        Rows of positive weight.
    highest : float, optional
        The largest leverage of all rows, where these are some of them.
    """
    left = 1.0 - leverage
    if kind in ("HC2", "HC3"):
        return left ** (-0.5 if kind == "HC2" else -1.0)
    coefficients = np.round(plain.sum(axis=0))
    share = nobs * leverage / np.maximum(coefficients, 1.0)
    if kind == "HC4":
        return left ** (-0.5 * np.minimum(4.0, share))
    if kind == "HC4m":
        return left ** (-0.5 * (np.minimum(1.0, share) + np.minimum(1.5, share)))
    most = share.max(axis=0) if highest is None else nobs * highest / np.maximum(coefficients, 1.0)
    largest = np.maximum(4.0, 0.7 * most)
    return left ** (-0.25 * np.minimum(share, largest))
