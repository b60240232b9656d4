"""`CutoffFit`: what every fit at one cutoff tells of its two sides."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from statinf.errors import DataError, one_of
from statinf.inference.vcov import VcovKinds
from statinf.results import Fit, to_caller

if TYPE_CHECKING:
    from statinf.effects.discontinuity.bins import RdBins
    from statinf.effects.discontinuity.problem import RdProblem


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
    problem : RdProblem or None
        The rows around the cutoff; not saved.
    """

    running: str
    treatment: str | None
    cutoff: float
    kernel: str
    bandwidths: np.ndarray
    counts: np.ndarray
    levels: np.ndarray
    covariates: tuple[str, ...] = ()
    problem: RdProblem | None = field(default=None, metadata={"saved": False})

    normal_reference = True
    vcov_kinds = VcovKinds(
        default="NN",
        names=("NN", "HC0", "HC1", "HC2", "HC3"),
        robust="HC1",
        stacked="NN",
        clustered=("HC1", "HC2", "HC3"),
    )

    def lean(self) -> Self:
        return replace(super().lean(), problem=None)

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

    def bins(self, binselect: str = "esmv", *, nbins: Any = None, order: int = 4, level: float = 0.95) -> RdBins:
        """Means of the outcome in bins of the running variable, and a global polynomial on each side.

        Parameters
        ----------
        binselect : {"esmv", "es", "espr", "esmvpr", "qsmv", "qs", "qspr", "qsmvpr"}
            Evenly spaced ("es") or at quantiles ("qs"); "mv" for as many as mimic the variability of the rows, otherwise
            as many as make the integrated squared error smallest; "pr" for variances from polynomials, otherwise from
            spacings.
        nbins : int or pair of int, optional
            In place of the chosen numbers, left and right.
        order : int
            Of the polynomials.
        level : float
            Of the intervals of the means.

        Examples
        --------
        >>> import statinf as si
        >>> si.rd("vote ~ margin", si.datasets.load("senate")).bins()
        15 bins left and 35 right of margin = 0 (esmv)
        """
        from statinf.effects.discontinuity.bins import bins_of

        found = bins_of(self._rows("bins"), self.outcome, binselect=binselect, nbins=nbins, order=order, level=level)
        return found.handed(self.kind)

    def plot(self, kind: str = "bins", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"bins", "coefficients"}
            Means in bins with polynomials (`binselect`, `nbins`, `order`, `level`, `ax`), or the rows with their intervals.
        """
        one_of("kind", kind, ("bins", "coefficients"))
        if kind == "coefficients":
            return super().plot(kind, **options)
        given = {name: options.pop(name) for name in ("binselect", "nbins", "order", "level") if name in options}
        return self.bins(**given).plot(**options)

    def _rows(self, what: str) -> RdProblem:
        if self.problem is None:
            raise DataError(f"{what} need the rows of the fit, which a saved or lean fit leaves out; fit again.")
        return self.problem

    def _errors(self) -> Any:
        """The covariance of this fit in normal form; that asked for at first where it was left out since."""
        kind = self._undrawn_kind
        known = kind in self.vcov_kinds.names if isinstance(kind, str) else "cluster" in kind
        return kind if known else self._rows("checks").vcov.asked

    def _with_errors(self, other: Any) -> Any:
        """A fit to the same rows with the covariance of this one, where that was chosen after the fit."""
        kind = self._errors()
        return other if kind == self._rows("checks").vcov.asked else other.with_vcov(kind)
