"""The methods of the verbs of quantiles, tails and ordered outcomes."""

from statinf.results.methods import MethodTable

_ROWS = ("weights", "seed", "na_action", "context")

RQ = MethodTable("rq", {"": "statinf.quantile.rq"}, shared=("tau", "vcov", "cluster", "progress", *_ROWS))
RQ_PATH = MethodTable(
    "rq_path",
    {"lasso": "statinf.quantile.penalised.lasso", "group-lasso": "statinf.quantile.penalised.group"},
    shared=("tau", "method", "progress", *_ROWS),
    aliases={"l1": "lasso", **dict.fromkeys(("group", "grouped", "glasso"), "group-lasso")},
)
_CENSORED = "statinf.quantile.censored"
CRQ = MethodTable(
    "crq",
    {
        "portnoy": f"{_CENSORED}.portnoy",
        "peng-huang": f"{_CENSORED}.peng_huang",
        "powell": f"{_CENSORED}.powell",
    },
    shared=("tau", "method", "side", "vcov", "cluster", "progress", *_ROWS),
    aliases={"por": "portnoy", "pow": "powell"},
)
EXPECTILE = MethodTable(
    "expectile",
    {"": "statinf.quantile.expectile.expectile"},
    shared=("tau", "vcov", "weights", "cluster", "na_action", "context"),
)
ENSEMBLE = MethodTable(
    "quantile_ensemble",
    {"": "statinf.quantile.ensemble"},
    shared=("models", "tau", "folds", "progress", *_ROWS),
)
STACK = MethodTable("stack", {"": "statinf.quantile.stack"}, shared=("models", "folds", "progress", *_ROWS))
PROCESS = MethodTable("quantile_process", {"": "statinf.quantile.noncrossing.verb"}, shared=("tau", "progress", *_ROWS))
_STREAMS = "statinf.quantile.cvar.streams"
CVAR = MethodTable(
    "cvar",
    {"exact": "statinf.quantile.cvar.exact", "spl+": _STREAMS, "spl": _STREAMS, "sgm": _STREAMS},
    shared=("level", "method", "vcov", "cluster", "progress", *_ROWS),
    aliases={"lp": "exact", "rockafellar-uryasev": "exact", "subgradient": "sgm"},
)
PRESTO = MethodTable(
    "presto",
    {"": "statinf.quantile.presto.method"},
    shared=("penalty", "parallel", "vcov", "cluster", "progress", *_ROWS),
)
NGBOOST = MethodTable("ngboost", {"": "statinf.quantile.ngboost.verb"}, shared=("dist", "score", "progress", *_ROWS))
TABLES = (RQ, RQ_PATH, CRQ, EXPECTILE, ENSEMBLE, PROCESS, NGBOOST, STACK, CVAR, PRESTO)
