"""`DistributionFit`: what a boosted conditional law predicts, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from statinf.backend import generator
from statinf.backend.seeds import check_seed
from statinf.errors import DataError, OptionError, check_level, one_of
from statinf.formula.given import aligned
from statinf.inference.levels import given_levels
from statinf.quantile.ngboost.scoring import ScoredLaw
from statinf.results import Table, prediction_frame, to_caller
from statinf.results.reach import footer


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DistributionFit(ScoredLaw):
    """A boosted conditional law.

    Attributes
    ----------
    dist, score, iterations, levels, features, fitted, data
        As in `ScoredLaw`.
    """

    beside: ClassVar[tuple[str, ...]] = (
        "parameters",
        "cdf",
        "quantile",
        "sample",
        "logpdf",
        "scores",
        "staged",
        "pit",
        "importances",
    )

    @property
    def certified_as(self) -> tuple[str, ...]:
        own = self.fitted.setting
        chosen = own.refit or own.early_stopping_rounds is not None
        return (
            self.dist,
            f"{own.base} base",
            "iterations chosen on validation rows" if chosen else "iterations as given",
        )

    def _limit(self, iterations: Any) -> int | None:
        if iterations is None:
            return None
        whole = isinstance(iterations, int | np.integer) and not isinstance(iterations, bool)
        if not whole or not 0 <= iterations <= self.iterations:
            raise OptionError(f"iterations={iterations!r} is not a whole number from 0 to {self.iterations}.")
        return int(iterations)

    # --- predictions --------------------------------------------------------------------------------------

    def predict(
        self,
        newdata: Any = None,
        *,
        interval: str | None = None,
        level: float = 0.9,
        tau: float | Sequence[float] | None = None,
        iterations: int | None = None,
    ) -> Any:
        """Means, intervals and quantiles of rows; of classes their probabilities.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default, on which the law looks too narrow.
        interval : {None, "prediction"}
            "prediction" for the law's own central interval, whose coverage nothing guarantees.
        level : float
            Probability of the interval.
        tau : float or sequence of float, optional
            Levels of quantiles.
        iterations : int, optional
            Base learners to use; all by default.

        Returns
        -------
        data frame
            `estimate`, the mean; `lower`, `upper`; `q0.1` per level. For classes a column of probabilities named after each.
        """
        limit = self._limit(iterations)
        if interval not in (None, "prediction"):
            raise OptionError(f"interval={interval!r}: a law has prediction intervals only; use interval='prediction'.")
        check_level(level)
        taus = np.empty(0) if tau is None else given_levels(tau)
        if interval is not None or len(taus):
            self._no_classes("quantiles")
        rows = self._rows(newdata)
        parameters = self.fitted.parameters(rows.X, limit)
        if self.levels:
            columns = dict(zip(self.classes, parameters.values(), strict=True))
        else:
            law = self.fitted.frozen_at(parameters)
            columns = {"estimate": np.asarray(law.mean(), np.float64)}
            if interval is not None:
                columns |= {"lower": law.ppf(0.5 - level / 2.0), "upper": law.ppf(0.5 + level / 2.0)}
            columns |= {f"q{t:g}": law.ppf(t) for t in taus}
        return prediction_frame(rows.new, {name: rows.spread(values) for name, values in columns.items()})

    def parameters(self, newdata: Any = None, *, iterations: int | None = None) -> Any:
        """The law's parameters, such as `loc` and `scale`, one row per row; for "lognormal" those of the logarithm."""
        limit, rows = self._limit(iterations), self._rows(newdata)
        found = self.fitted.parameters(rows.X, limit)
        names = self.classes or self.fitted.law.parameters
        return prediction_frame(rows.new, {n: rows.spread(v) for n, v in zip(names, found.values(), strict=True)})

    def quantile(self, newdata: Any = None, tau: float | Sequence[float] = 0.5) -> Any:
        """Quantiles, one column per level such as `q0.1`; they cannot cross."""
        self._no_classes("quantiles")
        taus, rows = given_levels(tau), self._rows(newdata)
        law = self.fitted.frozen(rows.X)
        return prediction_frame(rows.new, {f"q{t:g}": rows.spread(law.ppf(t)) for t in taus})

    def cdf(self, newdata: Any = None, values: Any = None) -> Any:
        """The distribution function at values, by default at the recorded outcomes.

        Parameters
        ----------
        newdata : data frame, optional
        values : float or array, shape (rows,), optional
            One number serves every row.

        Returns
        -------
        data frame
            Column `estimate`; NaN where a row cannot be predicted or has no value.
        """
        self._no_classes("distribution function")
        rows = self._rows(newdata, response=values is None)
        if values is None:
            at = rows.y
        else:
            given = np.asarray(aligned(values, rows.new.frame, "values"), np.float64)
            if given.shape not in ((), (rows.new.n,)):
                raise DataError(f"values has shape {given.shape}; give one number, or one per row, ({rows.new.n},).")
            at = np.broadcast_to(given, (rows.new.n,))[rows.ok]
        return prediction_frame(rows.new, {"estimate": rows.spread(self.fitted.frozen(rows.X).cdf(at))})

    def sample(self, newdata: Any = None, size: int = 100, *, seed: int = 0) -> np.ndarray:
        """Draws from each row's law.

        Parameters
        ----------
        newdata : data frame, optional
        size : int
            Draws per row.
        seed : int

        Returns
        -------
        ndarray, shape (rows, size)
            NaN for rows that cannot be predicted; of classes their labels, None for such rows.
        """
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise OptionError(f"size={size!r} is the number of draws per row; it must be a whole number from 1.")
        random, rows = generator(check_seed(seed), 63), self._rows(newdata)
        count = int(size)
        if not self.levels:
            out = np.full((rows.new.n, count), np.nan)
            out[rows.ok] = self.fitted.sample(rows.X, count, seed=seed)
            return out
        edges = np.cumsum(np.column_stack(list(self.fitted.parameters(rows.X).values())), axis=1)
        codes = (random.random((len(rows.X), count))[..., None] > edges[:, None, :-1]).sum(axis=2)
        labels = np.full((rows.new.n, count), None, dtype=object)
        labels[rows.ok] = np.array(self.levels, dtype=object)[codes]
        return labels

    # --- what it is made of -------------------------------------------------------------------------------

    def importances(self) -> Any:
        """Shares of the features in what was learnt of each parameter, one row per feature.

        Of trees: of the squared error that their splits removed. Of linear bases: of the absolute slopes of standardised
        columns. All zero where nothing was learnt.
        """
        import pandas as pd

        names = self.classes[1:] or self.fitted.law.parameters
        found = self.fitted.importances()
        made = {"feature": list(self.features)} | dict(zip(names, found, strict=True))
        return to_caller(pd.DataFrame(made), self.kind)

    def glance(self) -> Any:
        """One row: rows, family, score, iterations, and the mean score in training and in validation."""
        import pandas as pd

        path = self.fitted.path[self.iterations] if self.iterations < len(self.fitted.path) else self.fitted.path[-1]
        made = {"nobs": self.nobs, "method": self.method, "dist": self.dist, "score": self.score}
        made |= {"iterations": self.iterations, "training": path[0], "validation": path[1]}
        return to_caller(pd.DataFrame({name: [value] for name, value in made.items()}), self.kind)

    def _stored(self) -> Self:
        return self.lean()

    def lean(self) -> Self:
        return replace(self, data=None)

    def summary(self) -> Table:
        own, path = self.fitted.setting, self.fitted.path
        found = self.fitted.importances()
        names = self.classes[1:] or self.fitted.law.parameters
        order = np.argsort(-found.sum(axis=0), kind="stable")[:10]
        rows = [(self.features[j], *found[:, j]) for j in order]
        facts = [
            ("Formula", self.formula),
            ("Rows", str(self.nobs)),
            ("Law", self.dist),
            ("Score", f"{self.score}, {'natural' if own.natural else 'ordinary'} gradient"),
            ("Base", f"trees of depth {own.depth}" if own.base == "tree" else "linear"),
            ("Iterations", f"{self.iterations} at rate {own.learning_rate:g}"),
            ("Mean score, marginal law", f"{path[0, 0]:.4f}"),
            ("Mean score, training", f"{path[min(self.iterations, len(path) - 1), 0]:.4f}"),
        ]
        if np.isfinite(path[:, 1]).any():
            facts.append(("Mean score, validation", f"{np.nanmin(path[:, 1]):.4f}"))
        notes = (
            "Shares of the features in each parameter."
            + ("" if len(self.features) <= 10 else f" The first 10 of {len(self.features)}."),
            "Scores in training look too good and intervals are too narrow where iterations are many: see pit(newdata).",
            f"Method: {self.citation}.",
            *footer(self),
        ) + ((self.dropped_note(),) if self.dropped else ())
        return Table.of(("feature", *names), rows, title="Natural gradient boosting", facts=facts, notes=notes)

    def plot(self, kind: str = "score", newdata: Any = None, **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"score", "pit", "importances"}
            Score by iteration; histogram of probability integral transforms; shares of the features.
        newdata : data frame, optional
            Rows that the fit has not seen, for "pit" and "score".
        """
        from statinf.plotting import boosting

        one_of("kind", kind, ("score", "pit", "importances"))
        if kind == "pit":
            if newdata is None:
                raise OptionError(
                    "plot('pit', newdata) shows calibration on rows that the fit has not seen; give them."
                )
            found = self.pit(newdata)
            return boosting.plot_pit(found[np.isfinite(found)], **options)
        if kind == "importances":
            names = self.classes[1:] or self.fitted.law.parameters
            return boosting.plot_importances(self.fitted.importances(), self.features, names, **options)
        new = None if newdata is None else self._staged(newdata)[0]
        return boosting.plot_score(self.fitted.path, self.iterations, self.score, new, **options)
