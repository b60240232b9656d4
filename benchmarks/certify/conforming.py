"""Studies of the conformal family: shares of new rows that a set holds. A sample's share over a hundred new rows counts as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.certify.study import Shown, Study
from benchmarks.conformal_coverage import CLASSES, categories, numbers
from benchmarks.multicalibration_size import frame, outcomes
from benchmarks.online_coverage import BURN_IN, METHODS, series

NEW = 100
LEVEL = 0.9
SIZES = (50, 200, 1000)
PLAIN: dict[str, dict[str, Any]] = {
    "split": {},
    "jackknife": {},
    "jackknife+": {},
    "jackknife-minmax": {},
    "cv+": {},
    "cv-minmax": {},
    "mondrian": {"by": "g"},
    "localized": {},
    "conditional": {"by": "g"},
    "cps": {},
    "cqr": {},
}
HEAVY: dict[str, dict[str, Any]] = {
    "full": {},
    "pcp": {"model": "gaussian"},
    "cp2-pcp": {"model": "gaussian"},
    "cp2-hpd": {"model": "gaussian"},
}


def sets(methods: dict[str, dict[str, Any]], n: int, seed: int) -> Iterator[Any]:
    """A line with errors whose scale grows with x and doubles in a group."""
    rows = numbers(n + NEW, seed)

    def made(method: str) -> Shown:
        fit = si.conformal("y ~ x", rows[:n], method=method, level=LEVEL, seed=seed, **methods[method])
        return Shown(fit, "outcome of a new row", float(np.mean(fit.contains(rows[n:]))))

    for method in methods:
        yield partial(made, method)


def by_group(n: int, seed: int) -> Iterator[Any]:
    """Shares in the group of the wider errors, which Mondrian sets hold by themselves."""
    rows = numbers(n + NEW, seed)
    new = rows[n:]
    wide = (new["g"] == "v").to_numpy()
    for method, formula in (("mondrian", "y ~ x"), ("conditional", "y ~ x | g"), ("split", "y ~ x")):
        options = {"by": "g"} if method == "mondrian" else {}
        fit = si.conformal(formula, rows[:n], method=method, level=LEVEL, seed=seed, **options)
        yield Shown(fit, "outcome of a new row in the wider half", float(np.mean(fit.contains(new)[wide])))


def shifted(n: int, seed: int) -> Iterator[Any]:
    """New rows whose covariate is tilted; split sets weighted by the density ratio that is known."""
    rng = np.random.default_rng([81, n, seed])
    rows = numbers(n, seed)
    pool = numbers(20 * NEW, seed + 10**6)
    new = pool[rng.random(len(pool)) < np.exp(pool["x"] - 2.0)].head(NEW)
    for name, options in (("", {}), (", weights known", {"weights": lambda data: np.exp(np.asarray(data["x"]))})):
        fit = si.conformal("y ~ x", rows, method="split", level=LEVEL, seed=seed, **options)
        yield Shown(fit, f"outcome of a new row of a shifted law{name}", float(np.mean(fit.contains(new))))


def classes(n: int, seed: int) -> Iterator[Any]:
    rows = categories(n + NEW, seed)
    for method, options in CLASSES.items():
        if method in ("jackknife+", "cv+"):
            continue

        yield partial(_classes, rows[:n], rows[n:], method, options, seed)


def _classes(rows: pd.DataFrame, new: pd.DataFrame, method: str, options: Mapping[str, Any], seed: int) -> Shown:
    fit = si.conformal("kind ~ x + z", rows, method=method, level=LEVEL, seed=seed, **options)
    return Shown(fit, "class of a new row", float(np.mean(fit.contains(new))))


def regions(n: int, seed: int) -> Iterator[Any]:
    """Two outcomes on a bent band."""
    data, new = (si.datasets.simulate("banana", k, seed=2 * seed + j) for j, k in enumerate((n, NEW)))
    for method, options in (("dqr", {}), ("st-dqr", {"transform": "identity"})):
        fit = si.conformal(
            "cbind(y1, y2) ~ x1", data, level=LEVEL, seed=seed, method=method, n_directions=16, **options
        )
        yield Shown(fit, "both outcomes of a new row", float(np.mean(fit.contains(new))))


def streams(n: int, seed: int) -> Iterator[Any]:
    """An autoregression whose errors double halfway."""
    data = series("doubling", seed).head(n)
    for method, options in METHODS.items():
        fit = si.conformal_online("y ~ before", data, method=method, burn_in=BURN_IN, level=LEVEL, **options)
        yield Shown(fit, "next outcome", float(fit.path["covered"].mean()))


def selected(n: int, seed: int) -> Iterator[Any]:
    """False discoveries among the selected, as one less their share: at least .9 on average."""
    rng = np.random.default_rng([82, n, seed])
    x = rng.standard_normal((n + NEW, 2))
    rows = pd.DataFrame(x, columns=["x", "z"]).assign(y=x[:, 0] - 0.5 * x[:, 1] + rng.standard_normal(n + NEW))
    data, new = rows[:n], rows[n:]
    passes = (new["y"] > 0).to_numpy()
    for method in ("cs", "optcs-msel", "optcs-full"):
        fit = si.conformal_select("y ~ x + z", data, new.drop(columns="y"), method=method, fdr=0.1, seed=seed)
        chosen = np.asarray(fit.selected)
        yield Shown(fit, "one less the false discoveries", 1 - (chosen & ~passes).sum() / max(1, chosen.sum()))


def calibrated(n: int, seed: int) -> Iterator[Any]:
    """Predictions that are right on average at every value: tests at 5% and limits of a group's error."""
    random = np.random.default_rng([83, seed])
    data = frame(n, random)
    data["p"] = np.clip(np.round(10 * data["p"]), 1, 9) / 10
    data["y"] = outcomes("0/1", data["p"].to_numpy(), random)
    fit = si.multicalibrate("y ~ x | g", data, init="p", levels=10, bounds=(0.0, 1.0))
    error = fit.error().set_index("function")
    yield Shown(fit, "test of calibration, all rows", float(error.loc["1", "p_value"]) > 0.05)
    yield Shown(fit, "test of calibration, a group", float(error.loc["g = a", "p_value"]) > 0.05)
    table = fit.table(per_level=False).set_index("group").loc["g = a"]
    yield Shown(fit, "mean error of a group", bool(table["conf_low"] <= 0.0 <= table["conf_high"]))


SCALE = "a line, errors whose scale grows with x and doubles in a group; a hundred new rows a sample"
STUDIES = (
    Study("sets", "conformal", SCALE, SIZES[:2], partial(sets, PLAIN), LEVEL),
    Study("sets_heavy", "conformal", SCALE, (50, 200), partial(sets, HEAVY), LEVEL),
    Study("sets_groups", "conformal", f"{SCALE}; those of one group", (200, 1000), by_group, LEVEL),
    Study("sets_shifted", "conformal", f"{SCALE}, tilted towards the wider errors", (200, 1000), shifted, LEVEL),
    Study("sets_classes", "conformal", "three classes of a multinomial logit, one rare", (200, 1000), classes, LEVEL),
    Study("sets_regions", "conformal", "two outcomes on a bent band", (400,), regions, LEVEL),
    Study("sets_online", "conformal_online", "an autoregression whose errors double halfway", (1200,), streams, LEVEL),
    Study(
        "selection", "conformal_select", "a line, half of the rows pass; false discoveries of .1", (200, 1000), selected,
        LEVEL,
    ),
    Study(
        "multicalibration", "multicalibrate", "binary outcomes, predictions that are right; tests at 5%", (2500,),
        calibrated,
    ),
)  # fmt: skip
