"""Formulas as R users write them, against the columns and column spaces of R's model.matrix."""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from statinf.errors import StatinfError
from statinf.formula import design

HERE = Path(__file__).parents[1] / "reference" / "formulas"


@cache
def data() -> pd.DataFrame:
    frame = pd.read_csv(HERE / "data.csv", parse_dates=["d"], dtype={"q": "boolean"})
    for name, levels in (("c", ["s", "m", "l"]), ("o", ["low", "mid", "high"]), ("u", ["p", "q", "r"])):
        frame[name] = pd.Categorical(frame[name], levels, ordered=name == "o")
    return frame


def compared(record: dict) -> tuple[str, str]:
    """Where our columns stand beside R's, and the message where they are refused."""
    formula, frame = record["formula"], data()
    try:
        made = design(formula, frame, response="any")
    except StatinfError as error:
        return "refused", f"{type(error).__name__}: {error}"
    if "error" in record:
        return "ours alone", ""
    X = made.part("covariates").values
    i = np.arange(1, len(frame) + 1)[made.rows]
    V = np.column_stack([np.sin(i), np.cos(i * np.sqrt(2)), np.sin(i * np.sqrt(3) + 1)])
    if len(X) != record["rows"]:
        return "other", f"{len(X)} rows, R {record['rows']}"
    names = record["names"]
    if X.shape[1] == len(names) and np.allclose(X.T @ V[:, 0], record["columns"], rtol=1e-8, atol=1e-9):
        return "equal", ""
    U, s, _ = np.linalg.svd(X / np.maximum(np.linalg.norm(X, axis=0), 1e-300), full_matrices=False)
    P = U[:, s > 1e-9 * s.max(initial=0.0)].T @ V
    space = [P[:, a] @ P[:, b] for a, b in ((0, 1), (1, 2), (0, 2))]
    if len(P) == record["rank"] and np.allclose(space, record["space"], rtol=1e-8, atol=1e-8):
        return "same space", ""
    return "other", f"rank {len(P)}, R {record['rank']}: {made.part('covariates').names}, {names}"


def records() -> list[dict]:
    return json.loads((HERE / "model_matrix.json").read_text())["formulas"]


@pytest.fixture(scope="module")
def found() -> dict[str, tuple[str, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {record["formula"]: compared(record) for record in records()}


def test_columns_span_what_rs_span(found):
    counts = Counter(kind for kind, _ in found.values())
    assert [(f, message) for f, (kind, message) in found.items() if kind == "other"] == []
    # Most are R's columns one by one; the others are full-rank codings of the same space, and contrasts of ordered factors.
    assert counts["equal"] >= 595 and counts["equal"] + counts["same space"] >= 660


def test_what_is_refused_names_a_spelling_that_works(found):
    refused = {r["formula"]: found[r["formula"]][1] for r in records() if found[r["formula"]][0] == "refused"}
    assert len(refused) < 15
    for formula, message in refused.items():
        assert re.search(r"write |make the column|turn it into|takes a column", message), (formula, message)


def test_names_are_rs_but_for_brackets():
    apart = set("(`^-./<>=!&od")  # calls, operators, and columns whose names are coded otherwise
    plain = [r for r in records() if r["formula"][0] == "y" and "error" not in r and not apart & set(r["formula"])]
    assert len(plain) > 80
    for record in plain:
        made = design(record["formula"], data()).part("covariates").names
        if len(made) == len(record["names"]):
            # R orders the variables of a product by where the formula names them first; here they stay as written.
            theirs = [":".join(sorted(name.split(":"))) for name in record["names"]]
            assert sorted(_r_name(name) for name in made) == sorted(theirs)


def _r_name(name: str) -> str:
    if name == "Intercept":
        return "(Intercept)"
    pieces = [re.sub(r"\[(?:T\.)?(\w+)\]", r"\1", p) for p in name.split(":")]
    pieces = [re.sub(r"(False|True)$", lambda m: m[1].upper(), p) for p in pieces]
    return ":".join(sorted(p + "TRUE" if p in ("b", "q") else p for p in pieces))
