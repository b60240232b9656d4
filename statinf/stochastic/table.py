"""The methods of `si.lsa`, `si.td` and `si.ctd`."""

from statinf.results.methods import MethodTable

LSA = MethodTable(
    "lsa", {"": "statinf.stochastic.regression"}, shared=("weights", "na_action", "context", "seed", "progress")
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
    },
    shared=("time", "discount", "id", "terminal", "method", "vcov", "cluster", "na_action", "context", "seed"),
    aliases={"lstd": "clstd", "martingale-loss": "ml"},
)
TABLES = (LSA, TD, CTD)
