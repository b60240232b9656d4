"""The methods of `effect`, `cate` and `iv`."""

from statinf.results.methods import MethodTable

EFFECT = MethodTable(
    "effect",
    {
        "dim": "statinf.effects.dim",
        "regression": "statinf.effects.regression",
        "ipw": "statinf.effects.ipw",
        "aipw": "statinf.effects.aipw",
        "tmle": "statinf.effects.tmle",
        "matching": "statinf.effects.matching",
        "plr": "statinf.effects.plr",
        "irm": "statinf.effects.irm",
        "qte": "statinf.effects.qte",
    },
    shared=(
        "estimand", "treated", "reference", "by", "vcov", "weights", "cluster", "seed", "na_action", "context", "progress",
    ),
    aliases={"diff-in-means": "dim", "lin": "regression", "iptw": "ipw", "dr": "aipw", "qtt": "qte", "firpo": "qte"},
)  # fmt: skip

IV = MethodTable(
    "iv",
    {
        "2sls": "statinf.effects.tsls",
        "liml": "statinf.effects.liml",
        "gmm": "statinf.effects.gmm",
        "late": "statinf.effects.late",
        "ivqr": "statinf.effects.ivqr",
    },
    shared=("treated", "vcov", "weights", "cluster", "seed", "na_action", "context", "progress"),
    aliases={"tsls": "2sls", "iivm": "late", "iqr": "ivqr", "ivqreg": "ivqr"},
)

CATE = MethodTable(
    "cate",
    {
        "s": "statinf.effects.s_learner",
        "t": "statinf.effects.t_learner",
        "x": "statinf.effects.x_learner",
        "dr": "statinf.effects.dr_learner",
        "r": "statinf.effects.r_learner",
        "u": "statinf.effects.u_learner",
        "ivw": "statinf.effects.ivw_learner",
    },
    shared=(
        "effect", "treated", "reference", "vcov", "weights", "cluster", "seed", "na_action", "context", "progress",
    ),
    aliases={f"{letter}-learner": letter for letter in ("s", "t", "x", "dr", "r", "u")},
)  # fmt: skip

TABLES = (EFFECT, CATE, IV)
