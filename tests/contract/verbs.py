"""How each verb is called on one small data set, so that every method of its table goes through the same promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from statinf.cli.families import modules
from statinf.conformity.class_result import ClassSets
from statinf.conformity.table import CONFORMAL
from statinf.errors import StatinfError
from statinf.results import Fit, Method, MethodTable, Weights

N = 120


def sample(n: int = N) -> pd.DataFrame:
    """Outcome y, a treatment t, covariates x and z, an instrument v, an offer; every row complete."""
    random = np.random.default_rng(3)
    x, z, v = random.standard_normal((3, n))
    t = (0.5 * x + 0.8 * v + random.standard_normal(n) > 0).astype(float)
    y = 1.0 + t + x - 0.5 * z + random.standard_normal(n)
    return pd.DataFrame({"y": y, "t": t, "x": x, "z": z, "v": v, "offered": (v > 0).astype(float)})


def _target(data: Any) -> pd.DataFrame:
    found = sample(80)[["x", "z", "y"]]
    return found.assign(x=found["x"] * 0.9 + 0.3)


def _balance(data: Any, method: str, **options: Any) -> Any:
    return si.balance("t ~ x + z", data, method=method, **options)


def _conformal(data: Any, method: str, **options: Any) -> Any:
    more = {"by": "t"} if method == "mondrian" else {}
    model = {"model": "gaussian"} if method in ("pcp", "cp2-pcp", "cp2-hpd") else {}
    outcome = "t" if CONFORMAL[method].outcome == "classes" else "y"
    return si.conformal(f"{outcome} ~ x + z", data, method=method, level=0.8, **more, **model, **options)


def _effect(data: Any, method: str, **options: Any) -> Any:
    return si.effect("y ~ t" if method == "dim" else "y ~ t | x + z", data, method=method, **options)


CALLS: Mapping[str, Callable[..., Any]] = {
    "balance": _balance,
    "conformal": _conformal,
    "density_ratio": lambda d, m, **o: si.density_ratio("~ x + z", d, _target(d), method=m, **o),
    "effect": _effect,
    "glm": lambda d, m, **o: si.glm("t ~ x + z", d, family="binomial", **o),
    "iv": lambda d, m, **o: si.iv(f"y ~ t | x | {'offered' if m == 'late' else 'v'}", d, method=m, **o),
    "lm": lambda d, m, **o: si.lm("y ~ t + x + z", d, **o),
    "lsa": lambda d, m, **o: si.lsa("y ~ x + z", d, **({"replicas": 0} | o)),
    "rq": lambda d, m, **o: si.rq("y ~ x + z", d, **o),
    "shift": lambda d, m, **o: si.shift("y ~ x", d, _target(d), method=m, **o),
}
"""Verbs in the battery."""


def _tables() -> dict[str, MethodTable]:
    return {table.verb: table for _, module in modules("table") for table in getattr(module, "TABLES", ())}


TABLES = _tables()
METHODS: list[Method] = [TABLES[verb][name] for verb in CALLS if verb in TABLES for name in TABLES[verb]]
NAMES = [f"{m.verb}-{m.name}" if m.name else m.verb for m in METHODS]


def call(method: Method, data: Any, **options: Any) -> Any:
    """The verb with this method on these data."""
    return CALLS[method.verb](data, method.name, **options)


def numbers(result: Any, data: Any) -> np.ndarray:
    """What identifies a result: estimates, or one number per row of `data` in its order."""
    if isinstance(result, Fit):
        return np.concatenate([np.asarray(result.theta, float).ravel(), np.asarray(result._se(), float).ravel()])
    if isinstance(result, Weights):
        return result.full()
    table = result.predict(data)
    columns = ("0", "1", "set_size") if isinstance(result, ClassSets) else ("lower", "upper")
    return np.concatenate([np.asarray(table[c].to_numpy(), float) for c in columns])


def refuses(function: Callable[[], Any]) -> bool:
    """Whether a call ends in an exception of the package; True as well for an answer."""
    try:
        function()
    except StatinfError:
        return True
    return True
