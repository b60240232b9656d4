"""Two samples whose blocks differ in every way that a formula, weights and outcomes can notice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import statinf as si

ROWS, TARGET_ROWS = 290, 110


def sample(n: int, seed: int, shift: float = 0.0, *, outcome: bool = True) -> pd.DataFrame:
    """Rows with gaps, a level that begins late, a column far from zero, sampling weights and clusters."""
    rng = np.random.default_rng(seed)
    d = pd.DataFrame(
        {
            "x": rng.normal(size=n) + shift,
            "z": rng.normal(size=n) * 2 + 1e5,
            "g": rng.choice(list("cab"), n),
            "s": rng.integers(0, 3, n).astype(float),
            "firm": rng.integers(0, 31, n),
            "team": rng.integers(0, 17, n),
        }
    )
    late = n // 3 * 2
    d.loc[late:, "g"] = rng.choice(list("dcab"), n - late)
    if outcome:
        d["y"] = d.x + 0.3 * (d.z - 1e5) + (d.g == "b") + rng.normal(size=n) * (1 + 0.3 * abs(d.x))
        d["b"] = (rng.random(n) < 1 / (1 + np.exp(-d.x - 0.2 * (d.z - 1e5)))).astype(float)
        # Outcomes that are missing in whole blocks.
        d.loc[n - 300 :, ["y", "b"]] = np.nan
        d.loc[rng.choice(n, 30), "y"] = np.nan
    d.loc[rng.choice(n, n // 40), "z"] = np.nan
    return d


def two() -> tuple[pd.DataFrame, pd.DataFrame]:
    """A source and a target."""
    return sample(1_200, 0), sample(500, 1, 0.4, outcome=False)


def in_blocks(source: pd.DataFrame, target: Any) -> tuple[Any, Any]:
    """Both as tables in blocks; margins as they are."""
    there = si.blocks(target, rows=TARGET_ROWS) if isinstance(target, pd.DataFrame) else target
    return si.blocks(source, rows=ROWS), there


def same_fit(here: Any, there: Any, tol: float = 1e-10) -> None:
    np.testing.assert_allclose(there.theta, here.theta, rtol=tol, atol=1e-13)
    np.testing.assert_allclose(there.std_errors, here.std_errors, rtol=tol)
    np.testing.assert_allclose(there.cov.df_each, here.cov.df_each, rtol=1e-7)
    assert (there.cov.label, there.nobs) == (here.cov.label, here.nobs)
