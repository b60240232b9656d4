"""The methods of the effects family's verbs."""

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
        "dose": "statinf.effects.dose",
    },
    shared=(
        "estimand", "treated", "reference", "by", "vcov", "weights", "cluster", "seed", "na_action", "context", "progress",
    ),
    aliases={
        **dict.fromkeys(("diff-in-means", "difference-in-means", "diff", "unadjusted", "ttest"), "dim"),
        **dict.fromkeys(("lin", "gcomp", "g-computation", "g-formula", "standardization", "outcome-regression"), "regression"),
        **dict.fromkeys(("dr", "doubly-robust"), "aipw"),
        **dict.fromkeys(("psm", "match", "nearest", "nearest-neighbor"), "matching"),
        **dict.fromkeys(("qtt", "firpo", "quantile"), "qte"),
        "iptw": "ipw",
        "dose-response": "dose",
    },
)  # fmt: skip

IV = MethodTable(
    "iv",
    {
        "2sls": "statinf.effects.tsls",
        "liml": "statinf.effects.liml",
        "gmm": "statinf.effects.gmm",
        "late": "statinf.effects.late",
        "ivqr": "statinf.effects.ivqr",
        "invalid": "statinf.effects.invalid.method",
    },
    shared=("treated", "vcov", "weights", "cluster", "absorb", "seed", "na_action", "context", "progress", "by"),
    aliases={"tsls": "2sls", "iivm": "late", "iqr": "ivqr", "ivqreg": "ivqr", "genius": "invalid", "lewbel": "invalid"},
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
    aliases={f"{letter}-learner": letter for letter in ("s", "t", "x", "dr", "r", "u", "ivw")} | {"doubly-robust": "dr"},
)  # fmt: skip

VISITS = MethodTable(
    "visits",
    {"": "statinf.effects.visits.method"},
    shared=("visits", "id", "time", "end", "vcov", "weights", "na_action", "context"),
)
RD = MethodTable(
    "rd",
    {"robust": "statinf.effects.discontinuity.robust", "honest": "statinf.effects.discontinuity.honest"},
    shared=("cutoff", "fuzzy", "kernel", "donut", "vcov", "weights", "cluster", "na_action", "context"),
    aliases={**dict.fromkeys(("rdrobust", "cct", "rbc", "bias-corrected"), "robust"), "rdhonest": "honest"},
)
PROXIMAL = MethodTable(
    "proximal",
    {
        "p2sls": "statinf.effects.proximal.p2sls",
        "p-learner": "statinf.effects.proximal.p_learner",
    },
    shared=("effect", "treated", "vcov", "weights", "cluster", "seed", "na_action", "context", "progress"),
    aliases={"2sls": "p2sls", "p": "p-learner"},
)

RD_DENSITY = MethodTable(
    "rd_density",
    {
        "polynomial": "statinf.effects.manipulation.polynomial",
        "mccrary": "statinf.effects.manipulation.mccrary",
    },
    shared=("cutoff", "vcov", "weights", "cluster", "na_action", "context"),
    aliases={"cjm": "polynomial", "rddensity": "polynomial", "lpdensity": "polynomial", "dcdensity": "mccrary"},
)

RD_DISTRIBUTION = MethodTable(
    "rd_distribution",
    {
        "frechet": "statinf.effects.distributional.frechet",
        "simple": "statinf.effects.distributional.simple",
    },
    shared=(
        "cutoff", "tau", "fuzzy", "kernel", "unit_weights", "vcov", "weights", "cluster", "na_action", "context", "progress",
    ),
    aliases={"r3d": "frechet", "fréchet": "frechet", "pointwise": "simple"},
)  # fmt: skip

DID = MethodTable(
    "did",
    {
        "dr": "statinf.effects.did.dr",
        "dr-improved": "statinf.effects.did.improved",
        "ipw": "statinf.effects.did.ipw",
        "regression": "statinf.effects.did.regression",
    },
    shared=(
        "time", "id", "cohort", "control", "anticipation", "base_period", "unbalanced", "vcov", "weights", "cluster",
        "na_action", "context",
    ),
    aliases={
        **dict.fromkeys(("reg", "or", "outcome-regression"), "regression"),
        **dict.fromkeys(("aipw", "doubly-robust", "callaway-santanna"), "dr"),
        "abadie": "ipw",
        "imp": "dr-improved",
    },
)  # fmt: skip

TABLES = (EFFECT, CATE, IV, PROXIMAL, VISITS, DID, RD, RD_DENSITY, RD_DISTRIBUTION)
