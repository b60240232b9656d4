"""`CumulativeFit`: a cumulative logit model by maximum likelihood, such as proportional odds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError
from statinf.inference.distributions import t_quantile
from statinf.inference.hypotheses import WaldTest
from statinf.models.categories import boundary_names
from statinf.models.class_fit import share_limits
from statinf.models.likelihood_fit import LIKELIHOOD_KINDS
from statinf.models.regression_fit import check_interval
from statinf.quantile.presto.odds import refits
from statinf.quantile.presto.options import PrestoOptions
from statinf.quantile.presto.path import class_probabilities, warn_crossed
from statinf.quantile.presto.problem import presto_problem
from statinf.results import Fit, augmented, prediction_frame, unsupported
from statinf.results.predicting import prediction_rows

KINDS = LIKELIHOOD_KINDS
_TOGETHER = 32
"""Replicas that are solved together."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CumulativeFit(Fit):
    """P(Y <= k | x) = logistic(a_k + x'b), with slopes shared by the boundaries or not.

    A positive slope makes lower categories likelier; R's polr and statsmodels' OrderedModel print the opposite sign.

    Attributes
    ----------
    levels : tuple
        Categories from the first to the last.
    parallel : bool
        Whether the boundaries share their slopes.
    loglik, null_loglik : float
        Log-likelihood of the model and of the model without slopes.
    aliases : ndarray
        How the columns that are not aliased make those that are.
    reverse : bool
        Whether the order of the categories was turned round.
    """

    levels: tuple[Any, ...]
    parallel: bool
    loglik: float
    null_loglik: float
    aliases: np.ndarray
    reverse: bool = False

    vcov_kinds = KINDS
    normal_reference: ClassVar[bool] = True
    beside: ClassVar[tuple[str, ...]] = ("test_parallel", "levels")

    @property
    def title(self) -> str:
        return "Proportional odds" if self.parallel else "Cumulative logit, slopes of each boundary's own"

    def glance_items(self) -> dict[str, Any]:
        k = int(self.estimable.sum())
        return {
            "nobs": self.nobs,
            "df_resid": self.df_resid,
            "loglik": self.loglik,
            "null_loglik": self.null_loglik,
            "aic": -2 * self.loglik + 2 * k,
            "bic": -2 * self.loglik + np.log(self.nobs) * k,
        }

    def summary_facts(self) -> dict[str, Any]:
        named = ", ".join(map(str, self.levels[:8])) + (", ..." if len(self.levels) > 8 else "")
        facts = {"Observations": self.nobs, "Categories": named, "Log-likelihood": self.loglik}
        return facts | {"AIC": self.glance_items()["aic"]}

    def _notes(self) -> tuple[str, ...]:
        note = "P(Y <= k) = logistic(intercept of the boundary + x'b): positive slopes make lower categories likelier."
        return (note, *super()._notes())

    # --- tests and draws ----------------------------------------------------------------------------------

    def test_parallel(self, columns: Any = None) -> WaldTest:
        """Wald test of proportional odds: slopes that are equal at all boundaries.

        Parameters
        ----------
        columns : str or sequence of str, optional
            Columns whose slopes are tested; all of them by default.
        """
        if self.parallel:
            raise NotIdentifiedError("the slopes are shared by all boundaries; fit with parallel=False to test that.")
        m, p = len(self.levels) - 1, (len(self.terms) - len(self.levels) + 1) // (len(self.levels) - 1)
        ends = boundary_names(self.levels)
        names = [term.removesuffix(f"[{ends[0]}]") for term in self.terms[:p]]
        asked = names if columns is None else [columns] if isinstance(columns, str) else list(columns)
        unknown = [name for name in asked if name not in names]
        if unknown:
            raise OptionError(f"columns={unknown[0]!r} is not a column of the fit; there are {', '.join(names)}.")
        at = [names.index(name) for name in asked if self.estimable[names.index(name)]]
        rows = np.zeros((m - 1, len(at), len(self.terms)))
        for k in range(m - 1):
            for i, j in enumerate(at):
                rows[k, i, k * p + j], rows[k, i, (k + 1) * p + j] = -1.0, 1.0
        found = self.test(rows.reshape(-1, len(self.terms)))
        assert isinstance(found, WaldTest)
        return found

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        if studentize:
            raise OptionError("studentize=True is for linear regressions; use percentile or basic intervals.")
        made = self._need_rows("bootstrap draws")
        rows = presto_problem(made, reverse=self.reverse).rows.columns(self._kept_columns())
        options, used = PrestoOptions(penalty=0.0, parallel=self.parallel), made.weights > 0
        return lambda weights: np.concatenate(
            [
                refits(rows, options, weights[at : at + _TOGETHER, used] * rows.weights)
                for at in range(0, len(weights), _TOGETHER)
            ]
        )

    def _kept_columns(self) -> np.ndarray:
        m = len(self.levels) - 1
        return self.estimable[: (len(self.terms) - m) // (1 if self.parallel else m)]

    # --- predictions --------------------------------------------------------------------------------------

    def _slopes(self) -> tuple[np.ndarray, np.ndarray]:
        """Intercepts (m,), and slopes (m, p), zero where they are aliased."""
        m = len(self.levels) - 1
        slopes = np.nan_to_num(self.theta[:-m]).reshape(1 if self.parallel else m, -1)
        return self.theta[-m:], np.broadcast_to(slopes, (m, slopes.shape[1]))

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Probabilities of the categories.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        interval : {None, "confidence"}
        level : float

        Returns
        -------
        data frame
            A column per category, named by it; with an interval also std_error_, conf_low_ and conf_high_ in front of the
            names. Limits are made on the logit scale. Where boundaries cross, which they can only with `parallel=False`,
            probabilities are those of the sorted boundaries, without standard errors.
        """
        if interval == "prediction":
            raise NotIdentifiedError("categories have no prediction interval; si.conformal makes sets of them.")
        check_interval(interval, level, ("confidence",))
        rows = prediction_rows(self, newdata)
        matrix = rows.parts["covariates"]
        X = matrix.without_intercept().values
        whole = np.concatenate([[True], self._kept_columns()])
        broken = unsupported(matrix.with_intercept(), whole, self.aliases) | ~rows.ok
        intercepts, slopes = self._slopes()
        eta = intercepts + np.where(broken[:, None], 0.0, X) @ slopes.T
        shares, crossed = class_probabilities(eta)
        warn_crossed(crossed & ~broken)
        shares[broken] = np.nan
        columns = {str(name): shares[:, k] for k, name in enumerate(self.levels)}
        if interval is not None:
            se = self._errors(np.where(broken[:, None], 0.0, X), eta)
            se[broken | crossed] = np.nan
            columns |= share_limits(columns, se, float(t_quantile(0.5 + level / 2.0, self.cov.df)))
        return prediction_frame(rows, columns)

    def _errors(self, X: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Standard errors of the probabilities by the delta method, shape (rows, K)."""
        m, root = len(self.levels) - 1, self.cov.root
        kept = self._kept_columns()
        X, p = X[:, kept], int(kept.sum())
        blocks = 1 if self.parallel else m
        density = 0.25 / np.cosh(0.5 * np.clip(eta, -700.0, 700.0)) ** 2
        moved = np.empty((len(X), m, root.shape[1]))
        for k in range(m):
            b = 0 if self.parallel else k
            moved[:, k] = (X @ root[b * p : (b + 1) * p] + root[blocks * p + k]) * density[:, k, None]
        padded = np.concatenate([np.zeros_like(moved[:, :1]), moved, np.zeros_like(moved[:, :1])], axis=1)
        return np.sqrt((np.diff(padded, axis=1) ** 2).sum(axis=2))

    def augment(self) -> Any:
        """The data of the fit with the probability of each category."""
        made = self._need_rows("row-wise diagnostics")
        intercepts, slopes = self._slopes()
        shares, _ = class_probabilities(intercepts + made.parts[0].without_intercept().values @ slopes.T)
        return augmented(made, {str(name): shares[:, k] for k, name in enumerate(self.levels)})
