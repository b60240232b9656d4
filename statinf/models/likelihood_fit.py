"""What fits of a likelihood of more than one linear predictor share: covariances, what weights mean, refits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError
from statinf.inference.covariance import Covariance
from statinf.inference.dependent import DEPENDENT
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.internal import internal
from statinf.models.row_counts import RowCounts
from statinf.results import Fit
from statinf.results.margins.mixin import MarginVerbs

LIKELIHOOD_KINDS = VcovKinds(
    default="iid", names=("iid", "HC0", "HC1", "fixed"), clustered=("HC0", "HC1"), dependent=DEPENDENT
)
"""Covariances of a likelihood of more than one linear predictor, which has no leverages."""


def asked_covariance(vcov: Any, cluster: Any, counts: RowCounts) -> Any:
    """The covariance that a caller asks for: a robust one by default with weights that make no likelihood."""
    return VcovSpec("HC1", explicit=False) if vcov is None and cluster is None and not counts.likely else vcov


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LikelihoodFit(MarginVerbs, Fit):
    """Maximum likelihood.

    Attributes
    ----------
    loglik, null_loglik : float
        Log-likelihood of the model, and of the model without slopes; NaN with the weights of a survey, which make none.
    aliases : ndarray, shape (k, p - k)
        How the columns that are not aliased make those that are.
    iterations : int
        Evaluations of the likelihood.
    weights_kind : {"precision", "frequency", "probability"}
        What the weights mean.
    copies : ndarray, shape (rows used,), or None
        How many equal rows each row stands for; not saved.
    """

    loglik: float
    null_loglik: float
    aliases: np.ndarray
    iterations: int
    weights_kind: str = "precision"
    copies: np.ndarray | None = field(default=None, metadata={"saved": False})

    vcov_kinds: ClassVar[VcovKinds] = LIKELIHOOD_KINDS
    normal_reference: ClassVar[bool] = True

    def _covariance(self, kind: Any) -> Covariance:
        if kind == "iid" and self.weights_kind == "probability":
            raise NotIdentifiedError(
                "vcov='iid' takes weights for numbers of rows; with weights_kind='probability' ask for 'HC0', 'HC1' or clusters."
            )
        return super()._covariance(kind)

    @internal
    def likelihood_items(self) -> dict[str, Any]:
        """Statistics of the likelihood, by name."""
        k = int(self.estimable.sum())
        return {
            "loglik": self.loglik,
            "null_loglik": self.null_loglik,
            "pseudo_r_squared": 1.0 - self.loglik / self.null_loglik if self.null_loglik < 0 else np.nan,
            "deviance": -2.0 * self.loglik,
            "aic": -2.0 * self.loglik + 2 * k,
            "bic": -2.0 * self.loglik + np.log(self.nobs) * k,
            "iterations": self.iterations,
        }

    def _refits(self, one: Callable[[np.ndarray], np.ndarray], studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        """Coefficients (R, q) under replica weights (R, n), from those (q,) under one set, NaN where there are none."""
        if studentize:
            raise OptionError("studentize=True is for linear regressions; use percentile or basic intervals.")
        if self.weights_kind == "frequency":
            raise NotIdentifiedError(
                "a bootstrap draws rows, and with weights_kind='frequency' a row stands for several: repeat the rows instead of "
                "weighting them."
            )
        return lambda weights: np.stack([one(w) for w in weights])
