"""What `si.conformal` returns for several outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.backend.seeds import check_seed
from statinf.conformity.exchangeability import Exchangeability, martingale_of, warn_if_broken
from statinf.conformity.few_rows import warn_endless
from statinf.conformity.new_rows import Ready, coverage_parts, ready_rows
from statinf.conformity.regions.procedure import RegionSplit
from statinf.conformity.regions.region import OutcomeRegion
from statinf.conformity.regions.tables import region_summary
from statinf.conformity.sets_result import ConformalSets
from statinf.conformity.tables import coverage_table
from statinf.errors import DataError, OptionError, check_level
from statinf.results import Table, prediction_frame, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Regions(ConformalSets):
    """Prediction regions of several outcomes together.

    Attributes
    ----------
    level, groups, ratio, seed, data
        As in `ConformalSets`.
    procedure : RegionSplit
        The model of regions and the scores of calibration rows.
    """

    procedure: RegionSplit

    calibrated = (RegionSplit,)
    with_p_values = "'dqr' or 'st-dqr'"
    endless = "the whole space"
    beside = ("regions", "area", "contains", "p_values", "coverage", "exchangeability", "outcomes")

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Names of the outcomes."""
        return self.procedure.names

    # --- regions ------------------------------------------------------------------------------------------

    def predict(self, newdata: Any = None, *, level: float | None = None, interval: str | None = None) -> Any:
        """Size and place of each row's region; the regions themselves are `regions(newdata)`.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default; those rows were used, so their regions cover more often than new ones.
        level : float, optional
            That of the fit by default. The model stays that of the fit's level: another level keeps its coverage, but
            adapts less well to the row.
        interval : {None, "prediction"}
            Regions hold outcomes, not parameters: there is no other interval.

        Returns
        -------
        data frame
            `radius`, by how far the row's region was grown (shrunk if negative), in standard deviations of the outcomes;
            `area`; and for every outcome `lower_` and `upper_` followed by its name, the ends of a box that holds the region.
            Infinite where the region is the whole space; an empty region has area 0 and no ends; rows that cannot be
            predicted are NaN.

        Examples
        --------
        >>> import statinf as si
        >>> birds = si.datasets.load("penguins").dropna()
        >>> fit = si.conformal("cbind(bill_length_mm, bill_depth_mm) ~ body_mass_g + sex", birds, method="dqr")
        >>> fit.predict(birds.head(1))[["lower_bill_depth_mm", "upper_bill_depth_mm"]].round(1)
           lower_bill_depth_mm  upper_bill_depth_mm
        0                 16.1                 22.8
        """
        if interval not in (None, "prediction"):
            raise OptionError(
                f"interval={interval!r}: '{self.method}' has prediction regions only; leave interval= out."
            )
        ready, q = self._thresholds(self._data(newdata), level, warn=newdata is not None)
        found = self.procedure.measures(ready.X, q)
        columns = {"radius": ready.spread(q), "area": ready.spread(found.area)}
        for name, lower, upper in zip(self.outcomes, found.lower.T, found.upper.T, strict=True):
            columns |= {f"lower_{name}": ready.spread(lower), f"upper_{name}": ready.spread(upper)}
        return prediction_frame(ready.new, columns)

    def regions(self, newdata: Any = None, *, level: float | None = None) -> list[OutcomeRegion | None]:
        """Each row's region as an object with `contains(y)`, `points`, `box`, `area` and `plot()`.

        Returns
        -------
        list
            One per row; None for rows that cannot be predicted.

        Examples
        --------
        >>> import statinf as si
        >>> birds = si.datasets.load("penguins").dropna()
        >>> fit = si.conformal("cbind(bill_length_mm, bill_depth_mm) ~ body_mass_g + sex", birds, method="dqr")
        >>> region = fit.regions(birds.head(1))[0]
        >>> region.contains([40.0, 18.5]), region.contains([60.0, 18.5])
        (True, False)
        """
        ready, q = self._thresholds(self._data(newdata), level, warn=newdata is not None)
        out: list[OutcomeRegion | None] = [None] * ready.new.n
        for i, region in zip(ready.ok, self._regions(ready, q, np.arange(len(ready.ok))), strict=True):
            out[i] = region
        return out

    def area(self, newdata: Any = None, *, level: float | None = None) -> Any:
        """Length, area or volume of each row's region.

        Parameters
        ----------
        newdata : data frame, optional
        level : float, optional

        Returns
        -------
        data frame
            `area`, in the product of the outcomes' units, and `std_error` of the draws that it was counted on: zero where it
            is exact, or counted on a grid as for two outcomes.
        """
        ready, q = self._thresholds(self._data(newdata), level, warn=newdata is not None)
        found = self.procedure.measures(ready.X, q)
        return prediction_frame(
            ready.new, {"area": ready.spread(found.area), "std_error": ready.spread(found.std_error)}
        )

    def contains(self, newdata: Any, *, level: float | None = None) -> np.ndarray:
        """Whether each row's recorded outcomes lie in its region (rows,) bool; False where one of them is missing."""
        ready, q = self._thresholds(newdata, level, response=True)
        known, scores = self._scores(ready)
        out = np.zeros(ready.new.n, bool)
        out[ready.ok[known]] = scores <= q[known]
        return out

    def p_values(self, newdata: Any, *, seed: int | None = None) -> np.ndarray:
        """Conformal p-value of each row's recorded outcomes: they lie in the region at every level below one minus that.

        Parameters
        ----------
        newdata : data frame
            Holds the outcomes.
        seed : int, optional
            Draws how far ties count, which makes p-values of exchangeable rows exactly uniform; without it they are
            conservative.

        Returns
        -------
        ndarray, shape (rows,)
            NaN where a row lacks an outcome or cannot be predicted; one in groups without calibration rows.
        """
        ready = ready_rows(self, newdata, response=True)
        known, scores = self._scores(ready)
        ties = 1.0 if seed is None else generator(check_seed(seed), 47).random(len(ready.ok))[known]
        ratio, groups = (None if given is None else given[known] for given in (ready.ratio, ready.groups))
        return ready.spread(self.procedure.calibration.p_values(scores[:, None], ratio, groups, ties), known)

    # --- how often they cover -----------------------------------------------------------------------------

    def coverage(
        self,
        newdata: Any,
        *,
        by: str | None = None,
        level: float | None = None,
        confidence: float = 0.95,
        slab: float | None = 0.1,
    ) -> Any:
        """Coverage of recorded outcomes that the fit has not seen, with binomial intervals.

        Parameters
        ----------
        newdata : data frame
            Holds the outcomes; rows where one is missing are left out.
        by : str, optional
            A column: one row of the table per value. The groups of the fit by default, if it has any.
        level : float, optional
            Of the regions; that of the fit by default.
        confidence : float
            Of the intervals (Clopper-Pearson).
        slab : float, optional
            Smallest share of rows in the worst slab of covariate space (Cauchois, Gupta and Duchi, 2021, arXiv
            2004.10181); None leaves it out.

        Returns
        -------
        data frame
            `part` ("all", "group" or "worst slab"), `label`, `n`, `covered`, `coverage`, `conf_low`, `conf_high`, and
            `area`, the mean of the regions.
        """
        ready, q = self._thresholds(newdata, level, response=True)
        known, scores = self._scores(ready)
        if not len(known):
            raise DataError("No row has both a region and its recorded outcomes.")
        use = np.zeros(ready.new.n, bool)
        use[ready.ok[known]] = True
        if self.ratio is None:
            warn_if_broken(self._martingale_of(ready, known, scores, self.seed))
        area = self.procedure.measures(ready.X[known], q[known]).area
        parts = coverage_parts(self, newdata, ready.new, use, by, slab)
        frame = coverage_table(scores <= q[known], area, confidence=confidence, **parts)
        return to_caller(frame.rename(columns={"length": "area"}), ready.new.kind)

    def _martingale(self, ready: Ready, seed: int) -> Exchangeability | None:
        return self._martingale_of(ready, *self._scores(ready), seed)

    def _martingale_of(self, ready: Ready, known: np.ndarray, scores: np.ndarray, seed: int) -> Exchangeability | None:
        groups = None if ready.groups is None else ready.groups[known]
        return martingale_of(self, self.procedure.calibration, ready.ok[known], scores, groups, ready.new.n, seed)

    # --- arrays -------------------------------------------------------------------------------------------

    def _thresholds(
        self, newdata: Any, level: float | None, response: bool = False, warn: bool = True
    ) -> tuple[Ready, np.ndarray]:
        """New rows, and the thresholds (m,) of those that can be predicted."""
        level = self.level if level is None else check_level(level)
        ready = ready_rows(self, newdata, response=response, warn=warn)
        q = self.procedure.thresholds(level, len(ready.ok), ready.ratio, ready.groups)
        if warn and ready.ratio is not None:
            warn_endless(int(np.isposinf(q).sum()), len(ready.ok), level)
        return ready, q

    def _regions(self, ready: Ready, q: np.ndarray, at: np.ndarray) -> list[OutcomeRegion]:
        """Regions of some of the rows that can be predicted, with thresholds (m,)."""
        p = self.procedure
        return [
            OutcomeRegion(p.names, float(q[i]), p.model.shape(ready.X[i]), p.units, p.signed, p.grid, p.seed)
            for i in at
        ]

    def _scores(self, ready: Ready) -> tuple[np.ndarray, np.ndarray]:
        """Which of the rows that can be predicted have all outcomes (k,), and their scores (k,)."""
        assert ready.new.response is not None
        Y = np.asarray(ready.new.response, np.float64).reshape(ready.new.n, -1)[ready.ok]
        known = np.flatnonzero(np.isfinite(Y).all(axis=1))
        return known, self.procedure.scores(ready.X[known], Y[known])

    # --- showing ------------------------------------------------------------------------------------------

    def summary(self) -> Table:
        """Thresholds, what they guarantee, and what coverage to expect after this calibration."""
        return region_summary(self)

    def plot(
        self, kind: str = "regions", *, newdata: Any = None, x: str | None = None, ax: Any = None, **options: Any
    ) -> Any:
        """A figure; returns the matplotlib axes.

        Parameters
        ----------
        kind : {"regions", "area", "coverage"}
            Regions of a few rows in the plane of two outcomes, with their outcomes where they are recorded; a histogram of
            areas; coverage in bins of a covariate with binomial intervals.
        newdata : data frame, optional
            The data of the fit by default. For honest coverage give rows that the fit has not seen.
        x : str, optional
            A numeric column for coverage; the first of the formula by default.
        ax : matplotlib axes, optional
        **options
            Of regions `rows`, how many are shown (4), taken at even steps.
        """
        from statinf.conformity.regions.figures import draw

        if kind not in ("regions", "area", "coverage"):
            raise OptionError(
                f"plot kind={kind!r} is not known for '{self.method}'; choose 'regions', 'area' or 'coverage'."
            )
        return draw(self, kind, self._data(newdata), x, ax, **options)
