"""Group-time effects and their averages by csdid 0.4.3 (a port of R's did 2.5) with drdid 1.1.7, both from PyPI.

Single comparisons by the improved estimator, as R's DRDID has it, come from moderndid 0.2.0 (PyPI).

From the root of the repository, in an environment with them and pandas::

    python tests/reference/did/make_did.py
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
FILE = HERE / "csdid.csv"


def mpdta() -> pd.DataFrame:
    return pd.read_csv(HERE.parents[2] / "statinf/datasets/data/mpdta.csv.gz")


def panel() -> pd.DataFrame:
    """240 units of six periods in four cohorts, one never treated; a covariate that changes, weights and 24 districts."""
    rng = np.random.default_rng(11)
    n, periods = 240, 6
    x, district = rng.standard_normal(n), np.arange(n) % 24
    shock = rng.standard_normal(24)[district]
    cohort = np.array([0, 3, 4, 6])[np.clip(np.round(1.5 + 0.6 * x + rng.standard_normal(n)).astype(int), 0, 3)]
    level = rng.standard_normal(n) + shock
    weight = np.round(rng.uniform(0.5, 2.0, n), 2)
    rows = []
    for t in range(1, periods + 1):
        now = x + 0.4 * t * rng.standard_normal(n)
        treated = (cohort > 0) & (t >= cohort)
        y = level + 0.3 * t * x + 0.2 * t + treated * (0.5 + 0.2 * (t - cohort)) + 0.5 * rng.standard_normal(n)
        rows.append(
            pd.DataFrame(
                {"unit": np.arange(1, n + 1), "t": t, "y": y, "x": x, "now": now, "cohort": cohort}
                | {"w": weight, "v": np.round(weight + 0.1 * t, 2), "district": district, "d": treated.astype(int)}
            )
        )
    return pd.concat(rows, ignore_index=True)


def holed() -> pd.DataFrame:
    """The panel without a tenth of its rows."""
    data = panel()
    return data[np.random.default_rng(5).uniform(size=len(data)) > 0.1].reset_index(drop=True)


def treated_at_last() -> pd.DataFrame:
    """The panel without units never treated."""
    data = panel()
    return data[data["cohort"] > 0].reset_index(drop=True)


DATA = {"mpdta": mpdta, "panel": panel, "holed": holed, "treated": treated_at_last}
CASES: dict[str, dict[str, Any]] = {
    f"mpdta-{method}-{control}-{base}": {
        "data": "mpdta", "x": "lpop", "method": method, "control": control, "base": base,
    }
    for method in ("dr", "ipw", "reg")
    for control, base in (("never", "varying"), ("not-yet", "universal"))
}  # fmt: skip
CASES |= {
    "mpdta-plain": {"data": "mpdta", "x": "1"},
    "panel-now": {"data": "panel", "x": "now"},
    "panel-not-yet": {"data": "panel", "x": "now + x", "control": "not-yet"},
    "panel-universal": {"data": "panel", "x": "now", "base": "universal", "method": "ipw"},
    "panel-anticipation": {"data": "panel", "x": "x", "anticipation": 1, "control": "not-yet", "base": "universal"},
    "panel-anticipation-varying": {"data": "panel", "x": "x", "anticipation": 1},
    "panel-weights": {"data": "panel", "x": "now", "weights": "w"},
    "panel-changing-weights": {"data": "panel", "x": "now", "weights": "v", "control": "not-yet", "base": "universal"},
    "panel-cluster": {"data": "panel", "x": "x", "cluster": "district", "weights": "w", "method": "reg"},
    "holed-complete": {"data": "holed", "x": "x", "unbalanced": "complete"},
    "holed-rows-dr": {"data": "holed", "x": "x", "unbalanced": "rows"},
    "holed-rows-ipw": {"data": "holed", "x": "x", "unbalanced": "rows", "method": "ipw", "weights": "w"},
    "holed-rows-reg": {"data": "holed", "x": "x", "unbalanced": "rows", "method": "reg", "control": "not-yet"},
    "sections-dr": {"data": "holed", "x": "now", "id": None},
    "sections-ipw": {"data": "holed", "x": "x", "id": None, "method": "ipw", "weights": "w"},
    "sections-reg": {"data": "holed", "x": "x", "id": None, "method": "reg", "base": "universal"},
    "treated-never": {"data": "treated", "x": "x"},
    "treated-not-yet": {"data": "treated", "x": "x", "control": "not-yet"},
}


def columns(name: str) -> dict[str, str]:
    """Outcome, unit, period and cohort of a data set."""
    if name == "mpdta":
        return {"y": "lemp", "id": "countyreal", "time": "year", "cohort": "first_treat"}
    return {"y": "y", "id": "unit", "time": "t", "cohort": "cohort"}


def numbers(case: str) -> list[tuple[Any, ...]]:
    """Rows of a case: its name, what, cohort or place on a path, period, estimate, standard error."""
    from csdid.att_gt import ATTgt  # pyright: ignore[reportMissingImports]

    how = CASES[case]
    names, data = columns(how["data"]), DATA[how["data"]]()
    panel_data = how.get("id", names["id"]) is not None
    fit = ATTgt(
        yname=names["y"],
        tname=names["time"],
        idname=names["id"] if panel_data else None,
        gname=names["cohort"],
        data=data,
        control_group="nevertreated" if how.get("control", "never") == "never" else "notyettreated",
        xformla=f"{names['y']} ~ {how['x']}",
        panel=panel_data,
        allow_unbalanced_panel=how.get("unbalanced") == "rows",
        clustervar=how.get("cluster"),
        weights_name=how.get("weights"),
        anticipation=how.get("anticipation", 0),
    ).fit(est_method=how.get("method", "dr"), base_period=how.get("base", "varying"), bstrap=False)
    found = fit.results
    rows: list[tuple[Any, ...]] = [
        (case, "cell", g, t, a, s)
        for g, t, a, s in zip(found["group"], found["year"], found["att"], found["se"], strict=True)
    ]
    for kind in ("simple", "dynamic", "group", "calendar"):
        made = fit.aggte(typec=kind, bstrap=False, cband=False, na_rm=True).atte
        rows.append((case, kind, np.nan, np.nan, made["overall_att"], float(np.ravel(made["overall_se"])[0])))
        if kind != "simple":
            errors = np.ravel(made["se_egt"])
            rows += [
                (case, kind, e, np.nan, a, s) for e, a, s in zip(made["egt"], made["att_egt"], errors, strict=True)
            ]
    return rows


IMPROVED = [(3, 2, 1), (3, 4, 2), (4, 4, 3), (6, 6, 5)]
"""Cohort, period and base period."""


def improved(g: int, t: int, b: int, weighted: bool, paired: bool) -> tuple[float, float]:
    """Effect and standard error of one comparison of the panel, given x at the base period or each row's own."""
    from moderndid.drdid.estimators.drdid_imp_local_rc import (  # pyright: ignore[reportMissingImports]
        drdid_imp_local_rc,
    )
    from moderndid.drdid.estimators.drdid_imp_panel import drdid_imp_panel  # pyright: ignore[reportMissingImports]

    data = panel()
    data = data[data["cohort"].isin([0, g]) & data["t"].isin([t, b])].sort_values(["t", "unit"])
    if paired:
        before, now = (data[data["t"] == when] for when in (b, t))
        first = before if b < t else now
        made = drdid_imp_panel(
            now["y"].to_numpy(), before["y"].to_numpy(), (first["cohort"] == g).to_numpy(float),
            np.column_stack([np.ones(len(first)), first["now"]]),
            i_weights=first["w"].to_numpy().copy() if weighted else None, influence_func=True,
        )  # fmt: skip
    else:
        made = drdid_imp_local_rc(
            data["y"].to_numpy(), (data["t"] == t).to_numpy(float), (data["cohort"] == g).to_numpy(float),
            np.column_stack([np.ones(len(data)), data["now"]]),
            i_weights=data["w"].to_numpy().copy() if weighted else None, influence_func=True,
        )  # fmt: skip
    values = made.att_inf_func
    return made.att, float(np.sqrt(np.sum(values**2)) / len(values))


def main() -> None:
    warnings.simplefilter("ignore")
    kinds = [(weighted, paired) for weighted in (False, True) for paired in (True, False)]
    single = [(*cell, *kind, *improved(*cell, *kind)) for cell in IMPROVED for kind in kinds]
    table = pd.DataFrame(single, columns=["group", "time", "base", "weighted", "paired", "estimate", "std_error"])
    table.to_csv(HERE / "improved.csv", index=False, float_format="%.12g")
    rows = [row for case in CASES for row in numbers(case)]
    table = pd.DataFrame(rows, columns=["case", "what", "at", "time", "estimate", "std_error"])
    table.to_csv(FILE, index=False, float_format="%.12g")


if __name__ == "__main__":
    main()
