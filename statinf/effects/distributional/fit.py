"""The result of `rd_distribution`: the jump of the mean quantile function at a cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.effects.distributional.estimating import unit_influence
from statinf.effects.distributional.findings import (
    CurveBand,
    CurveTest,
    band_quantile,
    centred,
    deviations,
    gini,
    perturbed,
    share_beyond,
)
from statinf.effects.distributional.solved import SolvedCurves
from statinf.errors import (
    DataError,
    NotIdentifiedError,
    OptionError,
    StatinfWarning,
    check_level,
    issue_warning,
    one_of,
)
from statinf.frames import to_caller
from statinf.inference.bootstrap import check_replicas
from statinf.inference.vcov import VcovKinds
from statinf.inference.weights import LAWS
from statinf.results.levels_fit import LevelsFit

_SPAN = (0.01, 0.99)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DistributionJump(LevelsFit):
    """Jumps of the mean quantile function of units at a cutoff, at m levels.

    Influence values are per row and add up to those of units.

    Attributes
    ----------
    running, unit : str
    cutoff : float
    bandwidth : ndarray, shape (m,)
    below, above : ndarray, shape (m,)
        Mean quantile functions of units at the cutoff.
    first_stage : float
        Jump of the treatment; one in sharp designs.
    units : (int, int)
        Below and above.
    solved : SolvedCurves or None
        What bands and tests are made of; not saved.
    """

    running: str
    unit: str
    cutoff: float
    bandwidth: np.ndarray
    below: np.ndarray
    above: np.ndarray
    first_stage: float
    units: tuple[int, int]
    solved: SolvedCurves | None = field(default=None, metadata={"saved": False})

    normal_reference = True
    vcov_kinds = VcovKinds(
        default="HC3", names=("HC0", "HC1", "HC2", "HC3"), robust="HC3", stacked="HC3", cluster_type="HC3"
    )
    beside = ("curves", "band", "nullity_test", "homogeneity_test", "gini_test")
    lacks: ClassVar[tuple[str, ...]] = ("predict", "augment")
    figures = ("curves", "process", "coefficients")

    @property
    def title(self) -> str:
        return f"Jump of quantiles at {self.running} = {self.cutoff:g}, {self.method}"

    def lean(self) -> Self:
        return replace(super().lean(), solved=None)

    def bootstrap(self, replicas: int = 999, kind: str = "multiplier", **options: Any) -> Self:
        """The same fit with draws by multipliers of units, or of the clusters of its errors; see `Fit.bootstrap`."""
        if kind != "multiplier":
            raise NotIdentifiedError(
                f"kind={kind!r} refits, which is not there for distributions of units; use kind='multiplier'."
            )
        if not isinstance(self._undrawn_kind, dict) and self.unit != "row":
            options = {"cluster": self.unit} | options
        return super().bootstrap(replicas, kind, **options)

    def curves(self) -> Any:
        """Mean quantile functions on both sides of the cutoff.

        Returns
        -------
        data frame
            Columns tau, below, above; in a fuzzy design they are those of all units at the cutoff.
        """
        import pandas as pd

        return to_caller(pd.DataFrame({"tau": self.tau, "below": self.below, "above": self.above}), self.kind)

    def band(
        self, level: float = 0.95, *, replicas: int = 999, studentize: bool = True, law: str = "normal", seed: int = 0
    ) -> CurveBand:
        """A band that holds at all levels at once, by the multiplier bootstrap.

        Parameters
        ----------
        level : float
        replicas : int
        studentize : bool
            As wide as the standard errors of the fit at each level, or equally wide everywhere.
        law : {"normal", "rademacher", "mammen", "exponential"}
            Of the multipliers, one per unit, or per cluster of clustered errors.
        seed : int

        Examples
        --------
        >>> import statinf as si
        >>> data = si.datasets.simulate("unit_distributions", 3000, seed=1)
        >>> print(si.rd_distribution("y ~ x | unit", data, tau=[0.25, 0.5, 0.75]).band())
        95% band over 3 levels: the estimate and 2.361 standard errors, from 999 replicas
        """
        check_level(level)
        draws = self._draws(replicas, law, seed)
        spread = self._se()
        critical = band_quantile(deviations(draws, spread if studentize else None), level)
        half = critical * spread if studentize else np.full(len(spread), critical)
        made = CurveBand(
            self.tau, self.theta, spread, self.theta - half, self.theta + half, level, critical, replicas, studentize
        )
        return made.handed(self.kind)

    def nullity_test(self, levels: Sequence[float] | None = None, **options: Any) -> CurveTest:
        """Test that the distribution does not change: no jump at any level.

        Parameters
        ----------
        levels : (float, float), optional
            First and last level looked at; all by default.
        **options
            `replicas`, `studentize`, `law` and `seed` as `band` takes them.
        """
        return self._curve_test("no jump", levels, centre=False, **options)

    def homogeneity_test(self, levels: Sequence[float] | None = None, **options: Any) -> CurveTest:
        """Test that all levels jump alike, as in a shift of the whole distribution; arguments as `nullity_test`."""
        return self._curve_test("the same jump", levels, centre=True, **options)

    def gini_test(self, *, replicas: int = 999, law: str = "normal", seed: int = 0) -> CurveTest:
        """Test that the Gini coefficient of the mean distribution does not jump.

        Raises
        ------
        DataError
            If a mean distribution has no positive mean.
        """
        solved, rng = self._solved("a test of Gini coefficients"), (replicas, law, seed)
        if solved.stages is not None:
            raise NotIdentifiedError("the test of Gini coefficients is for sharp designs.")
        if self.tau[0] > _SPAN[0] or self.tau[-1] < _SPAN[1]:
            issue_warning(
                f"Gini coefficients are of the distribution between the levels {self.tau[0]:g} and {self.tau[-1]:g}; give "
                "tau= from 0.01 to 0.99.",
                StatinfWarning,
            )
        both = gini(np.stack([self.below, self.above]), self.tau)
        if not np.isfinite(both).all():
            raise DataError("Gini coefficients are of outcomes with a positive mean on both sides.")
        check_replicas(replicas)
        below, above = solved.by_side("HC3")
        moved = [
            gini(curve + perturbed(one, *rng), self.tau) for curve, one in ((self.below, below), (self.above, above))
        ]
        reference = np.abs((moved[1] - moved[0]) - (both[1] - both[0]))
        statistic = float(np.abs(both[1] - both[0]))
        words = f"Gini coefficients {both[0]:.4g} below and {both[1]:.4g} above are the same"
        return CurveTest(words, statistic, share_beyond(reference, statistic), replicas).handed(self.kind)

    def _curve_test(
        self,
        words: str,
        levels: Sequence[float] | None,
        *,
        centre: bool,
        replicas: int = 999,
        studentize: bool = True,
        law: str = "normal",
        seed: int = 0,
    ) -> CurveTest:
        some = np.ones(len(self.tau), dtype=bool)
        if levels is not None:
            ends = np.asarray(levels, dtype=np.float64)
            if ends.shape != (2,) or not ends[0] <= ends[1]:
                raise OptionError(f"levels={levels!r} is not a pair (first, last).")
            some = (self.tau >= ends[0] - 1e-12) & (self.tau <= ends[1] + 1e-12)
        if some.sum() < (2 if centre else 1):
            raise OptionError(
                f"levels={levels!r} holds {int(some.sum())} of the levels {self.tau[0]:g} to {self.tau[-1]:g}."
            )
        draws, theta = self._draws(replicas, law, seed)[:, some], self.theta[None, some]
        spread = self._se()[some]
        if centre:
            draws, theta = centred(draws), centred(theta)
            turn = np.eye(len(spread)) - 1.0 / len(spread)
            spread = np.sqrt(np.diag(turn @ self.cov.matrix[np.ix_(some, some)] @ turn))
        scale = spread if studentize else None
        statistic = float(deviations(theta, scale)[0])
        p = share_beyond(deviations(draws, scale), statistic)
        span = self.tau[some]
        return CurveTest(f"{words} at levels {span[0]:g} to {span[-1]:g}", statistic, p, replicas).handed(self.kind)

    def _draws(self, replicas: int, law: str, seed: int) -> np.ndarray:
        one_of("law", law, LAWS)
        check_seed(seed)
        check_replicas(replicas)
        solved = self._solved("bands and tests of the whole curve")
        return perturbed(unit_influence(solved, self._undrawn_kind)[0], replicas, law, seed)

    def _solved(self, what: str) -> SolvedCurves:
        if self.solved is None:
            self._need_rows(what)
        assert self.solved is not None
        return self.solved

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"curves", "process", "coefficients"}
            "curves" (default) shows the mean quantile functions on both sides, and the effect with its uniform band.

        Returns
        -------
        matplotlib axes, or an array of them
        """
        kind = "curves" if kind is None else kind
        one_of("kind", kind, self.figures)
        if kind != "curves":
            return super().plot(kind, **options)
        from statinf.plotting.discontinuities import plot_curves

        return plot_curves(self, self.band(), **options)
