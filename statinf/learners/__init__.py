"""Nuisance and base models: native learners, scikit-learn estimators, folds, cross-fitting, leave-one-out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from statinf.learners.base import Fitted, Learner, require
from statinf.learners.crossfit import CrossFit, LeaveOneOut, crossfit, fit_folds, fold_ids, leave_one_out
from statinf.learners.registry import canonical, names, resolve

if TYPE_CHECKING:
    from statinf.learners.gaussian import GaussianLocationScale
    from statinf.learners.kernel_ridge import KernelRidge
    from statinf.learners.linear import LeastSquares, Ridge
    from statinf.learners.linear_quantile import LinearQuantile
    from statinf.learners.location_scale import LocationScale
    from statinf.learners.logit import Logit
    from statinf.learners.mdn import MixtureDensityNetwork
    from statinf.learners.network import Network
    from statinf.learners.process_network import ProcessNetwork

__all__ = [
    "CrossFit",
    "Fitted",
    "GaussianLocationScale",
    "KernelRidge",
    "Learner",
    "LeastSquares",
    "LeaveOneOut",
    "LinearQuantile",
    "LocationScale",
    "Logit",
    "MixtureDensityNetwork",
    "Network",
    "ProcessNetwork",
    "Ridge",
    "canonical",
    "crossfit",
    "fit_folds",
    "fold_ids",
    "leave_one_out",
    "names",
    "require",
    "resolve",
]

_WHERE = {
    "GaussianLocationScale": "gaussian",
    "KernelRidge": "kernel_ridge",
    "LeastSquares": "linear",
    "LinearQuantile": "linear_quantile",
    "LocationScale": "location_scale",
    "Logit": "logit",
    "MixtureDensityNetwork": "mdn",
    "Network": "network",
    "ProcessNetwork": "process_network",
    "Ridge": "linear",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"statinf.learners.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
