"""Write ``data/grunfeld.csv`` from statsmodels' copy of the Grunfeld panel (public domain)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from statsmodels.datasets import grunfeld


def main() -> None:
    panel: Any = grunfeld.load_pandas().data
    panel["year"] = panel["year"].astype(int)
    panel["period"] = (panel["year"] - 1935) // 5
    panel["inv_value"] = 1.0 / panel["value"]
    panel["firm"] = [name.replace(" ", "_") for name in panel["firm"]]
    names = ["firm", "year", "period", "invest", "value", "capital", "inv_value"]
    rows = [",".join(names)]
    for row in panel[names].itertuples(index=False):
        rows.append(",".join(v if isinstance(v, str) else np.format_float_positional(v, trim="-") for v in row))
    (Path(__file__).parent / "data" / "grunfeld.csv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
