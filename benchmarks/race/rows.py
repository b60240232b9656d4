"""The rows of all races, made anew by each side from one seed; needs NumPy and pandas alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

P = 20
X = [f"x{j}" for j in range(P)]
TERMS, TEN = " + ".join(X), " + ".join(X[:10])


def source(n: int) -> pd.DataFrame:
    """Normal covariates, with an outcome of each kind that a race asks for."""
    random = np.random.default_rng(0)
    x = random.standard_normal((n, P))
    slopes, u = random.standard_normal(P), random.standard_normal(n)
    made = pd.DataFrame(x, columns=X)
    chance = 1.0 / (1.0 + np.exp(-x[:, :5] @ np.array([0.3, -0.2, 0.25, 0.1, -0.3])))
    made["t"] = (random.random(n) < chance).astype(float)
    made["y"] = x @ slopes + made["t"] + u * (1.0 + 0.5 * np.abs(x[:, 0]))
    made["b"] = (random.random(n) < 1.0 / (1.0 + np.exp(-0.3 * x @ slopes - 0.2))).astype(float)
    made["z1"], made["z2"] = random.standard_normal(n), random.standard_normal(n)
    made["e"] = made["z1"] + 0.5 * made["z2"] + u + x[:, 0]
    made["v"] = made["e"] + x @ slopes + u + random.standard_normal(n)
    made["dose"] = x[:, :5] @ np.array([0.3, -0.2, 0.25, 0.1, -0.3]) + random.standard_normal(n)
    made["s"] = 0.5 * made["dose"] + x @ slopes + random.standard_normal(n)
    made["g"] = random.integers(0, 1000, n)
    return made


def target(n: int) -> pd.DataFrame:
    """Another sample, whose covariates stand a tenth of their spread higher."""
    return pd.DataFrame(np.random.default_rng(1).standard_normal((n, P)) + 0.1, columns=X)


class Rows:
    """Both samples of n rows."""

    def __init__(self, n: int) -> None:
        self.n, self.source, self.target = n, source(n), target(n)

    @property
    def new(self) -> pd.DataFrame:
        """A tenth as many new rows."""
        return self.target.iloc[: self.n // 10]
