"""Writes rd_density.csv: manipulation tests of the Senate margins by rddensity 3.0 (PyPI), run where it is installed.

``python make_rd_density.py senate.csv.gz``. "ties" are the margins rounded to halves.
"""

from __future__ import annotations

import sys
from pathlib import Path

CALLS = {
    "default": {},
    "p1": {"p": 1},
    "p3": {"p": 3},
    "uniform": {"kernel": "uniform"},
    "epanechnikov": {"kernel": "epanechnikov"},
    "each": {"bwselect": "each"},
    "diff": {"bwselect": "diff"},
    "sum": {"bwselect": "sum"},
    "given": {"h": [15.0, 25.0]},
    "q2": {"q": 2, "h": [15.0, 15.0]},
    "plugin": {"vce": "plugin"},
    "restricted": {"fitselect": "restricted"},
    "restricted_diff_h": {"fitselect": "restricted", "h": [20.0, 20.0]},
    "cutoff5": {"c": 5.0},
    "ties": {},
}


def main() -> None:
    import numpy as np
    import pandas as pd
    from rddensity import rddensity

    x = pd.read_csv(sys.argv[1])["margin"].dropna().to_numpy()
    rows = []
    for name, options in CALLS.items():
        fit = rddensity(np.round(2.0 * x) / 2.0 if name == "ties" else x, **options)
        kind = "asy" if options.get("vce") == "plugin" else "jk"
        error = fit.sd_asy if kind == "asy" else fit.sd_jk
        numbers = {
            "h_left": fit.h["left"], "h_right": fit.h["right"],
            "left": fit.hat["left"], "right": fit.hat["right"], "jump": fit.hat["diff"],
            "se_left": error["left"], "se_right": error["right"], "se_jump": error["diff"],
            "p_value": fit.test["p_" + kind],
        }  # fmt: skip
        rows += [{"spec": name, "quantity": k, "value": f"{float(np.ravel(v)[0]):.12g}"} for k, v in numbers.items()]
    pd.DataFrame(rows).to_csv(Path(__file__).parent / "rd_density.csv", index=False)


if __name__ == "__main__":
    main()
