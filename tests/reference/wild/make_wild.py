"""Write `wildboottest.json`: wild cluster bootstrap p-values of `grunfeld.csv` with all sign changes of its eleven firms.

Run as `python make_wild.py` with wildboottest (0.3.2) and statsmodels installed. Its types "13" and "33" do not run with
NumPy 2.4.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path


def main() -> None:
    import pandas as pd
    import statsmodels.api as sm
    from wildboottest.wildboottest import wildboottest

    folder = Path(__file__).parent
    data = pd.read_csv(folder.parent / "data" / "grunfeld.csv")
    model = sm.OLS(data["invest"], sm.add_constant(data[["value", "capital"]]))
    firms, found = pd.factorize(data["firm"])[0], []
    for variant in ("11", "31"):
        for restricted in (True, False):
            for term in ("value", "capital"):
                made = wildboottest(
                    model, B=9999, cluster=firms, param=term, bootstrap_type=variant, impose_null=restricted, show=False
                ).to_numpy()[0]
                found.append(
                    {
                        "term": term,
                        "type": variant,
                        "restricted": restricted,
                        "statistic": float(made[0]),
                        "p": float(made[1]),
                    }
                )
    versions = {name: metadata.version(name) for name in ("wildboottest", "statsmodels", "numpy")}
    (folder / "wildboottest.json").write_text(json.dumps({"versions": versions, "tests": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
