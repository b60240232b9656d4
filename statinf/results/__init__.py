"""Results: one kind of fitted object, weights that know how they were estimated, and tables."""

from statinf.results.base import Result
from statinf.results.demo import DemoSection
from statinf.results.derived import Joint, Transformed, joint
from statinf.results.fit import Fit
from statinf.results.frames import to_caller
from statinf.results.methods import Method, load_method
from statinf.results.side_by_side import table
from statinf.results.store import load
from statinf.results.table import Table, format_number, format_p
from statinf.results.weights import Weights, stack_scores

__all__ = [
    "DemoSection",
    "Fit",
    "Joint",
    "Method",
    "Result",
    "Table",
    "Transformed",
    "Weights",
    "format_number",
    "format_p",
    "joint",
    "load",
    "load_method",
    "stack_scores",
    "table",
    "to_caller",
]
