"""How each verb is called on one small data set, so that every method of its table goes through the same promises."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
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
    # An ordered outcome of three categories.
    grade = (y + random.logistic(size=n) > 0).astype(float) + (y > 2.0)
    # Thirty units of four visits each.
    unit, visit = np.divmod(np.arange(n), 4)
    times = {"unit": unit.astype(float), "day": visit + 0.25 * (unit % 3)}
    # A third of the units is treated from the third visit on.
    times |= {"visit": visit.astype(float), "start": np.where(unit % 3 == 0, 2.0, np.inf)}
    return pd.DataFrame(
        {"y": y, "t": t, "x": x, "z": z, "v": v, "offered": (v > 0).astype(float), "grade": grade, **after, **times}
    )


def _other_sample() -> pd.DataFrame:
    found = sample(80)[["x", "z", "y", "t"]]
    return found.assign(x=np.round((found["x"] * 0.9 + 0.3) / GRID) * GRID)


DATA = sample()
TARGET = _other_sample()


@dataclass(frozen=True)
class Example:
    """One call of a verb.

    Attributes
    ----------
    call : callable
        From data, a target sample, the method's record and options to the result.
    reads : tuple of str
        Two columns that the call reads and that may be missing, the outcome or treatment first.
    row_weights : bool
        Whether `weights=` are weights of rows.
    samples : int
    """

    call: Callable[..., Any]
    reads: tuple[str, str] = ("y", "x")
    row_weights: bool = True
    samples: int = 1


def _conformal(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    groups = {"by": "t"} if method.grouped else {}
    # Sets of several pieces on held-out rows come from a conditional density, whose default is a network.
    model = {"model": "gaussian"} if method.unions and method.held_out else {}
    # Finite sets of few rows: the battery compares numbers.
    wide = {"bandwidth": 3.0} if "bandwidth" in method.options.names() else {}
    outcome = {"classes": "t", "several": "cbind(y, v)"}.get(method.outcome, "y")
    # A small network, trained shortly: the battery looks at promises, not at how small regions are.
    if "epochs" in method.options.names():
        wide = {"epochs": 10, "hidden": (4,), "n_inside": 20, "grid": 25}
    return si.conformal(
        f"{outcome} ~ x + z", data, method=method.name, level=0.8, **groups, **model, **(wide | options)
    )


def _effect(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    treatment = "v" if method.doses else "t"
    few = {"doses": 4} if method.doses else {}
    return si.effect(
        f"y ~ {treatment}{'' if method.covariates == 'none' else ' | x + z'}",
        data,
        method=method.name,
        **(few | options),
    )


def _iv(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    # Variances of the treatment that differ with the instrument.
    instrument = "I(v > 0.9)" if method.name == "invalid" else "offered"
    return si.iv(f"y ~ t | x | {instrument}", data, method=method.name, **options)


def _lsa(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    few = {"replicas": 20} if method.name == "averaged" else {}
    return si.lsa("y ~ x + z", data, method=method.name, **(few | options))


def _target_mean(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    pooled = " | C(t)" if method.pooled else ""
    return si.target_mean(f"y ~ x + z{pooled}", data, target, method=method.name, **options)


def _multicalibrate(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    return si.multicalibrate("y ~ x + z | t", data, **({"levels": 8} | options))


def _monitor(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    few = {"burn_in": 60} | ({"clock": 4} if method.name == "adwin" else {})
    return si.monitor("y ~ x + z", data, time="v", method=method.name, **(few | options))


def _td(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    few = {"replicas": 20} if "replicas" in method.options.names() else {}
    return si.td("y ~ x + z", data, next=["x_next", "z_next"], discount=0.5, method=method.name, **(few | options))


def _ensemble(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    few = {"local": False, "resolution": "medium", "folds": 3} | options
    return si.quantile_ensemble("y ~ x + z", data, models=["rq", "gaussian"], tau=[0.2, 0.5, 0.8], **few)


def _process(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    few = {"hidden": (16, 16), "epochs": 2, "penalty": 1.0, "tau": [0.2, 0.5, 0.8]} | options
    return si.quantile_process("y ~ x + z", data, **few)


def _shift_test(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    return si.shift_test("~ x + z", data, target, **({"permutations": 99} | options))


def _conditional_shift_test(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    return si.conditional_shift_test("x ~ z", data, target, **({"permutations": 19} | options))


def _cvar(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    few = {"epochs": 3} if "epochs" in method.options.names() else {}
    return si.cvar("y ~ x + z", data, method=method.name, **({"level": 0.8} | few | options))


def _ctd(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    known: dict[str, Any] = {"id": "unit", "time": "day", "discount": 0.5}
    if method.name == "ml":
        known["terminal"] = "v"
    return si.ctd("y ~ x + z", data, method=method.name, **(known | options))


def _crq(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    known = "limit" in method.options.names()
    outcome = "np.minimum(y, 2.5)" if known else "cbind(y, offered)"
    limit = {"limit": 2.5} if known else {}
    return si.crq(f"{outcome} ~ x + z", data, method=method.name, **({"tau": 0.2} | limit | options))


def _rq_path(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    return si.rq_path("y ~ x + z", data, method=method.name, **({"nlambda": 6, "folds": 3} | options))


def _presto(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    return si.presto("grade ~ x + z", data, **({"nlambda": 4, "folds": 3} | options))


def _ngboost(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    return si.ngboost("y ~ x + z", data, **({"n_estimators": 5, "depth": 2} | options))


def _tobit(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    return si.tobit("np.minimum(y, 2.5) ~ x + z", data, **({"lower": None, "upper": 2.5} | options))


def _visits(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    known = {"visits": "~ lag(v) + offered", "id": "unit", "time": "day"}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the visits depend on 'offered'")
        return si.visits("y ~ x + z", data, **(known | options))


def _rd_distribution(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    few = {"bandwidth": 16.0, "order": 1, "tau": 0.4}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*have fewer than 20 rows")
        return si.rd_distribution("y ~ I(unit - 14.5) | unit", data, method=method.name, **(few | options))


def _rd_density(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    wide = {"bandwidth": 2.0} if method.name == "mccrary" else {}
    return si.rd_density("~ x", data, method=method.name, **(wide | options))


def _target_shift(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    formula = "t ~ x + y" if getattr(method, "outcome", "") == "classes" else "y ~ x"
    return si.target_shift(formula, data, target, method=method.name, **options)


def _did(data: Any, target: Any, method: Any, /, **options: Any) -> Any:
    known = {"id": "unit", "time": "visit", "cohort": "start"}
    return si.did("y ~ 1 | x", data, method=method.name, **(known | options))


def _named(verb: Callable[..., Any], formula: str) -> Callable[..., Any]:
    return lambda data, target, method, /, **options: verb(formula, data, method=method.name, **options)


def _plain(verb: Callable[..., Any], formula: str, **always: Any) -> Callable[..., Any]:
    return lambda data, target, method, /, **options: verb(formula, data, **always, **options)


def _two(verb: Callable[..., Any], formula: str) -> Callable[..., Any]:
    return lambda data, target, method, /, **options: verb(formula, data, target, method=method.name, **options)


EXAMPLES: Mapping[str, Example] = {
    "balance": Example(_named(si.balance, "t ~ x + z"), ("t", "x")),
    "balance_table": Example(_plain(si.balance_table, "t ~ x + z"), ("t", "x"), row_weights=False),
    "calibrate_online": Example(
        _named(partial(si.calibrate_online, time="v"), "t ~ I(1 / (1 + exp(-x)))"), ("t", "x"), row_weights=False
    ),
    "cate": Example(_named(si.cate, "y ~ t | x + z")),
    "conditional_shift_test": Example(_conditional_shift_test, ("x", "z"), row_weights=False, samples=2),
    "conformal": Example(_conformal, row_weights=False),
    "conformal_online": Example(_named(partial(si.conformal_online, time="v"), "y ~ x + z"), row_weights=False),
    "conformal_select": Example(_two(si.conformal_select, "y ~ x + z"), row_weights=False, samples=2),
    "crq": Example(_crq),
    "ctd": Example(_ctd, row_weights=False),
    "cvar": Example(_cvar),
    "density_ratio": Example(_two(si.density_ratio, "~ x + z"), ("x", "z"), samples=2),
    "did": Example(_did),
    "effect": Example(_effect),
    "expectile": Example(_plain(si.expectile, "y ~ x + z", tau=0.8)),
    "glm": Example(_plain(si.glm, "t ~ x + z", family="binomial"), ("t", "x")),
    "heterogeneous_shift": Example(
        lambda data, target, method, /, **options: si.heterogeneous_shift("y ~ x | s(z)", data, target, **options),
        samples=2,
    ),
    "iv": Example(_iv),
    "lm": Example(_plain(si.lm, "y ~ t + x + z")),
    "lsa": Example(_lsa),
    "missing_mean": Example(_named(si.missing_mean, "y ~ x + z | offered"), ("x", "z")),
    "monitor": Example(_monitor, row_weights=False),
    "multicalibrate": Example(_multicalibrate),
    "presto": Example(_presto, ("grade", "x")),
    "multinomial": Example(_plain(si.multinomial, "C(grade) ~ x + z"), ("grade", "x")),
    "ngboost": Example(_ngboost),
    "ordered": Example(_plain(si.ordered, "grade ~ x + z"), ("grade", "x")),
    "proximal": Example(_named(si.proximal, "y ~ t | x | v | z")),
    "quantile_ensemble": Example(_ensemble),
    "quantile_process": Example(_process),
    "rd": Example(_named(si.rd, "y ~ v | x + z")),
    "rd_distribution": Example(_rd_distribution, ("y", "unit")),
    "rd_density": Example(_rd_density, ("x", "x")),
    "rq": Example(_plain(si.rq, "y ~ x + z")),
    "rq_path": Example(_rq_path),
    "shift": Example(_two(si.shift, "y ~ x + z"), samples=2),
    "shift_test": Example(_shift_test, ("x", "z"), samples=2),
    "stack": Example(_plain(si.stack, "y ~ x + z", models=["lm", "ridge_path"])),
    "target_mean": Example(_target_mean, samples=2),
    "target_shift": Example(_target_shift, samples=2),
    "td": Example(_td, row_weights=False),
    "tobit": Example(_tobit),
    "training_weights": Example(_plain(si.training_weights, "t ~ x + z"), ("t", "x")),
    "transport": Example(_two(si.transport, "y ~ t | x + z"), samples=2),
    "visits": Example(_visits),
    "veracity": Example(_plain(si.veracity, "y ~ x + z"), row_weights=False),
}
"""Verbs in the battery."""

TABLES: dict[str, MethodTable] = {
    table.verb: table for _, module in modules("table") for table in getattr(module, "TABLES", ())
}
METHODS: list[Method] = [TABLES[verb][name] for verb in EXAMPLES if verb in TABLES for name in TABLES[verb]]
NAMES = [f"{m.verb}-{m.name}" if m.name else m.verb for m in METHODS]


def call(method: Method, data: Any = DATA, target: Any = TARGET, /, **options: Any) -> Any:
    """The verb with this method on these data."""
    return EXAMPLES[method.verb].call(data, target, method, **options)


def reads(method: Method) -> tuple[str, str]:
    """Two columns that the call reads, the outcome or treatment first."""
    outcome, covariate = EXAMPLES[method.verb].reads
    outcome = "t" if getattr(method, "outcome", "") == "classes" else outcome
    return outcome, "t" if getattr(method, "covariates", "") == "none" else covariate


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
