"""The methods of the shift family's verbs."""

from statinf.results.methods import MethodTable

_SHARED = ("weights", "target_weights", "seed", "na_action", "context", "progress")

DENSITY_RATIO = MethodTable(
    "density_ratio",
    {
        "logistic": "statinf.shifts.logistic",
        "moment": "statinf.shifts.moment",
        "kmm": "statinf.shifts.kmm",
        "kliep": "statinf.shifts.kliep",
        "ulsif": "statinf.shifts.ulsif",
        "double": "statinf.shifts.double",
    },
    shared=(*_SHARED, "power", "trim"),
    aliases={
        **dict.fromkeys(("entropy", "ebal"), "moment"),
        **dict.fromkeys(("logit", "classifier", "probabilistic"), "logistic"),
        "kernel-mean-matching": "kmm",
        "dw-kmm": "double",
    },
)
SHIFT = MethodTable(
    "shift",
    {
        "mle": "statinf.shifts.mle",
        "mwle": "statinf.shifts.mwle",
        "double": "statinf.shifts.double_shift",
        "dro": "statinf.shifts.dro",
    },
    shared=(*_SHARED, "family", "link", "ratio", "ratio_formula", "vcov", "cluster"),
    aliases=dict.fromkeys(("weighted", "importance-weighting", "importance-weighted", "iw", "iwerm"), "mwle"),
)
TARGET_MEAN = MethodTable(
    "target_mean",
    {
        "aipw": "statinf.shifts.aipw",
        "ipw": "statinf.shifts.ipw",
        "gcomp": "statinf.shifts.gcomp",
        "mrp": "statinf.shifts.mrp",
    },
    shared=(*_SHARED, "family", "link", "vcov", "cluster"),
    aliases={
        **dict.fromkeys(("poststratify", "poststratification", "multilevel"), "mrp"),
        **dict.fromkeys(("dr", "doubly-robust"), "aipw"),
        **dict.fromkeys(("g-computation", "g-formula", "or", "om"), "gcomp"),
        **dict.fromkeys(("iow", "iosw", "iptw"), "ipw"),
    },
)
SHIFT_TEST = MethodTable(
    "shift_test",
    {"": "statinf.shifts.two_sample"},
    shared=("weights", "target_weights", "missing", "seed", "na_action", "context"),
)
CONDITIONAL_SHIFT_TEST = MethodTable(
    "conditional_shift_test",
    {"": "statinf.shifts.conditional_discrepancy"},
    shared=("seed", "na_action", "context"),
)
TARGET_SHIFT = MethodTable(
    "target_shift",
    {
        "retasa": "statinf.shifts.retasa",
        "kmm": "statinf.shifts.target_kmm",
        "bbse": "statinf.shifts.labels.bbse",
        "bbse-soft": "statinf.shifts.labels.bbse",
        "mlls": "statinf.shifts.labels.mlls",
        "rlls": "statinf.shifts.labels.rlls",
    },
    shared=(*_SHARED, "cluster"),
    aliases={
        **dict.fromkeys(("em", "saerens", "emq", "sld"), "mlls"),
        **dict.fromkeys(("bbsl", "hard"), "bbse"),
        "soft": "bbse-soft",
    },
)
TRANSPORT = MethodTable(
    "transport",
    dict.fromkeys(("aipw", "ipw", "gformula"), "statinf.shifts.transport.estimators"),
    shared=(
        *_SHARED, "treated", "reference", "comparison", "family", "link", "ratio", "ratio_formula", "vcov", "cluster",
    ),
    aliases={
        **dict.fromkeys(("gcomp", "g-computation", "om", "or"), "gformula"),
        **dict.fromkeys(("iosw", "iow"), "ipw"),
        **dict.fromkeys(("dr", "doubly-robust"), "aipw"),
    },
)  # fmt: skip
HETEROGENEOUS_SHIFT = MethodTable(
    "heterogeneous_shift", {"": "statinf.shifts.additive"}, shared=(*_SHARED, "vcov", "cluster")
)
TABLES = (
    DENSITY_RATIO,
    SHIFT,
    HETEROGENEOUS_SHIFT,
    TARGET_MEAN,
    SHIFT_TEST,
    CONDITIONAL_SHIFT_TEST,
    TARGET_SHIFT,
    TRANSPORT,
)
