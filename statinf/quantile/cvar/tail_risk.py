"""VaR and CVaR of losses as they are, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import DataError, check_level
from statinf.formula.frame import as_frame
from statinf.formula.given import aligned
from statinf.inference.distributions import t_quantile
from statinf.numerics.quantreg.bandwidth import bandwidth, inside
from statinf.numerics.tails.density import near_quantile
from statinf.numerics.tails.risk import (
    cvar_influence,
    level_error,
    quantile_limits,
    quantile_stretch,
    tail_mean,
    var_influence,
)
from statinf.quantile.cvar.options import check_tail_level
from statinf.results import Result, Table, format_number

if TYPE_CHECKING:
    import pandas as pd

TERMS = ("VaR", "CVaR")


def risk_frame(
    estimates: tuple[float, float], errors: np.ndarray, quantile: float, var_limits: tuple[float, float]
) -> pd.DataFrame:
    """VaR and CVaR with errors and limits, one row each; the limits of the VaR are quantiles, those of the CVaR symmetric."""
    import pandas as pd

    (low, high), half = var_limits, quantile * errors[1]
    return pd.DataFrame(
        {
            "term": TERMS,
            "estimate": np.asarray(estimates),
            "std_error": errors,
            "conf_low": [low, estimates[1] - half],
            "conf_high": [high, estimates[1] + half],
        }
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TailRisk(Result):
    """VaR and CVaR of losses; as a number it is the CVaR.

    Attributes
    ----------
    level : float
        The worst share is 1 - level.
    var, cvar : float
    var_std_error, std_error : float
        Of the VaR (NaN where losses have no density there) and of the CVaR.
    level_error : float
        Of the share of losses up to the VaR.
    stretch : ndarray, shape (2, k)
        Shares around `level`, and the losses there: the limits of the VaR are read from it.
    """

    level: float
    var: float
    cvar: float
    var_std_error: float
    std_error: float
    level_error: float
    stretch: np.ndarray

    @property
    def estimate(self) -> float:
        """The CVaR."""
        return self.cvar

    def __float__(self) -> float:
        return self.cvar

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.cvar, dtype=dtype)

    def _frame(self, level: float) -> pd.DataFrame:
        check_level(level)
        errors = np.array([self.var_std_error, self.std_error])
        quantile = float(t_quantile(0.5 + level / 2, float(self.nobs - 1)))
        ends = quantile_limits(self.stretch, self.level, quantile * self.level_error)
        return risk_frame((self.var, self.cvar), errors, quantile, ends)

    def conf_int(self, level: float = 0.95) -> Any:
        """Confidence limits of VaR and CVaR, indexed by name.

        Those of the VaR are the losses' quantiles at levels around its own (Woodruff 1952), infinite where too few losses lie
        beyond; those of the CVaR are symmetric, and too short where its worst share has fewer than a hundred losses.
        """
        return self._frame(level).set_index("term")[["conf_low", "conf_high"]].rename_axis(None)

    def tidy(self, level: float = 0.95) -> Any:
        """Rows VaR and CVaR: term, estimate, std_error, conf_low, conf_high."""
        return self._frame(level)

    def summary(self) -> Table:
        """Both risks with their errors."""
        found = self._frame(0.95)
        rows = tuple((str(row[0]), *(format_number(v) for v in row[1:])) for row in found.itertuples(index=False))
        facts = (("Observations", str(self.nobs)), ("Worst share", f"{1 - self.level:g}"))
        columns = ("risk", "estimate", "std. error", "2.5%", "97.5%")
        return Table(columns, rows, title="Tail risk", facts=facts, notes=(f"Method: {self.citation}.",))


def cvar_of(losses: Any, level: float = 0.95, *, weights: Any = None) -> TailRisk:
    """VaR and CVaR of losses: their quantile, and the mean of the worst share 1 - level.

    Parameters
    ----------
    losses : array of shape (n,)
        Larger is worse.
    level : float
        In [0, 1); 0 is the mean.
    weights : array of shape (n,), optional
        At least zero; rows of weight zero are absent. Of two pandas Series the weights go by the losses' index.

    Returns
    -------
    TailRisk
        `var`, `cvar`, `std_error` (of the CVaR, for independent losses), `tidy()`, `conf_int()`; `float()` gives the CVaR.

    Raises
    ------
    DataError
        For losses or weights that are not finite, negative weights, or none.

    Examples
    --------
    The mean of the worst tenth of 25 losses is that of the two largest and half of the third:

    >>> import numpy as np
    >>> import statinf as si
    >>> round(si.cvar_of(np.arange(25.0), 0.9).cvar, 6)
    23.2
    """
    level = check_tail_level(level)
    values = _numbers(losses, "losses")
    if hasattr(losses, "to_frame"):
        weights = aligned(weights, as_frame(losses.to_frame("loss")), "weights")
    w = np.ones(len(values)) if weights is None else _numbers(weights, "weights")
    if w.shape != values.shape:
        raise DataError(f"weights has {len(w)} entries for {len(values)} losses.")
    if (w < 0).any():
        raise DataError(
            f"weights has {int((w < 0).sum())} negative entries, the first at position {int(np.argmax(w < 0))}."
        )
    used = w > 0
    values, w = values[used], w[used]
    if not len(values):
        raise DataError("there is no loss of positive weight.")
    w = w / w.sum()
    var, cvar = tail_mean(values, w, level)
    error = float(np.sqrt(np.sum((w * cvar_influence(values, level, var, cvar)) ** 2)))
    at_var, around = np.nan, np.nan
    if level > 0 and len(values) > 1:
        around = level_error(values, w, level, var)
        _, density = near_quantile(values, w, level, inside(level, bandwidth(len(values), level)))
        if density > 0:
            at_var = float(np.sqrt(np.sum((w * var_influence(values, w, level, var, density)) ** 2)))
    return TailRisk(
        method="cvar_of",
        formula="",
        citation="Rockafellar and Uryasev (2000)",
        nobs=len(values),
        level=level,
        var=var,
        cvar=cvar,
        var_std_error=at_var,
        std_error=error if len(values) > 1 else np.nan,
        level_error=around,
        stretch=quantile_stretch(values, w, level, around if np.isfinite(around) else 0.0),
    )


def _numbers(given: Any, name: str) -> np.ndarray:
    """A vector of finite numbers."""
    try:
        out = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} must be numbers, one per row.") from None
    if out.ndim != 1:
        raise DataError(f"{name} has shape {out.shape}; give one number per row.")
    bad = ~np.isfinite(out)
    if bad.any():
        raise DataError(
            f"{name} has {int(bad.sum())} entries that are missing or infinite, the first at position {int(np.argmax(bad))}."
        )
    return out
