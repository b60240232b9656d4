"""`QuantileFit`: coefficients of linear quantile regressions at one or many levels, jointly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import OptionError, check_level, one_of
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.internal import internal
from statinf.quantile import bootstraps
from statinf.quantile import inference as how
from statinf.quantile.scores import QuantileScores, frame_weights, score_quantiles
from statinf.quantile.working import SolvedQuantiles
from statinf.results.levels_fit import LinearLevelsFit
from statinf.results.levels_tables import fitted


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class QuantileFit(LinearLevelsFit):
    """Linear quantile regressions at k levels.

    Objectives are weighted check losses.

    Attributes
    ----------
    basis : ndarray, shape (k, p), or None
        Positions among the rows used that each level interpolates; None for fits under constraints.
    dual : ndarray, shape (k, p), or None
        Their subgradients, in [tau - 1, tau].
    rule : str
        Bandwidth rule of the density estimates.
    noncrossing : bool
        Whether the levels were fitted under the constraint that they do not cross on the regressors' box.
    """

    basis: np.ndarray | None = None
    dual: np.ndarray | None = None
    rule: str = "hall-sheather"
    noncrossing: bool = False

    vcov_kinds: ClassVar[VcovKinds] = how.KINDS
    heading = "Quantile regression"
    loss_name = "Check loss"

    @internal
    def solved(self, what: str) -> SolvedQuantiles:
        """What standard errors need; a `DataError` that names `what` without the rows of the fit."""
        made = self._need_rows(what)
        return SolvedQuantiles(made, self.tau, self.coef, self.objective, self.basis, self.dual, self.rule)

    # --- covariances --------------------------------------------------------------------------------------

    def with_vcov(self, vcov: Any) -> Self:
        """The same fit with other standard errors.

        Parameters
        ----------
        vcov : {"nid", "iid", "ker", "rank", "rank-nid", "boot"} or mapping
            As in `si.rq`.
        """
        spec = VcovSpec.read(vcov, kinds=self.vcov_kinds)
        if spec.kind == "boot" and self.design is not None:
            return bootstraps.as_asked(self, spec.settings)
        return super().with_vcov(spec)

    def _exists(self, kind: str) -> bool:
        # Limits by inversion of rank tests need no standard errors.
        return kind in ("rank", "rank-nid") or super()._exists(kind)

    def _limits(self, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
        if self.draws is not None or self.cov.kind not in ("rank", "rank-nid") or interval is not None:
            return super()._limits(level, interval)
        check_level(level)
        return how.rank_limits(self, level)

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        if studentize:
            raise OptionError("studentize=True is for linear regressions; use percentile or basic intervals.")
        return bootstraps.refit_solver(self)

    def bootstrap(self, replicas: int = 999, kind: str = "pairs", **options: Any) -> Self:
        """The same fit with bootstrap draws, the same draws at every level.

        Parameters
        ----------
        replicas : int
        kind : {"pairs", "bayesian", "multiplier", "wild", "pwy"}
            "pairs" and "bayesian" refit under multinomial and exponential weights (R's xy and wxy); "pwy"
            perturbs the estimating equation (Parzen, Wei and Ying 1994), with clusters by one multiplier per
            cluster (Hagemann 2017); "wild" flips residuals (Feng, He and Hu 2011); "multiplier" perturbs
            influence values without a refit.
        **options
            seed, cluster, law and progress, as for every fit.
        """
        one_of("kind", kind, bootstraps.KINDS)
        if kind in ("wild", "pwy"):
            return bootstraps.special_bootstrap(self, replicas, kind, **options)  # type: ignore[return-value]
        solved = self.solved("bootstrap draws")
        if kind == "multiplier":
            used = how.density(solved, "nid")[1]
            made = super().bootstrap(replicas, kind, **options)
            label = made.cov.label + ("" if used == "nid" else f", {used} densities")
            return replace(made, cov=replace(made.cov, label=label))
        # A refit needs no density; only the acceleration of BCa limits does.
        draft = replace(self, source=partial(how.moments_of, solved, always=True))
        return replace(super(QuantileFit, draft).bootstrap(replicas, kind, **options), source=self.source)

    # --- predictions --------------------------------------------------------------------------------------

    def score(self, newdata: Any = None, *, noncrossing: str | None = None) -> QuantileScores:
        """Pinball loss, coverage, weighted interval score and CRPS of the predicted quantiles.

        Parameters
        ----------
        newdata : data frame, optional
            Rows with the outcome recorded; those of the fit with their weights by default.
        noncrossing : {None, "sort", "isotonic", "sweep"}
        """
        own = self._need_rows("scores without newdata") if newdata is None else None
        rows = self.new_rows(newdata if own is None else own.frame, response=True)
        assert rows.response is not None
        values = fitted(self, rows, rows.parts["covariates"], self.aliases, noncrossing)
        weights = None if own is None else frame_weights(own)
        return score_quantiles(rows.response, values, self.tau, weights=weights, kind=rows.kind)
