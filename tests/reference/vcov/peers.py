"""Writes peers.csv: errors of several clusters, panels and series by pyfixest; run where it is installed.

``python peers.py`` in this folder, after vcov.R has written panel.csv and series.csv. Its settings are its defaults but for
`G_df` of two clusters: "min" has the factor of the fewest clusters throughout, "conventional" one for each intersection.
"""

from __future__ import annotations

from pathlib import Path


def main() -> None:
    import pandas as pd
    import pyfixest as pf

    here = Path(__file__).parent
    panel, series = pd.read_csv(here / "panel.csv"), pd.read_csv(here / "series.csv")
    fits = {}
    for df in ("min", "conventional"):
        fits[f"two-way {df}"] = pf.feols("y ~ x + d + z", panel, vcov={"CRV1": "id+g"}, ssc=pf.ssc(G_df=df))
    for lag in (2, 5):
        keys = {"time_id": "time", "panel_id": "id", "lag": lag}
        fits[f"panel hac {lag}"] = pf.feols("y ~ x + d + z", panel, vcov="NW", vcov_kwargs=keys)
        fits[f"driscoll-kraay {lag}"] = pf.feols("y ~ x + d + z", panel, vcov="DK", vcov_kwargs=keys)
    fits["hac 4"] = pf.feols("y ~ x1 + x2", series, vcov="NW", vcov_kwargs={"time_id": "t", "lag": 4})
    rows = [(case, term, repr(float(se))) for case, fit in fits.items() for term, se in fit.se().items()]
    table = pd.DataFrame(rows, columns=["case", "term", "se"])
    table["software"] = f"pyfixest {pf.__version__}"
    table.to_csv(here / "peers.csv", index=False)


if __name__ == "__main__":
    main()
