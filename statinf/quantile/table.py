"""The methods of `si.rq`, `si.quantile_ensemble`, `si.stack` and `si.cvar`."""

from statinf.results.methods import MethodTable

_ROWS = ("weights", "seed", "na_action", "context")

RQ = MethodTable("rq", {"": "statinf.quantile.rq"}, shared=("tau", "vcov", "cluster", *_ROWS))
ENSEMBLE = MethodTable(
    "quantile_ensemble",
    {"": "statinf.quantile.ensemble"},
    shared=("models", "tau", "folds", "progress", *_ROWS),
)
STACK = MethodTable("stack", {"": "statinf.quantile.stack"}, shared=("models", "folds", *_ROWS))
_STREAMS = "statinf.quantile.cvar.streams"
CVAR = MethodTable(
    "cvar",
    {"exact": "statinf.quantile.cvar.exact", "spl+": _STREAMS, "spl": _STREAMS, "sgm": _STREAMS},
    shared=("level", "method", "vcov", "cluster", *_ROWS),
    aliases={"splplus": "spl+", "subgradient": "sgm"},
)
TABLES = (RQ, ENSEMBLE, STACK, CVAR)
