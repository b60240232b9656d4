"""The methods of `density_ratio`, `shift`, `target_mean`, `shift_test` and `target_shift`."""

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
        "double": "statinf.shifts.double",
    },
    shared=(*_SHARED, "power", "trim"),
    aliases={"entropy": "moment", "ebal": "moment", "logit": "logistic", "dw-kmm": "double"},
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
    "target_shift", {"retasa": "statinf.shifts.retasa", "kmm": "statinf.shifts.target_kmm"}, shared=_SHARED
)
TABLES = (DENSITY_RATIO, SHIFT, TARGET_MEAN, SHIFT_TEST, CONDITIONAL_SHIFT_TEST, TARGET_SHIFT)
