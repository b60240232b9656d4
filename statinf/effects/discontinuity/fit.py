"""`RdFit`: a jump at a cutoff in three rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from statinf.effects.discontinuity.bandwidths import SELECTORS, choose
from statinf.effects.discontinuity.checks import RdChecks, joined, placebo, sensitivity
from statinf.effects.discontinuity.covariate_balance import CutoffBalance, covariate_balance
from statinf.effects.discontinuity.cutoff_fit import CutoffFit
from statinf.effects.discontinuity.options import RobustOptions
from statinf.effects.discontinuity.solving import search_of
from statinf.errors import DataError, NotIdentifiedError, check_level
from statinf.results import to_caller

TERMS = ("conventional", "bias-corrected", "robust")


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

    beside = (
        "sides",
        "bins",
        "first_stage",
        "bandwidth",
        "selectors",
        "placebo",
        "sensitivity",
        "checks",
        "covariate_balance",
    )

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
        return self._with_errors(self.first())

    def selectors(self) -> Any:
        """Bandwidths by every selector, one row each, in the caller's kind of data frame.

        Returns
        -------
        data frame
            `selector`, and the bandwidths `h_left`, `h_right` of the estimate and `b_left`, `b_right` of its bias.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.rd("vote ~ margin", si.datasets.load("senate"))
        >>> fit.selectors().head(3).round(2)
          selector  h_left  h_right  b_left  b_right
        0    mserd   17.75    17.75   28.03    28.03
        1   msetwo   16.17    18.13   27.10    29.34
        2   msesum   18.37    18.37   31.32    31.32
        """
        import pandas as pd

        search = search_of(self._rows("bandwidths"), self._options())
        rows = [(name, *h, *b) for name in SELECTORS for h, b in [choose(search, name)]]
        table = pd.DataFrame(rows, columns=["selector", "h_left", "h_right", "b_left", "b_right"])
        return to_caller(table, self.kind)

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
        check_level(level)
        made = placebo(self._rows("checks"), self._options(), self._errors(), self.bandwidths, cutoffs, level)
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
        check_level(level)
        made = sensitivity(self._rows("checks"), self._options(), self._errors(), self.bandwidths, bandwidths, level)
        return made.handed(self.kind)

    def checks(self, cutoffs: Any = 20, bandwidths: Any = None, *, level: float = 0.95) -> RdChecks:
        """Placebo cutoffs and other bandwidths as one table and figure; see `placebo` and `sensitivity`."""
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
        check_level(level)
        return covariate_balance(self._rows("checks"), self._options(), self._errors(), columns, level).handed(
            self.kind
        )

    def _options(self) -> RobustOptions:
        assert self.settings is not None
        return self.settings
