"""`Presto`: a cumulative logit model shrunk towards proportional odds, with its path."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import DataError, OptionError, check_level, one_of
from statinf.frames import to_caller
from statinf.inference import bootstrap as engine
from statinf.inference.bootstrap import Bootstrap
from statinf.models.categories import boundary_names
from statinf.quantile.penalties import PenaltyScores
from statinf.quantile.presto.path import PrestoPath, class_probabilities, warn_crossed
from statinf.quantile.presto.penalised import PenalisedFit, coefficients, draw
from statinf.quantile.presto.tables import SCORES, path_frame, summary_table, tidy_frame
from statinf.results import Predictive, Table, augmented, prediction_frame
from statinf.results.predicting import prediction_rows
from statinf.results.to_arviz import to_arviz

if TYPE_CHECKING:
    import pandas as pd

    from statinf.formula.design import Design


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Presto(Predictive):
    """P(Y <= k | x) = logistic(a_k + x'b_k) with differences b_k - b_{k-1} shrunk towards zero.

    A positive slope makes lower categories likelier.

    Attributes
    ----------
    levels : tuple
        Categories, the rare one last.
    columns : tuple of str
        Columns of the formula.
    solutions : PrestoPath
        Intercepts and differences along the penalties.
    chosen : int
        Position of the penalty in use.
    validation : PenaltyScores or None
        Cross-validated scores; None where one penalty was given.
    criterion : str
        The score: "brier" or "loglik".
    alpha : float
        Share of the absolute penalty.
    penalize_first, parallel : bool
    crossed : float
        Share of the rows of the fit whose cumulative probabilities cross.
    draws : Bootstrap or None
        Of slopes, then intercepts.
    """

    levels: tuple[Any, ...]
    columns: tuple[str, ...]
    solutions: PrestoPath
    chosen: int
    validation: PenaltyScores | None
    criterion: str
    alpha: float
    penalize_first: bool
    parallel: bool
    crossed: float
    draws: Bootstrap | None = None
    design: Design | None = field(default=None, metadata={"saved": False})
    fitted: PenalisedFit | None = field(default=None, metadata={"saved": False})

    beside: ClassVar[tuple[str, ...]] = (
        "penalty", "path", "intercepts", "slopes", "differences", "nonproportional", "at",
    )  # fmt: skip

    def lean(self) -> Self:
        return replace(self, design=None, fitted=None)

    # --- coefficients -------------------------------------------------------------------------------------

    @property
    def boundaries(self) -> tuple[str, ...]:
        """Names of the boundaries, such as "low|mid"."""
        return boundary_names(self.levels)

    @property
    def penalty(self) -> float:
        """The penalty in use."""
        return float(self.solutions.penalties[self.chosen])

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the slopes, then of the intercepts."""
        ends = self.boundaries
        slopes = self.columns if self.parallel else tuple(f"{c}[{at}]" for at in ends for c in self.columns)
        return (*slopes, *ends)

    @property
    def theta(self) -> np.ndarray:
        """Slopes, then intercepts, shape (q,)."""
        return coefficients(self.solutions, self.chosen, self.parallel)

    @property
    def estimable(self) -> np.ndarray:
        """All coefficients are, shape (q,) bool."""
        return np.ones(len(self.terms), bool)

    @property
    def params(self) -> pd.Series:
        """Slopes, then intercepts, by name."""
        import pandas as pd

        return pd.Series(self.theta, index=list(self.terms), name="estimate")

    @property
    def intercepts(self) -> pd.Series:
        """Intercept of each boundary."""
        import pandas as pd

        return pd.Series(self.solutions.intercepts[self.chosen], index=list(self.boundaries), name="intercept")

    @property
    def slopes(self) -> pd.DataFrame:
        """Slopes b_k, one row per column of the formula, one column per boundary."""
        return self._by_boundary(self.solutions.slopes[self.chosen])

    @property
    def differences(self) -> pd.DataFrame:
        """b_1 and the differences b_k - b_{k-1}, one row per column of the formula, one column per boundary."""
        return self._by_boundary(self.solutions.differences[self.chosen])

    def _by_boundary(self, values: np.ndarray) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(values.T, index=list(self.columns), columns=list(self.boundaries))

    @property
    def nonproportional(self) -> tuple[str, ...]:
        """Columns whose slope differs between boundaries."""
        differs = np.any(self.solutions.differences[self.chosen][1:] != 0, axis=0)
        return tuple(name for name, one in zip(self.columns, differs, strict=True) if one)

    @property
    def path(self) -> Any:
        """One row per penalty, in the caller's kind of data frame: penalty, nonproportional, loglik, score, std_error, chosen."""
        return to_caller(path_frame(self), self.kind)

    def at(self, penalty: float) -> Self:
        """The same path at another of its penalties: the nearest one in logarithms, without draws."""
        if isinstance(penalty, bool) or not isinstance(penalty, int | float | np.number) or not penalty > 0:
            raise OptionError(f"penalty={penalty!r} is not a positive number; `path` lists the penalties.")
        tiny = np.finfo(float).tiny
        distance = np.abs(np.log(np.maximum(self.solutions.penalties, tiny)) - np.log(penalty))
        crossed = self.crossed
        which = int(np.argmin(distance))
        if self.fitted is not None:
            crossed = float(class_probabilities(self.solutions.eta(which, self.fitted.problem.rows.X))[1].mean())
        return replace(self, chosen=which, crossed=crossed, draws=None)

    # --- tables -------------------------------------------------------------------------------------------

    def tidy(self, level: float = 0.95) -> Any:
        """One row per slope and intercept: term, boundary, estimate, difference to the boundary before.

        After `bootstrap` also std_error, conf_low and conf_high, percentiles of the draws.
        """
        check_level(level)
        return to_caller(tidy_frame(self, level), self.kind)

    def conf_int(self, level: float = 0.95, *, interval: str = "percentile") -> pd.DataFrame:
        """Bootstrap limits by coefficient, heuristic: a penalised estimate is biased and often exactly zero.

        Parameters
        ----------
        level : float
        interval : {"percentile", "basic", "normal"}
        """
        import pandas as pd

        if self.draws is None:
            self.refuse("conf_int", "penalised estimates have no standard errors; call bootstrap() first")
        one_of("interval", interval, ("percentile", "basic", "normal"))
        low, high = self.draws.interval(self.theta, level, interval, None)
        return pd.DataFrame({"conf_low": low, "conf_high": high}, index=list(self.terms))

    @property
    def std_errors(self) -> pd.Series:
        """Standard deviations of the bootstrap draws."""
        import pandas as pd

        if self.draws is None:
            self.refuse("std_errors", "penalised estimates have none; call bootstrap() first")
        return pd.Series(self.draws.draws.std(axis=0, ddof=1), index=list(self.terms), name="std_error")

    def glance(self) -> Any:
        """One row: nobs, penalty, nonproportional, loglik, score, crossed, method."""
        import pandas as pd

        score = np.nan if self.validation is None else float(self.validation.mean[self.chosen])
        items = {"nobs": self.nobs, "penalty": self.penalty, "nonproportional": len(self.nonproportional)}
        items |= {"loglik": float(self.solutions.loglik[self.chosen]), "score": score, "crossed": self.crossed}
        return to_caller(pd.DataFrame({k: [v] for k, v in (items | {"method": self.method}).items()}), self.kind)

    def summary(self) -> Table:
        """Slopes by boundary, the penalty and how it was chosen."""
        return summary_table(self)

    # --- draws --------------------------------------------------------------------------------------------

    def bootstrap(
        self,
        replicas: int = 199,
        kind: str = "bayesian",
        *,
        choose: bool = False,
        seed: int = 0,
        progress: bool | None = None,
    ) -> Self:
        """The same result with bootstrap draws of its coefficients, for orientation: there is no theory for them.

        Parameters
        ----------
        replicas : int
        kind : {"bayesian", "pairs"}
            Exponential weights, which keep every category, or rows redrawn; clusters where the fit has them.
        choose : bool
            Choose the penalty again in each replica; by default it is that of the fit.
        seed : int
        progress : bool, optional
        """
        one_of("kind", kind, ("bayesian", "pairs"))
        engine.check_replicas(replicas)
        check_seed(seed)
        if self.fitted is None:
            raise DataError(
                "bootstrap draws need the rows of the fit, which a saved or lean fit leaves out; fit again."
            )
        fitted = replace(self.fitted, chosen=self.chosen)
        return replace(self, draws=draw(fitted, replicas, kind, choose=choose, seed=seed, progress=progress))

    def to_arviz(self) -> Any:
        """Bootstrap draws as arviz's own container."""
        return to_arviz(self)  # type: ignore[arg-type]

    # --- predictions --------------------------------------------------------------------------------------

    def predict(self, newdata: Any = None, *, rare: bool = False, interval: str | None = None) -> Any:
        """Probabilities of the categories, a column for each, named by it.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        rare : bool
            The last category alone.
        interval : None
            There are none.
        """
        if interval is not None:
            self.refuse(f"interval={interval!r}", "penalised probabilities have no standard errors")
        rows = prediction_rows(self, newdata)  # type: ignore[arg-type]
        X = np.where(rows.ok[:, None], rows.parts["covariates"].without_intercept().values, 0.0)
        shares, crossed = class_probabilities(self.solutions.eta(self.chosen, X))
        warn_crossed(crossed & rows.ok)
        shares[~rows.ok] = np.nan
        wanted = range(len(self.levels) - 1 if rare else 0, len(self.levels))
        return prediction_frame(rows, {str(self.levels[k]): shares[:, k] for k in wanted})

    def _need_rows(self, what: str) -> Design:
        if self.design is None:
            raise DataError(f"{what} need the rows of the fit, which a saved or lean fit leaves out; fit again.")
        return self.design

    def augment(self) -> Any:
        """The data of the fit with the probability of each category."""
        made = self._need_rows("row-wise diagnostics")
        eta = self.solutions.eta(self.chosen, made.parts[0].without_intercept().values)
        shares, _ = class_probabilities(eta)
        return augmented(made, {str(name): shares[:, k] for k, name in enumerate(self.levels)})

    def plot(self, kind: str = "path", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"path", "cv", "slopes"}
            Differences along the penalties; cross-validated scores; or slopes by boundary.
        """
        from statinf.plotting import ordered, penalties

        one_of("kind", kind, ("path", "cv", "slopes"))
        if kind == "slopes":
            return ordered.plot_slopes(self.slopes, **options)
        if kind == "cv":
            if self.validation is None:
                raise OptionError("plot kind='cv' is for penalties chosen by cross-validation; one was given here.")
            found = self.validation
            return penalties.plot_scores(
                self.solutions.penalties, found.mean, found.error, self.penalty, score=SCORES[self.criterion], **options
            )
        return ordered.plot_path(
            self.solutions.penalties, self.solutions.differences, self.columns, self.boundaries, self.penalty, **options
        )
