"""Numbers of other software for treatment effects, and the data that they were made on.

reference.csv: one estimate a row, with the call that made it. Software: statsmodels 0.15, linearmodels 7.1,
DoubleML 0.11.4, econml 0.17, ivmodels, R estimatr; ten significant digits.
"""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si

CARD = "exper + expersq + black + smsa + south + smsa66 + " + " + ".join(f"reg66{i}" for i in range(2, 10))
NSW = "age + educ + black + hispan + married + nodegree + re74 + re75"
K401 = "inc + incsq + marr + male + age + agesq + fsize"


@cache
def _table() -> dict[tuple[str, str], tuple[float, float]]:
    with (Path(__file__).parent / "reference.csv").open() as lines:
        rows = list(csv.reader(lines))[1:]
    number = lambda text: float(text) if text else np.nan  # noqa: E731
    return {(r[0], r[1]): (number(r[3]), number(r[4])) for r in rows}


def expected(dataset: str, estimator: str) -> tuple[float, float]:
    """Estimate and standard error."""
    return _table()[dataset, estimator]


def value(dataset: str, estimator: str) -> float:
    return expected(dataset, estimator)[0]


def card() -> pd.DataFrame:
    """Card's data with the log wage in single precision, as the package that the numbers come from stores it."""
    data = si.datasets.load("card")
    return data.assign(lwage=np.log(data["wage"]).astype(np.float32).astype(float))


def mroz() -> pd.DataFrame:
    """Mroz's data; the bundled log wages have seven digits, so that comparisons hold to six."""
    return si.datasets.load("mroz").rename(columns={"lwage": "lw"})


def nsw() -> pd.DataFrame:
    return si.datasets.load("nsw")


def folds(n: int, count: int = 5) -> np.ndarray:
    """Fold of row i: i modulo the number of folds."""
    return np.arange(n) % count
