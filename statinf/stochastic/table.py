"""The methods of `si.lsa` and `si.td`."""

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
TABLES = (LSA, TD)
