"""Formulas as R users write them, against the columns and column spaces of R's model.matrix."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

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


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    found = {r["formula"]: (compared(r), "error" in r) for r in records()}
    for formula, ((kind, message), error) in found.items():
        if kind in ("other",) or (kind == "refused" and not error):
            print(kind, formula, "::", message[:170])
    print(Counter((kind, error) for (kind, _), error in found.values()))
