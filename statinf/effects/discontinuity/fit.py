"""`RdFit`: a jump at a cutoff in three rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, check_level, one_of
from statinf.inference.vcov import VcovKinds
from statinf.results import Fit, to_caller

if TYPE_CHECKING:
    from statinf.effects.discontinuity.bins import RdBins
    from statinf.effects.discontinuity.checks import RdChecks
    from statinf.effects.discontinuity.covariate_balance import CutoffBalance
    from statinf.effects.discontinuity.options import RobustOptions
    from statinf.effects.discontinuity.problem import RdProblem

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
    settings : RobustOptions or None
        Not saved.
    """

    deriv: int = 0
    orders: tuple[int, int] = (1, 2)
    first: Callable[[], RdFit] | None = field(default=None, metadata={"saved": False})
    settings: RobustOptions | None = field(default=None, metadata={"saved": False})

    beside = ("sides", "bins", "first_stage", "bandwidth", "placebo", "sensitivity", "checks", "covariate_balance")

    @property
    def title(self) -> str:
        what = {0: "Jump", 1: "Kink"}.get(self.deriv, f"Jump of derivative {self.deriv}")
        ratio = f" over that of {self.treatment}" if self.treatment else ""
        return f"{what} of {self.outcome}{ratio} at {self.running} = {self.cutoff:g}"

    def lean(self) -> Self:
        return replace(super().lean(), first=None, settings=None)

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

    def placebo(self, cutoffs: Any = 20, *, level: float = 0.95) -> RdChecks:
        """Jumps of the outcome at cutoffs where nothing happens, with the bandwidths and errors of this fit.

        Each uses rows of its own side of the real cutoff. A thousand cutoffs cost little more than a few, unless the design
        has covariates, clusters or errors other than nearest neighbours'.

        Parameters
        ----------
        cutoffs : int or sequence of float
            How many, at quantiles of each side; or where.
        level : float

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.rd("vote ~ margin", si.datasets.load("senate"))
        >>> list(fit.placebo([-10, 10]).tidy()["p_value"].round(3))
        [0.219, 0.83]
        """
        from statinf.effects.discontinuity.checks import placebo

        check_level(level)
        made = placebo(self._rows("checks"), self._options(), self.cov.kind, self.bandwidths, cutoffs, level)
        return made.handed(self.kind)

    def sensitivity(self, bandwidths: Any = None, *, level: float = 0.95) -> RdChecks:
        """The robust row with other bandwidths.

        Parameters
        ----------
        bandwidths : sequence of float, optional
            From half to twice that of the fit by default. Where sides differ their mean; the ratio of sides, and of the bias,
            stays.
        level : float
        """
        from statinf.effects.discontinuity.checks import sensitivity

        check_level(level)
        made = sensitivity(self._rows("checks"), self._options(), self.cov.kind, self.bandwidths, bandwidths, level)
        return made.handed(self.kind)

    def checks(self, cutoffs: Any = 20, bandwidths: Any = None, *, level: float = 0.95) -> RdChecks:
        """Placebo cutoffs and other bandwidths as one table and figure; see `placebo` and `sensitivity`."""
        from statinf.effects.discontinuity.checks import joined

        return joined(self.placebo(cutoffs, level=level), self.sensitivity(bandwidths, level=level))

    def covariate_balance(self, columns: Any = None, *, level: float = 0.95) -> CutoffBalance:
        """Jumps of covariates at the cutoff: where none should be.

        Parameters
        ----------
        columns : str or sequence of str, optional
            The formula's covariates by default. Each has its own bandwidth, chosen as that of the fit.
        level : float

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.rd("vote ~ margin", si.datasets.load("senate"))
        >>> fit.covariate_balance(["termshouse", "termssenate"])
        no jump of termshouse, termssenate: chi-square(2) = 0.3486, p = 0.84
        """
        from statinf.effects.discontinuity.covariate_balance import covariate_balance

        check_level(level)
        return covariate_balance(self._rows("checks"), self._options(), self.cov.kind, columns, level).handed(self.kind)

    def _options(self) -> RobustOptions:
        assert self.settings is not None
        return self.settings
