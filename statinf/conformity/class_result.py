"""What `si.conformal` returns for an outcome of categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.conformity.class_procedure import NEW_DRAWS, ClassCross, ClassSplit, cells_of
from statinf.conformity.class_tables import class_coverage, class_summary
from statinf.conformity.exchangeability import Exchangeability, martingale_of, warn_if_broken
from statinf.conformity.new_rows import Ready, coverage_parts, ready_rows
from statinf.conformity.row_draws import row_draws
from statinf.conformity.sets_result import ConformalSets
from statinf.errors import DataError, OptionError, StatinfWarning, check_level, issue_warning, one_of
from statinf.results import Table, prediction_frame, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ClassSets(ConformalSets):
    """Prediction sets of classes.

    Attributes
    ----------
    level, groups, ratio, data
        As in `ConformalSets`.
    procedure : ClassSplit or ClassCross
        The classifier, and the scores that sets are made from.
    seed : int
        Of the draws of randomised scores, which depend on a row's probabilities and not on the other rows.
    """

    procedure: ClassSplit | ClassCross

    calibrated = (ClassSplit,)
    with_p_values = "'lac' or 'aps'"
    beside = ("predict_set", "contains", "p_values", "coverage", "exchangeability", "levels")
    endless = "all classes"

    @property
    def levels(self) -> tuple[Any, ...]:
        """The classes, in their order."""
        return self.procedure.levels

    # --- sets ---------------------------------------------------------------------------------------------

    def predict(self, newdata: Any = None, *, level: float | None = None, interval: str | None = None) -> Any:
        """Class probabilities and prediction sets, one row per row of the new data.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default; those rows were used, so their sets cover more often than new ones.
        level : float, optional
            That of the fit by default.
        interval : {None, "prediction"}
            Sets hold outcomes, not parameters: there is no other interval.

        Returns
        -------
        data frame
            The model's probability of each class, in a column named after it; `set`, a list of classes, the likeliest
            first, and `set_size`. Rows that cannot be predicted have NaN and no set.

        Examples
        --------
        >>> import statinf as si
        >>> birds = si.datasets.load("penguins")
        >>> fit = si.conformal("island ~ bill_length_mm + bill_depth_mm", birds, method="lac")
        >>> fit.predict(birds.iloc[[0, 200]]).round(2)
             Biscoe  Dream  Torgersen                 set  set_size
        0      0.18   0.51       0.31  [Dream, Torgersen]         2
        200    0.96   0.04       0.00            [Biscoe]         1
        """
        import pandas as pd

        if interval not in (None, "prediction"):
            raise OptionError(f"interval={interval!r}: '{self.method}' has prediction sets only; leave interval= out.")
        ready, P, inside = self._sets(self._data(newdata), level, warn=newdata is not None)
        n = ready.new.n
        every = np.full((n, len(self.levels)), np.nan)
        every[ready.ok] = P
        columns: dict[str, Any] = dict(zip(self._names(), every.T, strict=True))
        listed = np.full(n, None, dtype=object)
        order = np.argsort(-P, axis=1, kind="stable")
        for row, classes, member in zip(ready.ok, order, np.take_along_axis(inside, order, axis=1), strict=True):
            listed[row] = [self.levels[k] for k in classes[member]]
        size = np.full(n, np.nan)
        size[ready.ok] = inside.sum(axis=1)
        whole = len(ready.ok) == n
        columns[self._free("set")] = pd.Series(listed, dtype=object)
        columns[self._free("set_size")] = size.astype(np.int64) if whole else size
        return prediction_frame(ready.new, columns)

    def predict_set(self, newdata: Any = None, *, level: float | None = None) -> Any:
        """Prediction sets as a long table, one row per class of a set.

        Returns
        -------
        data frame
            `row` (number in the new data, from 0), `class` and `probability`, the likeliest first. Rows with the empty set,
            and rows that cannot be predicted, do not occur.
        """
        import pandas as pd

        ready, P, inside = self._sets(self._data(newdata), level, warn=newdata is not None)
        order = np.argsort(-P, axis=1, kind="stable")
        at, position = np.nonzero(np.take_along_axis(inside, order, axis=1))
        classes = order[at, position]
        labels = pd.Series([self.levels[k] for k in classes], dtype=object).infer_objects()
        table = pd.DataFrame({"row": ready.ok[at], "class": labels, "probability": P[at, classes]})
        return to_caller(table, ready.new.kind)

    def contains(self, newdata: Any, *, level: float | None = None) -> np.ndarray:
        """Whether each row's recorded class is in its set (rows,) bool.

        False where the class is missing or unknown to the fit, or the row cannot be predicted.
        """
        ready, _, inside = self._sets(newdata, level, response=True)
        return self._recorded(ready, inside)[0]

    def p_values(self, newdata: Any, *, of: str = "outcome", seed: int | None = None) -> Any:
        """Conformal p-values: a class is in the set at every level below one minus its own.

        Parameters
        ----------
        newdata : data frame
        of : {"outcome", "classes"}
            Of each row's recorded class, or of every class.
        seed : int, optional
            Draws how far the ties, the row's own score among them, count, which makes p-values of exchangeable rows
            exactly uniform. Without it they are conservative.

        Returns
        -------
        ndarray, shape (rows,), or data frame
            NaN where a row has no known class or cannot be predicted; of "classes" one column per class.

        Raises
        ------
        OptionError
            If the method does not calibrate on held-out rows, and so has no p-values.
        """
        one_of("of", of, ("outcome", "classes"))
        procedure = self._with_p_values()
        ready = ready_rows(self, newdata, response=of == "outcome")
        P = procedure.fitted.probabilities(ready.X, ready.ok)
        ties = 1.0 if seed is None else row_draws(P, check_seed(seed), 47)
        found = procedure.p_values(P, self._draws(P), ready.ratio, ready.groups, ties)
        every = ready.spread(found)
        if of == "classes":
            return prediction_frame(ready.new, dict(zip(self._names(), every.T, strict=True)))
        codes = self._codes(ready)
        return np.where(codes >= 0, every[np.arange(len(codes)), np.maximum(codes, 0)], np.nan)

    def _stored(self) -> Self:
        foreign = self.procedure.fitted.foreign
        if foreign is not None:
            raise DataError(
                f"the classifier {foreign} belongs to another library and is not written to a file; use a model of statinf, "
                "such as 'logit' or 'forest', or keep the estimator yourself and fit with split=0."
            )
        return self.lean()

    # --- arrays -------------------------------------------------------------------------------------------

    def _sets(
        self, newdata: Any, level: float | None, response: bool = False, warn: bool = True
    ) -> tuple[Ready, np.ndarray, np.ndarray]:
        """New rows, and of those that can be predicted probabilities (m, K) and sets (m, K) of booleans."""
        level = self.level if level is None else check_level(level)
        ready = ready_rows(self, newdata, response=response, warn=warn)
        P = self.procedure.fitted.probabilities(ready.X, ready.ok)
        inside = self.procedure.sets(P, ready.X, self._draws(P), level, ready.ratio, ready.groups)
        return ready, P, inside

    def _draws(self, P: np.ndarray) -> np.ndarray:
        if not self.procedure.score.randomized:
            return np.zeros(len(P))
        return row_draws(P, self.seed, NEW_DRAWS)

    def _recorded(self, ready: Ready, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of all rows: whether the recorded class is in the set, set sizes (NaN without a set), and class numbers."""
        codes = self._codes(ready)
        covered, known = np.zeros(ready.new.n, bool), codes[ready.ok]
        covered[ready.ok] = inside[np.arange(len(known)), np.maximum(known, 0)] & (known >= 0)
        return covered, ready.spread(inside.sum(axis=1)), codes

    def _codes(self, ready: Ready) -> np.ndarray:
        """Recorded class numbers (rows,), -1 where missing, -2 where the fit does not know the class; warned."""
        codes = ready.new.response
        assert codes is not None
        unseen = int((codes == -2).sum())
        if unseen:
            issue_warning(
                f"{unseen} of {len(codes)} rows have a class that the fit has not seen, which no set holds.",
                StatinfWarning,
            )
        return codes

    def _names(self) -> tuple[str, ...]:
        """Columns of the classes."""
        return tuple(map(str, self.levels))

    def _free(self, name: str) -> str:
        """A column name that no class has."""
        while name in self._names():
            name += "_"
        return name

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
        """Coverage of recorded classes that the fit has not seen, with binomial intervals.

        Parameters
        ----------
        newdata : data frame
            Holds the outcome; rows where it is missing are left out, rows of a class unknown to the fit are not covered.
        by : str, optional
            A column: one row of the table per value. The groups of the fit by default, if it has any.
        level : float, optional
            Of the sets; that of the fit by default.
        confidence : float
            Of the intervals (Clopper-Pearson).
        slab : float, optional
            Smallest share of rows in the worst slab of covariate space (Cauchois, Gupta and Duchi, 2021, arXiv
            2004.10181); None leaves it out.

        Returns
        -------
        data frame
            `part` ("all", "class", "group", "size" or "worst slab"), `label`, `n`, `covered`, `coverage`, `conf_low`,
            `conf_high`, `size` (the mean number of classes in a set) and `empty` (how many sets have none).
        """
        ready, P, inside = self._sets(newdata, level, response=True)
        covered, size, codes = self._recorded(ready, inside)
        use = ~np.isnan(size) & (codes != -1)
        if not use.any():
            raise DataError("No row has both a set and a recorded class.")
        if isinstance(self.procedure, ClassSplit) and self.ratio is None:
            warn_if_broken(self._martingale(ready, self.seed, P))
        parts = coverage_parts(self, newdata, ready.new, use, by, slab)
        sizes = size[use].astype(np.intp)
        frame = class_coverage(covered[use], sizes, codes[use], self._names(), confidence=confidence, **parts)
        return to_caller(frame, ready.new.kind)

    def _martingale(self, ready: Ready, seed: int, P: np.ndarray | None = None) -> Exchangeability | None:
        """See `ConformalSets`; `P` (m, K) are the probabilities of the rows that can be predicted, where they are known."""
        procedure, codes = self._held_out(), ready.new.response
        assert codes is not None
        known = np.flatnonzero(codes[ready.ok] >= 0)
        rows, classes = ready.ok[known], codes[ready.ok[known]]
        P = procedure.fitted.probabilities(ready.X[known], rows) if P is None else P[known]
        assert P is not None
        groups = None if ready.groups is None else ready.groups[known]
        cells = cells_of(groups, classes, P.shape[1]) if procedure.by_class else groups
        scores = procedure.score.of(P, classes, self._draws(P))
        return martingale_of(self, procedure.calibration, rows, scores, cells, ready.new.n, seed)

    # --- showing ------------------------------------------------------------------------------------------

    def summary(self) -> Table:
        """Thresholds, what they guarantee, and how large the sets of the calibration rows are."""
        return class_summary(self)

    def plot(self, kind: str = "size", *, newdata: Any = None, by: str | None = None, ax: Any = None) -> Any:
        """A figure; returns the matplotlib axes.

        Parameters
        ----------
        kind : {"size", "coverage"}
            How many rows have sets of each size; coverage with binomial intervals.
        newdata : data frame, optional
            The data of the fit by default. For honest coverage give rows that the fit has not seen.
        by : str, optional
            Of coverage: "class" (the default), "size", or a column.
        ax : matplotlib axes, optional
        """
        from statinf.conformity.class_figures import draw

        if kind not in ("size", "coverage"):
            raise OptionError(f"plot kind={kind!r} is not known for '{self.method}'; choose 'size' or 'coverage'.")
        return draw(self, kind, self._data(newdata), by, ax)
