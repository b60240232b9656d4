"""`CtdFit`: values of states from paths in continuous time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, check_level
from statinf.inference.distributions import t_quantile
from statinf.inference.hypotheses import WaldTest
from statinf.inference.vcov import VcovKinds
from statinf.results import Fit
from statinf.results.predicting import augmented, prediction_frame, prediction_rows, predictor, predictor_se
from statinf.stochastic.continuous import diagnostics
from statinf.stochastic.continuous.covariances import CTD_KINDS, plain_kind
from statinf.stochastic.continuous.equations import increments
from statinf.stochastic.continuous.paths import Paths
from statinf.stochastic.continuous.problem import CtdProblem


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CtdFit(Fit):
    """Values of states under the policy that made the paths.

    Attributes
    ----------
    discount : float
        Rate per unit of time.
    discounting : str
        Of the martingale's increments.
    id, time : str
        Columns of episodes (empty for one path) and of time.
    problem : CtdProblem or None
        The paths; not saved.
    again : callable or None
        The estimate from other rows of the paths; not saved.
    overidentification : WaldTest or None
        Whether more conditions than features hold together; not saved.
    """

    discount: float
    discounting: str
    id: str
    time: str
    problem: CtdProblem | None = field(default=None, metadata={"saved": False})
    again: Callable[[Paths], np.ndarray] | None = field(default=None, metadata={"saved": False})

    overidentification: WaldTest | None = field(default=None, metadata={"saved": False})

    vcov_kinds: ClassVar[VcovKinds] = CTD_KINDS
    beside: ClassVar[tuple[str, ...]] = ("td_residuals", "martingale_test", "quadratic_variation", "discretisation")

    @property
    def title(self) -> str:
        return f"Values in continuous time, {self.method}"

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs, "episodes": self.facts.get("Episodes"), "discount": self.discount}

    def with_vcov(self, vcov: Any) -> Self:
        return super().with_vcov(plain_kind(vcov))

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Values of states.

        Parameters
        ----------
        newdata : data frame, optional
            States; those of the fit by default.
        interval : {"confidence"}, optional
        level : float

        Returns
        -------
        data frame
            Column estimate; std_error, conf_low and conf_high with an interval.
        """
        check_level(level)
        if interval not in (None, "confidence"):
            raise OptionError(f"interval={interval!r} is not known; choose None or 'confidence'.")
        new, value, se = self._valued(newdata)
        columns = {"estimate": value}
        if interval is not None:
            half = t_quantile(0.5 + level / 2.0, self.cov.df) * se
            columns |= {
                "std_error": se, "conf_low": columns["estimate"] - half, "conf_high": columns["estimate"] + half,
            }  # fmt: skip
        return prediction_frame(new, columns)

    def _valued(self, newdata: Any) -> tuple[Any, np.ndarray, np.ndarray]:
        """New rows, their values and standard errors."""
        new = prediction_rows(self, newdata)
        part = new.part("covariates")
        return new, predictor(part, self.theta, None), predictor_se(part, self.theta, self.cov)

    def _fitted(self) -> np.ndarray:
        """Values of the rows used, shape (n,)."""
        return predictor(self._need_rows("values of rows").parts[0], self.theta, None)

    def _increments(self) -> tuple[np.ndarray, np.ndarray]:
        """Minus the slopes of increments in the coefficients (n, q), and increments (n,), in the order of the paths."""
        paths = self._paths("increments of the martingale").paths
        G, c = increments(paths, paths.x, self.discounting)
        return G, c - G @ self.theta

    def augment(self) -> Any:
        """The data of the fit with columns value and td_residual, which is missing in last rows."""
        made = self._need_rows("values of rows")
        return augmented(made, {"value": self._fitted(), "td_residual": self.td_residuals})

    @property
    def td_residuals(self) -> np.ndarray:
        """Increments of the martingale from each row used to the next, shape (n,); NaN in last rows."""
        problem = self._paths("increments of the martingale")
        return problem.by_row(np.where(problem.paths.last, np.nan, self._increments()[1]))

    def martingale_test(self, lags: int = 1) -> Any:
        """Wald test that increments of the martingale have mean zero given the past.

        Increments are multiplied by bounded squares and products of features, and by features and increments up to `lags` rows
        before; under the model all these means are zero. Their covariance takes the estimation of the values into account, and
        groups rows by episode, or by the clusters of the fit, where there are more of them than means. A coarse time step leaves
        means that are not zero.

        Parameters
        ----------
        lags : int

        Returns
        -------
        WaldTest
        """
        if isinstance(lags, bool) or not isinstance(lags, int | np.integer) or lags < 0:
            raise OptionError(f"lags={lags!r} is not a whole number of at least 0.")
        return diagnostics.martingale_test(self, self._paths("martingale test"), int(lags)).handed(self.kind)

    def quadratic_variation(self) -> Any:
        """Sum of squared increments of the martingale along each episode, over its length in time.

        Returns
        -------
        data frame
            Columns episode, length, quadratic_variation, rate. Noise of values between rows; a method that makes it small is not
            nearer to the values for that.
        """
        return diagnostics.quadratic_variation(self, self._paths("quadratic variation"))

    def discretisation(self) -> Any:
        """The estimates with every other row left out, and extrapolated to a time step of zero.

        The bias of first order in the step, which standard errors do not hold, is about `estimate - extrapolated`.

        Returns
        -------
        data frame
            Columns term, estimate, coarse (twice the step), extrapolated (2 estimate - coarse), std_error.
        """
        if self.again is None:
            self._need_rows("estimates from fewer rows")
            raise NotIdentifiedError(f"'{self.method}' has no estimates from fewer rows; use method='clstd'.")
        return diagnostics.discretisation(self, self._paths("estimates from fewer rows"), self.again)

    def _paths(self, what: str) -> CtdProblem:
        if self.problem is None:
            self._need_rows(what)
        assert self.problem is not None
        return self.problem

    def lean(self) -> Self:
        return replace(super().lean(), problem=None, again=None)
