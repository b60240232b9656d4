"""The methods of the verbs that make weights, and of the table that judges them."""

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
        "progress",
    ),
    aliases={
        **dict.fromkeys(("ebal", "ebalance", "entropy-balancing"), "entropy"),
        **dict.fromkeys(("ps", "glm", "iptw", "propensity", "propensity-score", "logit", "logistic"), "ipw"),
        **dict.fromkeys(("optweight", "stable"), "sbw"),
        **dict.fromkeys(("kbal", "kernel-balancing"), "kernel"),
        "energy-balancing": "energy",
        "wunt": "uniform",
    },
)
MISSING_MEAN = MethodTable(
    "missing_mean",
    {
        "kernel": "statinf.balancing.missing.kernel",
        "ipw": "statinf.balancing.missing.ipw",
        "aipw": "statinf.balancing.missing.aipw",
    },
    shared=("vcov", "weights", "cluster", "seed", "na_action", "context", "progress"),
    aliases={"dr": "aipw", "doubly-robust": "aipw", "kb": "kernel", "iptw": "ipw"},
)
BALANCE_TABLE = MethodTable(
    "balance_table",
    {"": "statinf.balancing.assess"},
    shared=(
        "weights", "estimand", "treated", "reference", "dose", "sampling", "covariates", "moments", "interactions", "na_action",
        "context",
    ),
)  # fmt: skip
TRAINING_WEIGHTS = MethodTable(
    "training_weights",
    {"": "statinf.balancing.training.shared"},
    shared=("treated", "reference", "weights", "cluster", "seed", "na_action", "context"),
)
TABLES = (BALANCE, BALANCE_TABLE, MISSING_MEAN, TRAINING_WEIGHTS)
