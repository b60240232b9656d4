"""Inference written once for all estimators: estimating functions, covariances, tests, bootstrap, bands."""

from statinf.inference.bands import sup_t_critical
from statinf.inference.bootstrap import Bootstrap, map_replicas, one_step
from statinf.inference.covariance import Covariance
from statinf.inference.estimating import EstimatingFunction
from statinf.inference.functions import delta_jacobian
from statinf.inference.hypotheses import WaldTest, wald
from statinf.inference.moments import Moments
from statinf.inference.restrictions import linear_restrictions
from statinf.inference.sandwich import covariance

__all__ = [
    "Bootstrap",
    "Covariance",
    "EstimatingFunction",
    "Moments",
    "WaldTest",
    "covariance",
    "delta_jacobian",
    "linear_restrictions",
    "map_replicas",
    "one_step",
    "sup_t_critical",
    "wald",
]
