"""The result of least-squares temporal differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, check_level
from statinf.inference import Covariance
from statinf.inference.vcov import VcovKinds
from statinf.results import Fit
from statinf.results.predicting import prediction_frame, predictor, predictor_se

_LABELS = {"hac": "HAC, {} lags", "HC0": "HC0 (independent rows)", "episode": "clustered by episode"}


def labelled(roots: Mapping[str, np.ndarray], lags: int) -> dict[str, Covariance]:
    """Covariances with their labels, from square roots (q, r) by name."""
    return {name: Covariance(r @ r.T, name, _LABELS[name].format(lags), np.inf, r) for name, r in roots.items()}


def batch_covariance(held: Mapping[str, Covariance], kind: str) -> Covariance:
    """One of the covariances that the rows allow, or an `OptionError` that names them."""
    if kind not in held:
        raise OptionError(f"vcov={kind!r} is not there for these rows; choose one of {', '.join(map(repr, held))}.")
    return held[kind]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LstdFit(Fit):
    """Least-squares temporal differences with a HAC, independent-rows or episode-clustered covariance.

    Attributes
    ----------
    lags : int
        Of the HAC covariance.
    """

    lags: int = 0

    normal_reference: ClassVar[bool] = True
    vcov_kinds: ClassVar[VcovKinds] = VcovKinds(
        default="hac", names=("hac", "HC0", "episode"), robust="HC0", clustered=()
    )

    def _kept(self, kind: Any) -> Covariance:
        return batch_covariance(self.kept_covariances, kind)

    def _need_rows(self, what: str) -> Any:
        why = "it keeps influence values, not rows" if self.source else "a saved or lean fit keeps no rows; fit again"
        self.refuse(what, why)

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Values of states: column estimate, and std_error, conf_low, conf_high with interval="confidence"."""
        from scipy.special import ndtri

        check_level(level)
        if newdata is None:
            self._need_rows("predictions without newdata")
        if interval not in (None, "confidence"):
            raise OptionError(f"interval={interval!r} is not known; choose None or 'confidence'.")
        new = self.new_rows(newdata, roles=["covariates"])
        part = new.part("covariates")
        columns = {"estimate": predictor(part, self.theta, None)}
        if interval is not None:
            se = predictor_se(part, self.theta, self.cov)
            half = float(ndtri(0.5 + level / 2.0)) * se
            columns |= {
                "std_error": se, "conf_low": columns["estimate"] - half, "conf_high": columns["estimate"] + half,
            }  # fmt: skip
        return prediction_frame(new, columns)

    def bootstrap(self, replicas: int = 999, kind: str = "multiplier", **options: Any) -> Self:
        """Multiplier draws of independent transitions; see `Fit.bootstrap`."""
        if self.cov.kind != "HC0":
            raise NotIdentifiedError(
                "the draws of a bootstrap would take rows along a trajectory for independent ones; use the covariances "
                "'hac' or 'episode', or fit.with_vcov('HC0') first if they are independent."
            )
        return super().bootstrap(replicas, kind, **options)

    def lean(self) -> Self:
        """The same fit without its influence values; its covariances stay."""
        return replace(self, source=None, covary=None)
