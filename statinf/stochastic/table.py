"""The methods of `si.lsa`, `si.td`, `si.ctd` and `si.monitor`."""

from statinf.results.methods import MethodTable

LSA = MethodTable(
    "lsa",
    {"averaged": "statinf.stochastic.regression", "renewable": "statinf.stochastic.renewable"},
    shared=("method", "weights", "na_action", "context", "seed", "progress"),
    aliases={**dict.fromkeys(("", "asgd", "polyak-ruppert"), "averaged"), "renewed": "renewable"},
)
TD = MethodTable(
    "td",
    {"td": "statinf.stochastic.averaged_td", "lstd": "statinf.stochastic.lstd"},
    shared=(
        "next", "discount", "trace", "rho", "id", "terminal", "sampling", "method", "na_action", "context", "seed", "progress",
    ),
)  # fmt: skip
CTD = MethodTable(
    "ctd",
    {
        "clstd": "statinf.stochastic.continuous.clstd",
        "ml": "statinf.stochastic.continuous.martingale_loss",
        "ctd0": "statinf.stochastic.continuous.recursive",
        "ctd-lambda": "statinf.stochastic.continuous.recursive",
        "cgtd": "statinf.stochastic.continuous.moments_gmm",
        "mstde": "statinf.stochastic.continuous.mean_square",
    },
    shared=("time", "discount", "id", "terminal", "method", "vcov", "cluster", "na_action", "context", "seed"),
    aliases={"lstd": "clstd", "martingale-loss": "ml"},
)
MONITOR = MethodTable(
    "monitor",
    {
        "cusum": "statinf.stochastic.monitoring.cusum",
        "adwin": "statinf.stochastic.monitoring.adwin",
        "martingale": "statinf.stochastic.monitoring.martingale",
    },
    shared=("time", "method", "seed", "na_action", "context", "progress"),
    aliases={"conformal": "martingale", "conformal-martingale": "martingale", "adwin2": "adwin", "ols-cusum": "cusum"},
)
TABLES = (LSA, TD, CTD, MONITOR)
