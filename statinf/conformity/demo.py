"""Hourly bike rentals: prediction sets that know when rentals are hard to predict."""

from __future__ import annotations

import numpy as np

import statinf as si
from statinf.results import DemoSection, Table

CODE = """\
bike = si.datasets.load("bikeshare").query("weathersit != 'heavy rain/snow'")
bike = bike.sample(frac=1, random_state=0)
train, test = bike.iloc[:6000], bike.iloc[6000:]
formula = "bikers ~ bs(hr, df=8) * workingday + temp + hum + C(weathersit)"
split = si.conformal(formula, train, method="split")
cqr = si.conformal(formula, train, method="cqr")
cqr.coverage(test, by="workingday")
cqr.plot("coverage", newdata=test, x="hr")"""


def section() -> DemoSection:
    """Split conformal prediction, CQR and normal highest-density sets, beside each other."""
    bike = si.datasets.load("bikeshare")
    bike = bike[bike["weathersit"] != "heavy rain/snow"]
    bike = bike.iloc[np.random.default_rng(0).permutation(len(bike))]
    train, test = bike.iloc[:6000], bike.iloc[6000:]
    formula = "bikers ~ bs(hr, df=8) * workingday + temp + hum + C(weathersit)"
    fits = {
        "split": si.conformal(formula, train, method="split"),
        "cqr": si.conformal(formula, train, method="cqr"),
        "cp2-hpd, normal": si.conformal(formula, train, method="cp2-hpd", model="gaussian"),
    }
    rows = []
    for name, fit in fits.items():
        table = fit.coverage(test).set_index("part")
        whole, slab = table.loc["all"], table.loc["worst slab"]
        interval = f"[{whole['conf_low']:.3f}, {whole['conf_high']:.3f}]"
        rows.append((name, f"{whole['coverage']:.3f}", interval, f"{slab['coverage']:.3f}", f"{whole['length']:.0f}"))
    compared = Table(
        ("method", "coverage", "95% interval", "worst slab", "mean size"),
        tuple(rows),
        title="Coverage of 2644 hours that no fit has seen, level 0.9",
    )
    return DemoSection(
        title="Conformal prediction: how many bikes in the next hour",
        intro=(
            "Sets that hold the number of rentals with a probability of 0.9 in finite samples, whatever the model (Capital "
            "Bikeshare, 2011). One width for all hours covers too often at night and too rarely in the rush hour; quantile "
            "regression and a model of the scale adapt it, at the same coverage on average."
        ),
        code=CODE,
        tables=(fits["cqr"].summary(), compared),
        figures=(
            (
                "Split conformal: coverage by hour.",
                lambda: fits["split"].plot("coverage", newdata=test, x="hr", bins=24),
            ),
            ("CQR: coverage by hour.", lambda: fits["cqr"].plot("coverage", newdata=test, x="hr", bins=24)),
            ("CQR: sets of 300 hours.", lambda: fits["cqr"].plot("band", newdata=test.head(300), x="hr")),
        ),
    )
