"""Make the data that `model_matrix.R` reads beside the list `formulas.txt`: `python make.py && Rscript model_matrix.R`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent


def data(n: int = 48) -> pd.DataFrame:
    rng = np.random.default_rng(20)
    frame = pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "z": rng.uniform(0.5, 3.0, n),
            "k": rng.permutation(np.arange(n) % 5 + 1),
            "m": rng.normal(size=n),
            "g": rng.permutation(np.array(["u", "v", "w"])[np.arange(n) % 3]),
            "h": rng.choice(["lo", "hi"], n),
            "c": rng.choice(["s", "m", "l"], n),
            "o": rng.choice(["low", "mid", "high"], n),
            "u": rng.choice(["p", "r"], n),
            "b": rng.random(n) < 0.5,
            "q": rng.random(n) < 0.4,
            "odd name": rng.normal(size=n),
            "d": pd.date_range("2020-01-30", periods=n, freq="3D").strftime("%Y-%m-%d"),
        }
    ).round(6)
    frame["q"] = frame["q"].astype("boolean").mask(np.isin(frame.index, (5, 17)))
    frame["m"] = frame["m"].mask(np.isin(frame.index, (2, 17, 30, 41)))
    return frame


if __name__ == "__main__":
    data().to_csv(HERE / "data.csv", index=False, na_rep="NA")
