"""Numbers of crepes' conformal predictive systems on a series that anyone can make: writes crepes_cps.csv.

Run as ``python tests/reference/conformal/make_crepes.py`` where crepes is installed. Least squares on the odd rows, the errors
of the even rows; three groups of rows in the Mondrian system.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def series() -> pd.DataFrame:
    """200 rows without random numbers, half of which calibrate, in three groups."""
    t = np.arange(1, 201)
    x = np.sin(t / 7)
    y = x * (1 + t / 100) + ((37 * t % 101) / 50 - 1) * (1 + (t % 3 == 0))
    return pd.DataFrame({"t": t, "x": x, "y": y, "g": np.array(list("abc"))[t % 3], "calibrates": t % 2 == 0})


def new_rows() -> pd.DataFrame:
    """Six new rows with outcomes."""
    return pd.DataFrame(
        {"x": [-1.0, -0.5, 0.0, 0.5, 1.0, 1.0], "y": [-2.0, -1.5, 0.1, 1.2, 0.5, 4.0], "g": list("abcabc")}
    )


def numbers() -> pd.DataFrame:
    """Percentiles, 90 % intervals, p-values and scores, one row per system and new row."""
    from crepes import ConformalPredictiveSystem

    rows, new = series(), new_rows()
    train, held = rows[~rows["calibrates"]], rows[rows["calibrates"]]
    slope, start = np.polyfit(train["x"], train["y"], 1)
    errors = (held["y"] - start - slope * held["x"]).to_numpy()
    centre = (start + slope * new["x"]).to_numpy()
    out = []
    for system, by in (("all rows", False), ("by group", True)):
        made = ConformalPredictiveSystem().fit(errors, **({"bins": held["g"].to_numpy()} if by else {}))
        bins = {"bins": new["g"].to_numpy()} if by else {}
        percentiles = made.predict_percentiles(centre, lower_percentiles=[10, 50], higher_percentiles=[50, 90], **bins)
        limits = made.predict_int(centre, confidence=0.9, **bins)
        p = made.predict_p(centre, new["y"].to_numpy(), smoothing=False, **bins)
        crps = made.evaluate(centre, new["y"].to_numpy(), metrics=["CRPS"], **bins)["CRPS"]
        values = np.column_stack([percentiles, limits, p, np.full(len(new), crps)])
        columns = ["low10", "low50", "high50", "high90", "lower", "upper", "p", "mean_crps"]
        out.append(pd.DataFrame(values, columns=columns).assign(system=system, row=range(len(new))))
    return pd.concat(out, ignore_index=True)


if __name__ == "__main__":
    file = Path(__file__).with_name("crepes_cps.csv")
    numbers().to_csv(file, index=False)
    print(file.read_text())
