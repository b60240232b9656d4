"""The methods of `si.rq`, `si.quantile_ensemble` and `si.stack`."""

from statinf.results.methods import MethodTable

_ROWS = ("weights", "seed", "na_action", "context")

RQ = MethodTable("rq", {"": "statinf.quantile.rq"}, shared=("tau", "vcov", "cluster", *_ROWS))
ENSEMBLE = MethodTable(
    "quantile_ensemble",
    {"": "statinf.quantile.ensemble"},
    shared=("models", "tau", "folds", "progress", *_ROWS),
)
STACK = MethodTable("stack", {"": "statinf.quantile.stack"}, shared=("models", "folds", *_ROWS))
TABLES = (RQ, ENSEMBLE, STACK)
