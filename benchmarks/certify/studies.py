"""Every study, by family, in the order of the page."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from benchmarks.certify import (
    averages,
    balancing,
    conforming,
    discontinuities,
    generalised,
    heterogeneous,
    identified,
    laws,
    levels,
    limited,
    regressions,
    shifting,
    streams,
    testing,
    together,
    treatments,
)
from benchmarks.certify.study import Study

MODULES = (
    regressions,
    testing,
    together,
    generalised,
    limited,
    levels,
    laws,
    treatments,
    averages,
    heterogeneous,
    identified,
    discontinuities,
    balancing,
    conforming,
    streams,
    shifting,
)
STUDIES: tuple[Study, ...] = tuple(chain.from_iterable(module.STUDIES for module in MODULES))

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Models": ("lm", "glm", "multinomial", "ordered", "tobit", "slopes", "anova", "joint", "bootstrap"),
    "Quantiles": (
        "rq",
        "expectile",
        "crq",
        "cvar",
        "cvar_of",
        "presto",
        "ngboost",
        "quantile_process",
        "quantile_ensemble",
    ),
    "Balance": ("missing_mean", "visits"),
    "Effects": ("effect", "cate", "iv", "proximal", "did", "rd", "rd_distribution", "rd_density"),
    "Prediction sets": ("conformal", "conformal_online", "conformal_select", "multicalibrate", "veracity"),
    "Streams": ("lsa", "td", "ctd", "monitor"),
    "Shift": (
        "shift",
        "target_mean",
        "transport",
        "target_shift",
        "heterogeneous_shift",
        "shift_test",
        "conditional_shift_test",
    ),
}
"""Verbs by family."""
