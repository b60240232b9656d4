"""Reference data and numbers shared by the tests of this family."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parents[1] / "reference" / "shift"
QUADRATIC = "x1 + x2 + I(x1**2) + I(x2**2) + x1:x2"


@cache
def _numbers() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "numbers.csv")


def number(method: str, quantity: str) -> np.ndarray:
    table = _numbers()
    found = table[(table["method"] == method) & (table["quantity"] == quantity)]["value"].to_numpy()
    assert len(found), f"{method}: {quantity} is not among the reference numbers"
    return found


def two(name: str = "shift_data") -> tuple[pd.DataFrame, pd.DataFrame]:
    data = pd.read_csv(FOLDER / f"{name}.csv")
    source, target = (data[data["domain"] == d].drop(columns="domain") for d in ("source", "target"))
    return source.reset_index(drop=True), target.reset_index(drop=True)


def matrices() -> tuple[np.ndarray, np.ndarray]:
    source, target = two()
    return source[["x1", "x2"]].to_numpy(), target[["x1", "x2"]].to_numpy()
