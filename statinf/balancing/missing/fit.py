"""The result of `missing_mean`: the mean, and the weights behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.balancing.missing.problem import MeanSolution
from statinf.balancing.missing.reading import MissingRows
from statinf.errors import NotIdentifiedError
from statinf.frames import to_caller
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovKinds
from statinf.results import Estimate, Fit, Weights, augmented
from statinf.results.methods import Method

KINDS = VcovKinds(default="HC0", names=("HC0", "HC1", "HC2", "HC3", "fixed"), robust="HC0")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MissingMeanFit(Fit):
    """The mean of an outcome over all rows, those without it among them; tables use the normal distribution.

    Attributes
    ----------
    weights : Weights or None
        Of the observed rows, zero on the others; not saved. They go into any verb as `weights=`, whose standard errors then
        count their estimation.
    observed : ndarray of bool, shape (n,), or None
        Rows used that have an outcome; not saved.
    constraints : mapping of str to ndarray
        What was balanced.
    constraint_names : tuple of str
    """

    weights: Weights | None = field(default=None, metadata={"saved": False})
    observed: np.ndarray | None = field(default=None, metadata={"saved": False})
    constraints: Mapping[str, np.ndarray] = field(default_factory=dict)
    constraint_names: tuple[str, ...] = ()

    normal_reference = True
    vcov_kinds = KINDS
    beside = ("weights", "imbalance")

    @property
    def title(self) -> str:
        return f"Mean of an outcome that is missing at random, {self.method}"

    def lean(self) -> Self:
        return replace(super().lean(), weights=None, observed=None)

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs}

    def imbalance(self) -> Any:
        """What was balanced, one row per covariate or kernel function, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns term; before and after (of the base weights and the final ones: mean over observed rows less mean over all
            rows, in standard deviations of covariates and in units of kernel functions); multiplier.
        """
        import pandas as pd

        if not self.constraints:
            raise NotIdentifiedError(f"'{self.method}' balances nothing; use method='kernel'.")
        columns = {k: self.constraints[k] for k in ("before", "after", "multiplier")}
        return to_caller(pd.DataFrame({"term": list(self.constraint_names), **columns}), self.kind)

    def augment(self) -> Any:
        """The caller's data with columns observed, weight and each row's influence on the mean."""
        design = self._need_rows("row-wise weights")
        assert self.weights is not None and self.observed is not None
        columns = {"observed": self.observed * 1.0, "weight": self.weights.values, "influence": self.influence[:, 0]}
        return augmented(design, columns)


def estimate_of(rows: MissingRows, found: MeanSolution, method: Method) -> Estimate:
    """What the method found, spread over the rows of the design.

    Parameters
    ----------
    rows : MissingRows
    found : MeanSolution
    method : Method
    """
    used, weights = rows.used, found.weights
    nobs, seen = int(used.sum()), int((rows.observed & used).sum())

    def spread(values: np.ndarray) -> np.ndarray:
        out = np.zeros((len(used), *values.shape[1:]))
        out[used] = values
        return out

    leverage = spread(found.leverage)
    moments = Moments(
        scores=spread(found.own)[:, None],
        bread=np.eye(1),
        nobs=nobs,
        df_resid=float(nobs - 1),
        adjustment=None if found.pushed is None else spread(found.pushed)[:, None],
        weight_leverage=None if found.pushed is None else leverage,
        weights_fixed=weights.linear is None,
        present=used,
        hats=lambda: leverage,
    )
    size = float(weights.values.sum() ** 2 / (weights.values**2).sum())
    facts = {"Observed": f"{seen} of {nobs} rows", "Effective sample size": size, **weights.facts, **found.facts}
    complete = rows.observed & used
    facts["Mean of the observed"] = float(np.average(rows.y[complete], weights=rows.design.weights[complete]))
    extra = {
        "weights": _weights(rows, found, spread, method, nobs),
        "observed": rows.observed,
        "constraints": dict(weights.constraints),
        "constraint_names": weights.labels,
    }
    return Estimate(
        terms=(rows.outcome,), theta=np.array([found.mean]), moments=moments, nobs=nobs, df_resid=float(nobs - 1),
        facts=facts, extra=extra,
    )  # fmt: skip


def _weights(rows: MissingRows, found: MeanSolution, spread: Any, method: Method, nobs: int) -> Weights:
    made, linear = rows.design, found.weights.linear
    return Weights(
        method=method.name,
        formula=made.recipe.formula,
        citation=method.reference,
        nobs=nobs,
        kind=made.kind,
        dropped=made.dropped,
        values=spread(found.weights.values),
        used=made.rows,
        n_total=made.n_total,
        estimand="mean over all rows",
        derivative=None if linear is None else spread(linear.derivative),
        influence=None if linear is None else spread(linear.influence),
        leverage=None if linear is None else spread(linear.leverage),
        identity=made.identity,
    )
