"""`RdFit`: a jump at a cutoff in three rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.errors import DataError, NotIdentifiedError
from statinf.inference.vcov import VcovKinds
from statinf.results import Fit, to_caller

TERMS = ("conventional", "bias-corrected", "robust")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CutoffFit(Fit):
    """What the fits at one cutoff tell of their two sides; tables use the normal distribution.

    Attributes
    ----------
    running : str
    treatment : str or None
        Of a fuzzy design.
    cutoff : float
    kernel : str
    bandwidths : ndarray, shape (2, 2)
        Rows left and right; columns of the estimate and of its bias.
    counts : ndarray of int, shape (2, 4)
        Rows, distinct values, rows within the bandwidth, rows within that of the bias, of each side.
    levels : ndarray, shape (2, 2)
        Mean of the outcome (or its derivative) at the cutoff from each side: plain, and corrected for bias.
    covariates : tuple of str
    """

    running: str
    treatment: str | None
    cutoff: float
    kernel: str
    bandwidths: np.ndarray
    counts: np.ndarray
    levels: np.ndarray
    covariates: tuple[str, ...] = ()

    normal_reference = True
    vcov_kinds = VcovKinds(
        default="NN",
        names=("NN", "HC0", "HC1", "HC2", "HC3"),
        robust="HC1",
        stacked="NN",
        clustered=("HC1", "HC2", "HC3"),
    )

    @property
    def bandwidth(self) -> tuple[float, float]:
        """On the left and on the right."""
        return float(self.bandwidths[0, 0]), float(self.bandwidths[1, 0])

    def summary_facts(self) -> dict[str, Any]:
        h = self.bandwidth
        width = f"{h[0]:.4g}" if h[0] == h[1] else f"{h[0]:.4g} left, {h[1]:.4g} right"
        at = f"{self.running} = {self.cutoff:g}"
        facts: dict[str, Any] = {"Cutoff": at, "Kernel": self.kernel, "Bandwidth": width}
        facts["Rows within"] = f"{self.counts[0, 2]} left, {self.counts[1, 2]} right"
        if self.covariates:
            facts["Covariates"] = ", ".join(self.covariates)
        return super().summary_facts() | facts

    def glance_items(self) -> dict[str, Any]:
        (h_l, b_l), (h_r, b_r) = self.bandwidths.tolist()
        within = {"nobs_left": int(self.counts[0, 2]), "nobs_right": int(self.counts[1, 2])}
        widths = {"h_left": h_l, "h_right": h_r, "b_left": b_l, "b_right": b_r}
        return {"nobs": self.nobs, "cutoff": self.cutoff, "kernel": self.kernel} | widths | within

    def sides(self) -> Any:
        """One row per side, in the caller's kind of data frame.

        Returns
        -------
        data frame
            `side`, rows (`nobs`), `distinct` values, `bandwidth`, rows `within` it, `bias_bandwidth`, rows
            `within_bias` bandwidth, and the `level` at the cutoff, `level_corrected` for bias.
        """
        import pandas as pd

        table = {
            "side": ["left", "right"],
            "nobs": self.counts[:, 0],
            "distinct": self.counts[:, 1],
            "bandwidth": self.bandwidths[:, 0],
            "within": self.counts[:, 2],
            "bias_bandwidth": self.bandwidths[:, 1],
            "within_bias": self.counts[:, 3],
            "level": self.levels[:, 0],
            "level_corrected": self.levels[:, 1],
        }
        return to_caller(pd.DataFrame(table), self.kind)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RdFit(CutoffFit):
    """The jump in the rows conventional, bias-corrected and robust; the last is for inference.

    Attributes
    ----------
    deriv : int
    orders : tuple of int
        Of the polynomial, and of that which estimates its bias.
    first : callable or None
        Makes the first stage of a fuzzy design; not saved.
    """

    deriv: int = 0
    orders: tuple[int, int] = (1, 2)
    first: Callable[[], RdFit] | None = field(default=None, metadata={"saved": False})

    beside = ("sides", "first_stage", "bandwidth")

    @property
    def title(self) -> str:
        what = {0: "Jump", 1: "Kink"}.get(self.deriv, f"Jump of derivative {self.deriv}")
        ratio = f" over that of {self.treatment}" if self.treatment else ""
        return f"{what} of {self.outcome}{ratio} at {self.running} = {self.cutoff:g}"

    def lean(self) -> Self:
        return replace(super().lean(), first=None)

    def summary_facts(self) -> dict[str, Any]:
        b = self.bandwidths[:, 1]
        width = f"{b[0]:.4g}" if b[0] == b[1] else f"{b[0]:.4g} left, {b[1]:.4g} right"
        facts = {"Orders": f"{self.orders[0]}, of the bias {self.orders[1]}", "Bandwidth of the bias": width}
        return super().summary_facts() | facts

    @property
    def first_stage(self) -> RdFit:
        """The jump of the treatment in a fuzzy design, with the same bandwidths."""
        if self.treatment is None:
            raise NotIdentifiedError("a sharp design has no first stage; fuzzy= names the treatment of a fuzzy one.")
        if self.first is None:
            raise DataError("a saved or lean fit leaves the first stage out; fit again.")
        return self.first()
