"""`si.certificate`: where the intervals of a fit were simulated, and how often they held the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from statinf.errors import OptionError
from statinf.frames import to_caller
from statinf.results.certified import CertifiedLine, certified, described
from statinf.results.protocol import Result
from statinf.results.reach import clusters_of, short_of
from statinf.results.table import Table


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Certificate(Result):
    """What simulations found about the intervals of a fit.

    Attributes
    ----------
    interval : str
        The fit's kind of interval.
    lines : tuple of CertifiedLine
        Simulations of the same result, method and kind of interval.
    clusters : int
        Clusters of the fit, 0 where there are none.
    outside : str
        How the fit is outside of where intervals held; empty if it is not.
    """

    interval: str
    lines: tuple[CertifiedLine, ...]
    clusters: int = 0
    outside: str = ""

    def tidy(self) -> Any:
        """One row per simulation, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns quantity, design, n, clusters, samples, level, found, error, failed, verdict.
        """
        import pandas as pd

        names = ("quantity", "design", "n", "clusters", "samples", "level", "found", "error", "failed", "verdict")
        return to_caller(
            pd.DataFrame({name: [getattr(line, name) for line in self.lines] for name in names}), self.kind
        )

    def summary(self) -> Table:
        """The simulations as a table, with a word on whether the fit is within their reach."""
        rows = [
            (
                line.quantity,
                line.design,
                str(line.n),
                f"{line.level:g}",
                f"{line.found:.3f} ({line.error:.3f})",
                line.verdict,
            )
            for line in self.lines
        ]
        within = "The fit is within the rows that were simulated; its data may differ from the designs in other ways."
        note = f"Outside of the simulations: {self.outside}." if self.outside else within
        columns = ("interval for", "design", "n", "nominal", "found (error)", "verdict")
        facts = (("Intervals", self.interval), ("Observations", str(self.nobs)))
        return Table(
            columns, tuple(rows), title=f"Certificate of {self.method}", facts=facts, notes=(note,), kind=self.kind
        )


def certificate(fit: Any) -> Certificate:
    """Where the coverage of a fit's intervals was simulated, and what was found.

    Parameters
    ----------
    fit : Result
        Any result with intervals, bands or sets.

    Returns
    -------
    Certificate
        One line per simulation of the same result, method and kind of interval (its covariance or bootstrap).

    Raises
    ------
    OptionError
        If it is no result of this package.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.lm("mpg ~ wt", si.datasets.load("mtcars"), vcov="HC3")
    >>> found = si.certificate(fit)
    >>> found.interval, found.outside
    ('HC3', '')
    """
    if not isinstance(fit, Result):
        raise OptionError(f"si.certificate() takes a fit of this package, not a {type(fit).__name__}.")
    result, method, kind = described(fit)
    lines = tuple(line for line in certified() if (line.result, line.method, line.kind) == (result, method, kind))
    none = f"no simulation has looked at intervals of this kind ({kind})"
    return Certificate(
        method=fit.method,
        formula=fit.formula,
        nobs=fit.nobs,
        kind=fit.kind,
        interval=kind,
        lines=lines,
        clusters=clusters_of(fit),
        outside=short_of(fit) if lines else none,
    )
