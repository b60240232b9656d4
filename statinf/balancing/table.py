"""The methods of `si.balance`, and `si.balance_table`."""

from statinf.results.methods import MethodTable

BALANCE = MethodTable(
    "balance",
    {
        "ipw": "statinf.balancing.ipw",
        "entropy": "statinf.balancing.entropy",
        "cbps": "statinf.balancing.cbps",
        "sbw": "statinf.balancing.sbw",
        "energy": "statinf.balancing.energy",
        "kernel": "statinf.balancing.kernel",
        "ipm": "statinf.balancing.ipm",
        "uniform": "statinf.balancing.uniform",
    },
    shared=(
        "estimand",
        "treated",
        "reference",
        "dose",
        "weights",
        "by",
        "moments",
        "interactions",
        "seed",
        "na_action",
        "context",
    ),
    aliases={"ebal": "entropy", "ps": "ipw", "glm": "ipw", "optweight": "sbw", "wunt": "uniform"},
)
BALANCE_TABLE = MethodTable(
    "balance_table",
    {"": "statinf.balancing.assess"},
    shared=(
        "weights", "estimand", "treated", "reference", "dose", "sampling", "covariates", "moments", "interactions", "na_action",
        "context",
    ),
)  # fmt: skip
TABLES = (BALANCE, BALANCE_TABLE)
