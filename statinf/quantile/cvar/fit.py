"""`CvarFit`: coefficients of a regression of least CVaR, with the VaR and the CVaR of its losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import ConvergenceError, NotIdentifiedError, OptionError, check_level, one_of
from statinf.inference.distributions import t_quantile
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.models.minimised import expit, predicted
from statinf.models.regression_fit import check_interval
from statinf.numerics.tails.minimise import minimise_cvar
from statinf.quantile import bootstraps
from statinf.quantile.cvar.solved import SolvedTail, risk_covariance, var_limits
from statinf.quantile.cvar.tail_risk import risk_frame
from statinf.results import Fit, augmented, predictor, to_caller

KINDS = VcovKinds(
    default="HC0",
    names=("HC0", "HC1", "fixed"),
    robust="HC0",
    clustered=("HC0", "HC1"),
    structured={"boot": ("replicas", "seed", "cluster")},
    shorthand={"boot": {"boot": "pairs"}},
)

_SHORT = 100
"""Rows in the worst share below which intervals are known to fall short (benchmarks/results/cvar_coverage.md)."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CvarFit(Fit):
    """A regression of least CVaR.

    Attributes
    ----------
    loss : str
    level : float
        The worst share of the losses is 1 - level.
    var, cvar : float
        The losses' quantile at `level`, and the mean of the worst share; `risk` has their errors.
    cvar_std_error : float
        For independent rows.
    gap : float
        By how much the CVaR may exceed the minimum at most; NaN for methods without a certificate.
    steps : int
        Newton steps of the exact method.
    path : ndarray, shape (epochs,), or None
        CVaR at the end of each epoch of a stream.
    scale, active, distance : float
        Of streams: unit of the loss, share of steps that moved the coefficients, and distance to the minimum in standard
        errors.
    aliases : ndarray
        How the columns that are not aliased make those that are.
    """

    loss: str
    level: float
    var: float
    cvar: float
    cvar_std_error: float
    aliases: np.ndarray
    gap: float = np.nan
    steps: int = 0
    path: np.ndarray | None = None
    scale: float = np.nan
    active: float = np.nan
    distance: float = np.nan
    solved: SolvedTail | None = field(default=None, metadata={"saved": False})

    vcov_kinds: ClassVar[VcovKinds] = KINDS

    def _rows_solved(self, what: str) -> SolvedTail:
        self._need_rows(what)
        assert self.solved is not None
        return self.solved

    def lean(self) -> Self:
        return replace(super().lean(), solved=None)

    # --- covariances --------------------------------------------------------------------------------------

    def with_vcov(self, vcov: Any) -> Self:
        """The same fit with other standard errors.

        Parameters
        ----------
        vcov : {"HC0", "HC1", "fixed", "boot"} or mapping
            As in `si.cvar`.
        """
        spec = VcovSpec.read(vcov, kinds=self.vcov_kinds)
        if spec.kind == "boot" and self.design is not None:
            return bootstraps.as_asked(self, spec.settings)
        return super().with_vcov(spec)

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        if studentize:
            raise OptionError("studentize=True is for linear regressions; use percentile or basic intervals.")
        solved = self._rows_solved("bootstrap draws")
        problem = solved.problem

        def one(weights: np.ndarray) -> np.ndarray:
            w = weights[problem.used] * problem.w
            drawn = w > 0
            if not drawn.any():
                return np.full(len(solved.theta), np.nan)
            try:
                found = minimise_cvar(
                    problem.Z[drawn],
                    problem.y[drawn],
                    w[drawn] / w.sum(),
                    problem.level,
                    problem.loss,
                    offset=problem.offset[drawn],
                    start=solved.theta,
                    max_iter=400,
                )
            except ConvergenceError:
                return np.full(len(solved.theta), np.nan)
            return problem.carried(found.theta)

        return lambda weights: np.stack([one(row) for row in weights])

    # --- risk ---------------------------------------------------------------------------------------------

    def risk(self, level: float = 0.95) -> Any:
        """VaR and CVaR of the losses with standard errors, in the caller's kind of data frame.

        Parameters
        ----------
        level : float
            Confidence.

        Returns
        -------
        data frame
            Rows "VaR" and "CVaR"; columns term, estimate, std_error, conf_low, conf_high. Errors are those of the fit's
            covariance, before a bootstrap if it has one. Limits of the VaR are the losses' quantiles at levels around its own.
        """
        check_level(level)
        solved = self._rows_solved("errors of the risk")
        own = self._undrawn_kind
        kind = own if isinstance(own, dict) or own in KINDS.names else "HC0"
        found = risk_covariance(solved, kind)
        half = float(t_quantile(0.5 + level / 2, found.df))
        errors = np.sqrt(np.diag(found.matrix))
        ends = var_limits(solved, float(errors[0]), half)
        return to_caller(risk_frame((self.var, self.cvar), errors, half, ends), self.kind)

    @property
    def losses(self) -> np.ndarray:
        """Losses of the rows used, shape (rows used,); NaN for rows of weight zero."""
        solved = self._rows_solved("losses")
        out = np.full(solved.problem.design.n, np.nan)
        out[solved.problem.used] = solved.terms[0] * solved.problem.loss_unit
        return out

    def glance_items(self) -> dict[str, Any]:
        items = {"nobs": self.nobs, "df_resid": self.df_resid, "loss": self.loss, "level": self.level}
        items |= {"var": self.var, "cvar": self.cvar, "cvar_std_error": self.cvar_std_error, "gap": self.gap}
        return items

    @property
    def title(self) -> str:
        return f"Regression of least CVaR, worst {100 * (1 - self.level):g} percent"

    def _notes(self) -> tuple[str, ...]:
        tail = self.nobs * (1.0 - self.level)
        short = (
            f"Few rows ({tail:.0f}) are in the worst share: intervals are too short, most of all those of the CVaR. With 50 such "
            "rows 95% intervals covered 0.88 to 0.93 in simulations."
        )
        return (*super()._notes(), short) if self.level > 0.0 and tail < _SHORT else super()._notes()

    # --- predictions --------------------------------------------------------------------------------------

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """The linear predictor of new rows; with the logistic loss, the probability of a one.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        interval : {None, "confidence"}
        level : float

        Returns
        -------
        data frame
            Columns estimate, std_error and, with an interval, conf_low and conf_high.
        """
        if interval == "prediction":
            raise NotIdentifiedError("a regression of least CVaR has no prediction interval; use si.conformal.")
        check_interval(interval, level, ("confidence",))
        return predicted(self, newdata, self.loss == "logistic", interval, level)

    def augment(self) -> Any:
        """The data of the fit with the prediction, the loss and the part of each row in the worst share."""
        made = self._need_rows("row-wise diagnostics")
        solved = self._rows_solved("row-wise diagnostics")
        fitted = predictor(made.parts[0], self.theta, made.offset)
        shares = np.zeros(made.n)
        shares[solved.problem.used] = solved.shares
        fitted = expit(fitted) if self.loss == "logistic" else fitted
        return augmented(made, {"fitted": fitted, "loss": self.losses, "tail_share": shares})

    def plot(self, kind: str = "tail", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"tail", "coefficients", "path"}
            Shares of losses above each value, with the VaR and the CVaR; intervals of the coefficients; or the CVaR by
            epoch of a stream.
        """
        from statinf.plotting import tails

        one_of("kind", kind, ("tail", "coefficients", "path"))
        if kind == "coefficients":
            return Fit.plot(self, kind, **options)
        if kind == "path":
            if self.path is None:
                raise OptionError(f"plot kind='path' is for streams; '{self.method}' has none.")
            return tails.plot_path(self.path, self.cvar, **options)
        solved = self._rows_solved("figures of the tail")
        w = solved.problem.w
        return tails.plot_tail(
            solved.terms[0] * solved.problem.loss_unit, w, self.level, self.var, self.cvar, **options
        )
