"""Writes ivqr_data.csv, the sample of make_ivqr.R: a treatment that is endogenous, whose effect grows with the outcome's rank."""

from pathlib import Path

import numpy as np
import pandas as pd

rng = np.random.default_rng(20)
n = 203
x, z, z2, e = rng.normal(size=(4, n))
d = np.exp(0.3 * (z + 0.5 * z2 + e + rng.normal(size=n)))
y = 1.0 + 0.5 * x + d * (1.0 + 0.3 * e) + e
frame = pd.DataFrame({"y": y, "d": d, "x": x, "z": z, "z2": z2, "w": rng.integers(1, 4, n)}).round(6)
frame.to_csv(Path(__file__).parent / "ivqr_data.csv", index=False)
