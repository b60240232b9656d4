"""statinf: statistical inference with one grammar of formulas, one kind of result, one float64 backend.

Every verb is `si.verb(formula, data, ...)`. Names are imported when they are first used, so that
`import statinf` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "anova": "statinf.models.anova",
    "balance": "statinf.balancing.verb",
    "balance_table": "statinf.balancing.balance_table",
    "bootstrap": "statinf.results.pipeline",
    "blocks": "statinf.passes.opening",
    "calibrate_online": "statinf.conformity.forecasts.verb",
    "cate": "statinf.effects.cate",
    "certificate": "statinf.results.certificate",
    "conditional_shift_test": "statinf.shifts.conditional_shift_test",
    "conformal": "statinf.conformity.verb",
    "conformal_online": "statinf.conformity.online.verb",
    "conformal_select": "statinf.conformity.selection.verb",
    "crq": "statinf.quantile.censored.verb",
    "ctd": "statinf.stochastic.continuous.verb",
    "cvar": "statinf.quantile.cvar.verb",
    "cvar_of": "statinf.quantile.cvar.tail_risk",
    "datasets": "",
    "density_ratio": "statinf.shifts.density_ratio",
    "devices": "statinf.backend.device",
    "did": "statinf.effects.did.verb",
    "effect": "statinf.effects.effect",
    "enable_compile_cache": "statinf.backend.device",
    "expectile": "statinf.quantile.expectile.expectile",
    "glm": "statinf.models.glm",
    "heterogeneous_shift": "statinf.shifts.heterogeneous_shift",
    "iv": "statinf.effects.iv",
    "joint": "statinf.results.joint",
    "lm": "statinf.models.lm",
    "load": "statinf.results.store",
    "lsa": "statinf.stochastic.lsa",
    "missing_mean": "statinf.balancing.missing.verb",
    "monitor": "statinf.stochastic.monitoring.verb",
    "multicalibrate": "statinf.conformity.multicalibration.verb",
    "multinomial": "statinf.models.multinomial",
    "ngboost": "statinf.quantile.ngboost.verb",
    "ordered": "statinf.models.ordered",
    "presto": "statinf.quantile.presto.verb",
    "proximal": "statinf.effects.proximal.verb",
    "quantile_ensemble": "statinf.quantile.ensemble",
    "quantile_process": "statinf.quantile.noncrossing.verb",
    "rd": "statinf.effects.discontinuity.verb",
    "rd_density": "statinf.effects.manipulation.verb",
    "rd_distribution": "statinf.effects.distributional.verb",
    "rq": "statinf.quantile.rq",
    "rq_path": "statinf.quantile.penalised.verb",
    "set_device": "statinf.backend.device",
    "shift": "statinf.shifts.verb",
    "shift_test": "statinf.shifts.shift_test",
    "stack": "statinf.quantile.stack",
    "table": "statinf.results.side_by_side",
    "target_mean": "statinf.shifts.target_mean",
    "target_shift": "statinf.shifts.target_shift",
    "td": "statinf.stochastic.td",
    "tobit": "statinf.models.tobit",
    "training_weights": "statinf.balancing.training.verb",
    "transport": "statinf.shifts.transport.verb",
    "veracity": "statinf.conformity.veracity.verb",
    "visits": "statinf.effects.visits.verb",
    "ConvergenceError": "statinf.errors",
    "DataError": "statinf.errors",
    "FormulaError": "statinf.errors",
    "HostError": "statinf.errors",
    "InfeasibleError": "statinf.errors",
    "NotIdentifiedError": "statinf.errors",
    "OptionError": "statinf.errors",
    "StatinfError": "statinf.errors",
    "StatinfWarning": "statinf.errors",
}

__all__ = [*_PUBLIC, "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("statinf-toolkit")
        except PackageNotFoundError:
            return "0+unknown"
    if name not in _PUBLIC:
        raise AttributeError(_unknown(name))
    module = _PUBLIC[name]
    value = importlib.import_module(f"statinf.{name}") if not module else getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def _unknown(name: str) -> str:
    if name.startswith("_"):
        return f"module 'statinf' has no attribute {name!r}."
    from difflib import get_close_matches

    from statinf.spellings import hint

    said = hint("verb", name)
    if not said and (calls := importlib.import_module("statinf.cli.families").calls_of(name)):
        said = f"That is a method: {' or '.join(calls)}."
    said = said or "".join(f"Did you mean {known!r}?" for known in get_close_matches(name, __all__, n=1))
    return f"module 'statinf' has no attribute {name!r}.{said and ' ' + said}"


def __dir__() -> list[str]:
    return sorted(__all__)
