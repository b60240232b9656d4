"""Marginal effects against Python's marginaleffects; see `reference/margins/make_margins.py` for the calls."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import statinf as si

REFERENCE = Path(__file__).parents[2] / "reference"
STORED = json.loads((REFERENCE / "margins" / "margins.json").read_text())
FAMILIES = {"logit": ("binomial", "logit"), "probit": ("binomial", "probit"), "poisson": ("poisson", "log")}
pytestmark = pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")


@cache
def fitted(name):
    model = STORED["models"][name]
    data = pd.read_csv(REFERENCE / "data" / f"{model['data']}.csv")
    for column in {"cyl", "education", "wool", "tension"} & set(data):
        data[column] = data[column].astype(str)
    vcov = model["options"].get("cov_type", "iid")
    if model["kind"] in ("ols", "wls"):
        weights = "qsec" if model["kind"] == "wls" else None
        return si.lm(model["formula"], data, vcov=vcov, weights=weights)
    family, link = FAMILIES[model["kind"]]
    return si.glm(model["formula"], data, family=family, link=link, vcov=vcov, tol=1e-13)


def asked(case):
    verb, options = case["verb"], dict(case["asked"])
    average = verb.startswith("avg_") or options.get("newdata") == "mean"
    weights = options.pop("wts", None)
    options = {k: v for k, v in options.items() if k != "comparison"} | {"weights": weights or False}
    if "comparison" in case["asked"]:
        options["comparison"] = case["asked"]["comparison"]
    if not average:
        options["average"] = False
    return getattr(fitted(case["model"]), verb.removeprefix("avg_"))(**options).tidy()


@pytest.mark.parametrize("case", STORED["cases"], ids=lambda c: f"{c['model']}-{c['verb']}-{c['asked']}")
def test_equal_to_marginaleffects(case):
    ours, rows = asked(case), case["rows"]
    by = case["asked"].get("by", [])
    by = [by] if isinstance(by, str) else by
    theirs = pd.DataFrame(rows)
    order = [c for c in ("term", *by) if c in theirs]
    ours = ours.drop(columns="term", errors="ignore").rename(columns={"variable": "term"})
    if order:
        theirs = theirs.astype(dict.fromkeys(order, str)).sort_values(order, kind="stable")
        ours = ours.astype(dict.fromkeys(order, str)).sort_values(order, kind="stable")
    assert len(ours) == len(theirs) or len(theirs) == 60
    ours = ours.iloc[: len(theirs)]
    np.testing.assert_allclose(ours["estimate"].to_numpy(), theirs["estimate"].to_numpy(), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours["std_error"].to_numpy(), theirs["std_error"].to_numpy(), rtol=5e-6, atol=1e-8)


def test_equal_to_emmeans():
    theirs = json.loads((REFERENCE / "margins" / "emmeans.json").read_text())
    data = pd.read_csv(REFERENCE / "data" / "mtcars.csv")
    line = si.lm("mpg ~ wt * C(cyl) + hp", data, vcov="iid")

    logit = si.glm("vs ~ wt + hp", data, family="binomial")
    levels = {"cyl": [4, 6, 8]}
    ours = {
        "means": line.predictions(newdata=levels),
        "pairs": line.comparisons("cyl", contrast="pairwise", newdata="mean"),
        "trends": line.slopes("wt", newdata=levels),
        "trend pairs": line.slopes("wt", newdata=levels).differences(),
        "probabilities": logit.predictions(newdata={"wt": [2.5, 3.5]}),
    }
    for name, found in ours.items():
        np.testing.assert_allclose(found.theta, theirs[name]["estimate"], rtol=1e-6, err_msg=name)
        np.testing.assert_allclose(found.std_errors, theirs[name]["std_error"], rtol=1e-6, err_msg=name)
