"""How each verb is called on one small data set, so that every method of its table goes through the same promises."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from statinf.cli.families import modules
from statinf.results import Fit, Method, MethodTable, Weights

N = 120
GRID = 2.0**-16
"""Covariates are multiples of it: adding a million loses none of their digits."""


def sample(n: int = N) -> pd.DataFrame:
    """Outcome y, a treatment t, covariates x and z with their next values, an instrument v, an offer; all complete."""
    random = np.random.default_rng(3)
    x, z, v = np.round(random.standard_normal((3, n)) / GRID) * GRID
    t = (0.5 * x + 0.8 * v + random.standard_normal(n) > 0).astype(float)
    y = 1.0 + t + x - 0.5 * z + random.standard_normal(n)
    after = {f"{name}_next": np.round((0.5 * c + random.standard_normal(n)) / GRID) * GRID for name, c in
             (("x", x), ("z", z))}  # fmt: skip
    return pd.DataFrame({"y": y, "t": t, "x": x, "z": z, "v": v, "offered": (v > 0).astype(float), **after})


def _other_sample() -> pd.DataFrame:
    found = sample(80)[["x", "z", "y"]]
    return found.assign(x=np.round((found["x"] * 0.9 + 0.3) / GRID) * GRID)


DATA = sample()
TARGET = _other_sample()


@dataclass(frozen=True)
class Example:
    """One call of a verb.

    Attributes
    ----------
    call : callable
        From data, a target sample, the method's name and options to the result.
    reads : sequence of str
        Columns that the call reads and that may be missing; the first is the outcome or treatment.
    row_weights : bool
        Whether `weights=` are weights of rows.
    """

    call: Callable[..., Any]
    reads: tuple[str, ...] = ("y", "x")
    row_weights: bool = True


def _conformal(data: Any, target: Any, method: str, /, **options: Any) -> Any:
    more = {"by": "t"} if method == "mondrian" else {}
    model = {"model": "gaussian"} if method in ("pcp", "cp2-pcp", "cp2-hpd") else {}
    return si.conformal("y ~ x + z", data, method=method, level=0.8, **more, **model, **options)


def _effect(data: Any, target: Any, method: str, /, **options: Any) -> Any:
    return si.effect("y ~ t" if method == "dim" else "y ~ t | x + z", data, method=method, **options)


def _iv(data: Any, target: Any, method: str, /, **options: Any) -> Any:
    return si.iv(f"y ~ t | x | {'offered' if method == 'late' else 'v'}", data, method=method, **options)


def _td(data: Any, target: Any, method: str, /, **options: Any) -> Any:
    few = {"replicas": 20} if method == "td" else {}
    return si.td("y ~ x + z", data, next=["x_next", "z_next"], discount=0.5, method=method, **(few | options))


def _ensemble(data: Any, target: Any, method: str, /, **options: Any) -> Any:
    few = {"local": False, "resolution": "medium", "folds": 3} | options
    return si.quantile_ensemble("y ~ x + z", data, models=["rq", "gaussian"], tau=[0.2, 0.5, 0.8], **few)


EXAMPLES: Mapping[str, Example] = {
    "balance": Example(lambda d, _, m, /, **o: si.balance("t ~ x + z", d, method=m, **o), ("t", "x")),
    "conformal": Example(_conformal, row_weights=False),
    "density_ratio": Example(lambda d, t, m, /, **o: si.density_ratio("~ x + z", d, t, method=m, **o), ("x", "z")),
    "effect": Example(_effect),
    "glm": Example(lambda d, _, m, /, **o: si.glm("t ~ x + z", d, family="binomial", **o), ("t", "x")),
    "iv": Example(_iv),
    "lm": Example(lambda d, _, m, /, **o: si.lm("y ~ t + x + z", d, **o)),
    "lsa": Example(lambda d, _, m, /, **o: si.lsa("y ~ x + z", d, **({"replicas": 20} | o))),
    "quantile_ensemble": Example(_ensemble),
    "rq": Example(lambda d, _, m, /, **o: si.rq("y ~ x + z", d, **o)),
    "shift": Example(lambda d, t, m, /, **o: si.shift("y ~ x + z", d, t, method=m, **o)),
    "shift_test": Example(
        lambda d, t, m, /, **o: si.shift_test("~ x + z", d, t, **({"permutations": 99} | o)), ("x", "z"), False
    ),
    "stack": Example(lambda d, _, m, /, **o: si.stack("y ~ x + z", d, models=["lm", "ridge_path"], **o)),
    "target_mean": Example(lambda d, t, m, /, **o: si.target_mean("y ~ x + z", d, t, method=m, **o)),
    "target_shift": Example(lambda d, t, m, /, **o: si.target_shift("y ~ x", d, t, method=m, **o)),
    "td": Example(_td, row_weights=False),
}
"""Verbs in the battery."""

TABLES: dict[str, MethodTable] = {
    table.verb: table for _, module in modules("table") for table in getattr(module, "TABLES", ())
}
METHODS: list[Method] = [TABLES[verb][name] for verb in EXAMPLES if verb in TABLES for name in TABLES[verb]]
NAMES = [f"{m.verb}-{m.name}" if m.name else m.verb for m in METHODS]


def call(method: Method, data: Any = DATA, target: Any = TARGET, /, **options: Any) -> Any:
    """The verb with this method on these data."""
    return EXAMPLES[method.verb].call(data, target, method.name, **options)


@cache
def _fitted(verb: str, name: str) -> Any:
    return call(TABLES[verb][name])


def fitted(method: Method) -> Any:
    """The result on the sample as it is, made once in a session."""
    return _fitted(method.verb, method.name)


def with_warnings(make: Callable[[], Any]) -> tuple[Any, list[str]]:
    """A result and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = make()
    return made, sorted(str(w.message) for w in caught)


def numbers(result: Any, data: Any = DATA) -> dict[str, np.ndarray]:
    """What identifies a result, by name; what has one number per row of `data` is named with "per row" in front."""
    found: dict[str, np.ndarray] = {}
    if isinstance(result, Fit):
        found = {f"estimate of {t}": np.array([v]) for t, v in zip(result.terms, result.theta, strict=True)}
        found |= {f"error of {t}": np.array([v]) for t, v in zip(result.terms, result._se(), strict=True)}
    elif isinstance(result, Weights):
        found["per row weight"] = result.full()
        found |= _answer("per row score", lambda: result.score(data))
    elif type(result).predict is si.results.Result.predict:
        table = pandas(result.tidy())
        return {c: table[c].to_numpy(float) for c in table.columns if table[c].dtype.kind == "f"}
    return found | _predictions(result, data)


def _predictions(result: Any, data: Any) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for interval in (None, "confidence") if isinstance(result, Fit) else (None,):
        try:
            table = result.predict(data) if interval is None else result.predict(data, interval=interval)
        except si.StatinfError:
            continue
        for name, column in pandas(table).items():
            if column.dtype.kind in "fi":
                found[f"per row {name}"] = column.to_numpy(float)
    return found


def pandas(table: Any) -> pd.DataFrame:
    """A table of any kind as a pandas frame."""
    return table if isinstance(table, pd.DataFrame) else table.to_pandas()


def _answer(name: str, function: Callable[[], Any]) -> dict[str, np.ndarray]:
    try:
        return {name: np.asarray(function(), float)}
    except si.StatinfError:
        return {}


def answers_or_refuses(function: Callable[[], Any]) -> Any:
    """What a call gives; None where it ends in an exception of the package. Every other exception goes through."""
    try:
        return function()
    except si.StatinfError:
        return None
