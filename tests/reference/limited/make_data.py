"""limited.csv: one sample with a choice, a grade and censored outcomes. Run in this folder: python make_data.py (NumPy 2)."""

import numpy as np
import pandas as pd

random = np.random.default_rng(11)
n = 240
x, z = np.round(random.standard_normal((2, n)), 4)
g = random.choice(["p", "q", "r"], n)
utility = np.column_stack([np.zeros(n), 0.4 + 0.8 * x - 0.3 * z, -0.5 + 0.5 * z + 0.6 * (g == "q"), 0.2 - 0.7 * x])
choice = np.array(["air", "bus", "car", "train"])[np.argmax(utility + random.gumbel(size=utility.shape), axis=1)]
latent = 0.9 * x - 0.5 * z + 0.4 * (g == "r") + random.logistic(size=n)
grade = np.digitize(latent, [-1.2, 0.1, 1.5]) + 1
y = np.round(1.0 + x - 0.6 * z + 0.5 * (g == "q") + 1.3 * random.standard_normal(n), 4)
lo = np.round(random.uniform(-1.0, 0.5, n), 2)
frame = pd.DataFrame(
    {"x": x, "z": z, "g": g, "w": np.round(random.uniform(0.5, 2.5, n), 2), "k": random.integers(1, 4, n),
     "id": np.repeat(np.arange(n // 6), 6), "choice": choice, "grade": grade, "y0": np.maximum(y, 0.0),
     "y03": np.clip(y, 0.0, 3.0), "lo": lo, "yl": np.maximum(y, lo)}
)  # fmt: skip
frame.to_csv("limited.csv", index=False)
