"""The table that the tests of formulas share."""

from __future__ import annotations

import numpy as np
import pandas as pd


def table(n: int = 60, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "y2": rng.normal(size=n),
            "x1": rng.normal(size=n),
            "x2": rng.uniform(0.5, 3.0, size=n),
            "k": rng.integers(1, 6, size=n),
            "b": rng.random(n) < 0.5,
            "g": rng.choice(["u", "v", "w"], size=n),
            "h": rng.choice(["lo", "hi"], size=n),
            "c": pd.Categorical(rng.choice(["s", "m", "l"], size=n), categories=["s", "m", "l"]),
        }
    )


def columns(matrix) -> dict[str, np.ndarray]:
    return {name: matrix.values[:, j] for j, name in enumerate(matrix.names)}
