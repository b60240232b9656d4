"""Quantile regression on Engel's food expenditures."""

from __future__ import annotations

import numpy as np

import statinf as si
from statinf.results import DemoSection

CODE = """\
data = si.datasets.load("engel")
fit = si.rq("foodexp ~ income", data, tau=[0.1, 0.25, 0.5, 0.75, 0.9])
fit.equal_slopes()
si.rq("foodexp ~ income", data, tau=np.arange(2, 39) / 40).plot()"""


def section() -> DemoSection:
    """Five levels in a table, the lines over the data, and the process with its bands."""
    data = si.datasets.load("engel")
    fit = si.rq("foodexp ~ income", data, tau=[0.1, 0.25, 0.5, 0.75, 0.9])
    process = si.rq("foodexp ~ income", data, tau=np.arange(2, 39) / 40)
    return DemoSection(
        title="Quantile regression: food expenditure spreads with income",
        intro=(
            "Engel's 235 Belgian households of 1857 (Koenker and Bassett 1982). Households that spend much on food for "
            "their income add more of each further franc than those that spend little: the slope rises with the level. "
            f"The test of {fit.equal_slopes()}."
        ),
        code=CODE,
        tables=(fit.summary(), fit.score().summary()),
        figures=(
            ("Fitted quantiles of food expenditure.", lambda: fit.plot("lines")),
            (
                "Coefficients by level with pointwise 95% limits and uniform bands.",
                lambda: process.plot().flat[0].figure,
            ),
        ),
    )
