"""The result of `rd_density`: densities on both sides of a cutoff and their jump."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np

from statinf.effects.manipulation.findings import BinomialTest, ConventionalTest, SideDensities, binomial_test
from statinf.errors import OptionError, check_level, one_of
from statinf.inference.distributions import t_quantile, two_sided_p
from statinf.inference.vcov import VcovKinds
from statinf.numerics.laws.edge_bars import Bars
from statinf.numerics.laws.edge_curve import side_curve
from statinf.numerics.laws.edge_density import Ranked
from statinf.results import Fit

TERMS = ("density below", "density above", "jump")
LOG_TERMS = ("log density below", "log density above", "log jump")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DensityJump(Fit):
    """Densities of a running variable just below and just above its cutoff, and their jump.

    Tables use the normal distribution. The test of no manipulation is that of the last coefficient.

    Attributes
    ----------
    running : str
    cutoff : float
    bandwidth : (float, float)
        Below and above the cutoff, in units of the running variable.
    rows_inside : (int, int)
        Rows within either window.
    conventional : callable or None
        Makes the jump by polynomials without the further order, and its standard error; not saved.
    ranked : Ranked or None
        Sorted distances from the cutoff; not saved.
    bars : Bars or None
        The histogram behind McCrary's test; not saved.
    kernel : str
    order : int
        Of the polynomials that are tested.
    """

    running: str
    cutoff: float
    bandwidth: tuple[float, float]
    rows_inside: tuple[int, int] = (0, 0)
    conventional: Callable[[], tuple[float, float]] | None = field(default=None, metadata={"saved": False})
    ranked: Ranked | None = field(default=None, metadata={"saved": False})
    bars: Bars | None = field(default=None, metadata={"saved": False})
    kernel: str = "triangular"
    order: int = 3

    normal_reference = True
    vcov_kinds = VcovKinds(
        default="jackknife", names=("jackknife", "plugin"), robust="jackknife", stacked="jackknife",
        clustered=("HC0", "HC1"),
    )  # fmt: skip
    beside = ("statistic", "p_value", "conventional_test", "binomial_test", "density")
    lacks: ClassVar[tuple[str, ...]] = ("predict", "augment")
    figures = ("density", "coefficients")

    @property
    def title(self) -> str:
        return f"Density of {self.running} at {self.cutoff:g}, {self.method}"

    @property
    def statistic(self) -> float:
        """The jump over its standard error; normal where the density does not jump."""
        return float(self.statistics[-1])

    @property
    def p_value(self) -> float:
        """Two-sided p-value of no jump."""
        return float(two_sided_p(self.statistics[-1:], np.inf)[0])

    def conventional_test(self) -> ConventionalTest:
        """The jump and its test by polynomials of the order that the bandwidth is best for.

        Its error does not know of the bias; the fit's own test is the one to use.
        """
        if self.method != "polynomial":
            raise OptionError(f"method={self.method!r} has one test, that of the fit itself.")
        if self.conventional is None:
            self._need_rows("the conventional test")
        assert self.conventional is not None
        jump, error = self.conventional()
        return ConventionalTest(jump, error, jump / error, float(two_sided_p(jump / error, np.inf))).handed(self.kind)

    def binomial_test(self, window: float | Sequence[float] | None = None) -> BinomialTest:
        """Exact tests that rows near the cutoff lie below and above it with equal probability.

        Parameters
        ----------
        window : float or sequence of float, optional
            Half widths; by default ten, from the smallest with 20 rows on each side to its double. Rows count once,
            whatever their weight.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.rd_density("~ margin", si.datasets.load("senate"))
        >>> print(fit.binomial_test(window=2))
        within 2: 50 below and 52 above the cutoff, p = 0.9212
        """
        if self.ranked is None:
            self._need_rows("the binomial test")
        assert self.ranked is not None
        return binomial_test(self.ranked.x, window).handed(self.kind)

    def density(self, points: int = 30, *, level: float = 0.95) -> SideDensities:
        """The density along both sides, with limits at each point.

        Parameters
        ----------
        points : int
            Per side, within two bandwidths of the cutoff.
        level : float
        """
        check_level(level)
        if not isinstance(points, Integral) or isinstance(points, bool) or int(points) < 2:
            raise OptionError(f"points={points!r} is not a whole number of at least 2.")
        if self.ranked is None:
            self._need_rows("the density's curve")
        ranked = self.ranked
        assert ranked is not None
        parts = []
        for above, h in zip((False, True), self.bandwidth, strict=True):
            end = min(2.0 * h, ranked.x[-1]) if above else -min(2.0 * h, -ranked.x[0])
            at = np.linspace(0.0, end, points) if above else np.linspace(end, 0.0, points)
            parts.append((at, *side_curve(ranked, at, above, self.order, h, self.kernel)))
        at, estimate, error = (np.concatenate(one) for one in zip(*parts, strict=True))
        above = np.repeat([False, True], points)
        half = float(t_quantile(0.5 + level / 2.0, np.inf))
        return SideDensities(self.running, self.cutoff, at + self.cutoff, estimate, error, above, half).handed(
            self.kind
        )

    def plot(self, kind: str = "density", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"density", "coefficients"}
            The density on both sides with limits at each point over a histogram that has an edge at the cutoff; or the
            estimates.

        Returns
        -------
        matplotlib axes
        """
        one_of("kind", kind, self.figures)
        if kind == "coefficients":
            return super().plot(**options)
        from statinf.plotting.discontinuities import plot_densities

        curve = self.density(level=options.pop("level", 0.95))
        assert self.ranked is not None
        return plot_densities(self.ranked.x + self.cutoff, self.ranked.w, curve, **options)

    def lean(self) -> Self:
        return replace(super().lean(), conventional=None, ranked=None, bars=None)
