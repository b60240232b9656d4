"""Group-time effects and their averages against csdid, a port of R's did, and the improved estimator against moderndid."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pandas as pd
import pytest

import statinf as si
from reference.did.make_did import CASES, DATA, FILE, HERE, columns

TABLE = pd.read_csv(FILE)
METHODS = {"reg": "regression"}
pytestmark = pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")


@cache
def data(name: str) -> pd.DataFrame:
    return DATA[name]()


def fitted(case: str) -> si.results.Fit:
    how = CASES[case]
    names = columns(how["data"])
    given = {"control": "control", "base": "base_period"}
    given |= {k: k for k in ("anticipation", "unbalanced", "weights", "cluster")}
    return si.did(
        f"{names['y']} ~ 1 | {how['x']}",
        data(how["data"]),
        id=how.get("id", names["id"]),
        time=names["time"],
        cohort=names["cohort"],
        method=METHODS.get(how.get("method", "dr"), how.get("method", "dr")),
        **{mine: how[theirs] for theirs, mine in given.items() if theirs in how},
    )


@pytest.mark.parametrize("case", CASES)
def test_effects_errors_and_averages_are_those_of_csdid(case: str) -> None:
    rows = TABLE[TABLE["case"] == case]
    fit = fitted(case)
    # Clusters: G / (G - 1) here, none there.
    factor = np.sqrt(24 / 23) if "cluster" in CASES[case] else 1.0
    # Twelve digits are written; a logit of either side that stops at 1e-8 of its deviance has half of the digits squared.
    close = partial(np.testing.assert_allclose, rtol=1e-8, atol=1e-9)
    cells = rows[(rows["what"] == "cell") & (rows["std_error"] > 0)]
    np.testing.assert_array_equal(cells[["at", "time"]].to_numpy(), np.column_stack([fit.group, fit.time]))
    close(fit.theta, cells["estimate"])
    close(fit.std_errors, cells["std_error"] * factor)
    for kind in ("simple", "dynamic", "group", "calendar"):
        # Times since treatment that are zero by definition have no error there.
        wanted = rows[(rows["what"] == kind) & (rows["std_error"] > 0)]
        found = fit.aggregate(kind)
        np.testing.assert_array_equal(found.at, wanted["at"].dropna())
        close(found.theta, wanted["estimate"], err_msg=kind)
        close(found.std_errors, wanted["std_error"] * factor, err_msg=kind)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_improved_estimator_is_that_of_moderndid(weighted: bool, paired: bool) -> None:
    table = pd.read_csv(HERE / "improved.csv")
    rows = table[(table["weighted"] == weighted) & (table["paired"] == paired)]
    how = {"id": "unit"} if paired else {}
    fit = si.did(
        "y ~ 1 | now",
        data("panel"),
        time="t",
        cohort="cohort",
        method="dr-improved",
        weights="w" if weighted else None,
        **how,
    )
    terms = [f"ATT({g}, {t})" for g, t in zip(rows["group"], rows["time"], strict=True)]
    assert list(rows["base"]) == [fit.base[fit.terms.index(term)] for term in terms]
    # Their tilting stops at a gradient of 1e-5 or so.
    np.testing.assert_allclose(fit.params[terms], rows["estimate"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(fit.std_errors[terms], rows["std_error"], rtol=1e-6)
