"""Results: one kind of fitted object, weights that know how they were estimated, methods as values, and tables."""

from statinf.frames import to_caller
from statinf.results.demo import DemoSection
from statinf.results.estimate import Estimate
from statinf.results.fit import Fit
from statinf.results.joint import Joint, joint
from statinf.results.methods import Method, MethodTable
from statinf.results.options import Options, choice, count, flag, number, value
from statinf.results.predicting import augmented, prediction_frame, predictor, predictor_se, unsupported
from statinf.results.protocol import Predictive, Result
from statinf.results.side_by_side import table
from statinf.results.stacking import stack_scores
from statinf.results.store import load
from statinf.results.table import Table, format_number, format_p
from statinf.results.weights import Weights

__all__ = [
    "DemoSection",
    "Estimate",
    "Fit",
    "Joint",
    "Method",
    "MethodTable",
    "Options",
    "Predictive",
    "Result",
    "Table",
    "Weights",
    "augmented",
    "choice",
    "count",
    "flag",
    "format_number",
    "format_p",
    "joint",
    "load",
    "number",
    "prediction_frame",
    "predictor",
    "predictor_se",
    "stack_scores",
    "table",
    "to_caller",
    "unsupported",
    "value",
]
