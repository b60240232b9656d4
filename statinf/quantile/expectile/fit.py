"""`ExpectileFit`: coefficients of linear expectile regressions at one or many levels, jointly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError
from statinf.inference.covariance import Covariance
from statinf.inference.lone import judges_by_residuals, warn_lone
from statinf.inference.vcov import VcovKinds
from statinf.internal import internal
from statinf.numerics.linear.asymmetric import asymmetric_replicas, asymmetry
from statinf.numerics.linear.triangular import solve_triangular
from statinf.quantile.expectile.solved import SolvedExpectiles
from statinf.results.levels_fit import LinearLevelsFit

KINDS = VcovKinds(default="HC1")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ExpectileFit(LinearLevelsFit):
    """Linear expectile regressions at k levels.

    Objectives are weighted sums of |tau - 1{r < 0}| r^2; at tau = 1/2 the fit is least squares and `pseudo_r_squared` is R2.

    Attributes
    ----------
    steps : int
        Newton steps of the slowest level.
    inner : ndarray, shape (k, p), or None
        Coefficients of the columns in well-scaled coordinates; not saved.
    """

    steps: int
    inner: np.ndarray | None = field(default=None, metadata={"saved": False})

    vcov_kinds = KINDS
    letter = "e"
    heading = "Expectile regression"
    what = "expectile"
    loss_name = "Asymmetric squares"

    @internal
    def solved(self, what: str) -> SolvedExpectiles:
        """What standard errors need; a `DataError` that names `what` without the rows of the fit."""
        made = self._need_rows(what)
        assert self.inner is not None
        return SolvedExpectiles(made, self.tau, self.coef, self.inner)

    def lean(self) -> Self:
        return replace(super().lean(), inner=None)

    def _examine(self) -> None:
        if not judges_by_residuals(self.cov.kind):
            return
        solved = self.solved("leverages")
        rows, made = solved.rows, solved.design
        if len(rows.used) <= rows.Z.shape[1]:
            return
        working, residual = np.zeros(made.n), np.zeros(made.n)
        residual[rows.used] = solved.residual[0]
        working[rows.used] = rows.w * asymmetry(solved.residual[:1], self.tau[:1])[0]
        half = np.asarray(np.linalg.qr(rows.Z * np.sqrt(working[rows.used])[:, None], mode="r"))
        names = [c for c, ok in zip(self.columns, self.estimable, strict=False) if ok]
        warn_lone(
            self.cov.kind,
            made.parts[0].values[:, self.estimable[: len(self.columns)]],
            working,
            residual,
            lambda: rows.back @ solve_triangular(half, np.eye(len(half))),
            names,
            numbers=made.rows,
            codes=made.cluster_codes,
        )

    def _covariance(self, kind: Any) -> Covariance:
        if isinstance(kind, dict) and kind.get("type") in ("HC2", "HC3") and len(self.tau) > 1:
            raise NotIdentifiedError(
                f"clustered {kind['type']} is for one level at a time; use type 'HC1' for several, or one level per fit."
            )
        return super()._covariance(kind)

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        if studentize:
            raise OptionError("studentize=True is for linear regressions; use percentile or basic intervals.")
        solved = self.solved("bootstrap draws")
        rows, inner = solved.rows, solved.inner

        def solve(weights: np.ndarray) -> np.ndarray:
            found = asymmetric_replicas(rows.Z, rows.y, self.tau, weights[:, rows.used] * rows.w, inner)
            return rows.carried(found).reshape(len(weights), -1)

        return solve
