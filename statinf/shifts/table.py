"""The methods of the shift family's verbs."""

from statinf.results.methods import MethodTable

_SHARED = ("weights", "target_weights", "seed", "na_action", "context")

DENSITY_RATIO = MethodTable(
    "density_ratio",
    {
        "logistic": "statinf.shifts.logistic",
        "moment": "statinf.shifts.moment",
        "kmm": "statinf.shifts.kmm",
        "kliep": "statinf.shifts.kliep",
        "ulsif": "statinf.shifts.ulsif",
    },
    shared=(*_SHARED, "power", "trim"),
    aliases={"entropy": "moment", "ebal": "moment", "logit": "logistic"},
)
SHIFT = MethodTable(
    "shift",
    {"mle": "statinf.shifts.mle", "mwle": "statinf.shifts.mwle"},
    shared=(*_SHARED, "family", "link", "ratio", "ratio_formula", "vcov", "cluster"),
)
TARGET_MEAN = MethodTable(
    "target_mean",
    {"aipw": "statinf.shifts.aipw", "ipw": "statinf.shifts.ipw", "gcomp": "statinf.shifts.gcomp"},
    shared=(*_SHARED, "family", "link", "vcov", "cluster"),
)
SHIFT_TEST = MethodTable(
    "shift_test", {"": "statinf.shifts.two_sample"}, shared=("tests", "seed", "na_action", "context")
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
    aliases={"em": "mlls", "saerens": "mlls", "emq": "mlls", "bbse_soft": "bbse-soft", "bbsl": "bbse"},
)
TRANSPORT = MethodTable(
    "transport",
    dict.fromkeys(("aipw", "ipw", "gformula"), "statinf.shifts.transport.estimators"),
    shared=(
        *_SHARED, "treated", "reference", "comparison", "family", "link", "ratio", "ratio_formula", "vcov", "cluster",
    ),
    aliases={"gcomp": "gformula", "g-formula": "gformula", "om": "gformula", "iosw": "ipw", "iow": "ipw", "dr": "aipw"},
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
