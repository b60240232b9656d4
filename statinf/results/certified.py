"""What simulations of coverage found, line by line, and the kinds of interval under which lines are kept.

The simulations are run by `python -m benchmarks.certify`, which writes what they found into `certificates.json` beside
this file. A line of it belongs to a fit if result, method and kind of interval are the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from statinf.results.protocol import Result

RECORDS = Path(__file__).with_name("certificates.json")
_MADE_OF = {"DidPath": "DidFit"}
"""Results whose intervals were simulated with those of what they are made of."""
_GIVEN = ("given",)
_WEIGHTED = ("weights estimated", "weights taken as fixed")
"""What labels say of weights that were estimated, and of those whose estimation is left out."""
_BAND = 3.29
"""Normal quantile of a share's band of 99.9%."""
_TOLERANCE = 0.005
"""Distance from the nominal coverage that counts as none, however many intervals were looked at."""


@dataclass(frozen=True)
class CertifiedLine:
    """One cell of the simulations.

    Attributes
    ----------
    verb : str
        As called, such as "lm".
    result, method, kind : str
        Class of the result, its method, and the kind of interval: what a fit is found by.
    quantity : str
        What the interval is for.
    design : str
        The data that were simulated.
    n : int
        Rows.
    samples : int
        Data sets that were drawn.
    level : float
        Nominal coverage.
    found : float
        Share of the samples whose interval held the truth; a mean over several intervals of a sample.
    error : float
        Its Monte Carlo standard error.
    failed : int
        Samples without an interval, because the fit was refused; not in the share.
    clusters : int
        Number of clusters, 0 where there are none.
    share : float
        Effective rows as a share of the rows, where weights carry one sample to another law; else 0.
    """

    verb: str
    result: str
    method: str
    kind: str
    quantity: str
    design: str
    n: int
    samples: int
    level: float
    found: float
    error: float
    failed: int = 0
    clusters: int = 0
    share: float = 0.0

    @property
    def verdict(self) -> str:
        """Whether the share "holds" within the simulation's error, or is "too low" or "too high"."""
        samples = max(self.samples, 1)
        single, nominal = (float(np.sqrt(p * (1.0 - p) / samples)) for p in (self.found, self.level))
        # The mean of several intervals a sample has an error of its own; of one interval it is that of a share whose
        # expectation is the level: the error of the share found would be the larger, the further below the level it lies.
        spread = self.error if self.error < 0.95 * single else nominal
        slack = max(_BAND * spread, _TOLERANCE)
        if self.found < self.level - slack:
            return "too low"
        return "too high" if self.found > self.level + slack else "holds"


def described(fit: Result) -> tuple[str, str, str]:
    """Class, method (with family and link) and kind of interval of a result: what simulations are kept under."""
    law = [str(found) for name in ("family", "link") if (found := getattr(fit, name, None)) is not None]
    found = getattr(fit, "penalty", None)
    penalty = [f"penalty {found}"] if isinstance(found, str) and found else []
    return (
        _MADE_OF.get(type(fit).__name__, type(fit).__name__),
        ", ".join([fit.method, *law, *penalty, *fit.certified_as]),
        interval_kind(fit),
    )


def _weighting(fit: Result) -> str:
    """Which weights a fit was given, where they are a result: how far its intervals reach depends on them.

    A density ratio that is the method's own work is told apart by the share of the rows that it leaves effective.
    """
    told = getattr(fit, "weighted", ())
    return "" if hasattr(fit, "ratio") or told in ((), _GIVEN) else ": " + ", ".join(told)


def weights_told(weights: Any) -> tuple[str, ...]:
    """The method of weights that are a result, and what it was asked for; "given" of others."""
    return (weights.method, *weights.certified_as) if isinstance(weights, Result) else _GIVEN


def interval_kind(fit: Result) -> str:
    """The kind of interval that a result gives: its covariance, its bootstrap, or the result's own."""
    covariance = getattr(fit, "cov", None)
    if covariance is None:
        return "prediction sets" if "coverage" in fit.offers else "its own"
    stacked = next((f", {said}{_weighting(fit)}" for said in _WEIGHTED if said in covariance.label), "")
    draws, chosen = getattr(fit, "draws", None), getattr(fit, "inference", "multiplier")
    if chosen != "multiplier":
        return f"{chosen}{stacked}"
    if draws is not None:
        return f"{draws.kind} bootstrap{stacked}"
    asked = covariance.kind
    if not isinstance(asked, Mapping):
        return f"{asked}{stacked}"
    if "cluster" not in asked:
        return f"{next(iter(asked))}{stacked}"
    several = not isinstance(asked["cluster"], str) and len(asked["cluster"]) > 1
    return f"{'several clusters' if several else 'clusters'}, {asked.get('type', 'HC1')}{stacked}"


@cache
def certified() -> tuple[CertifiedLine, ...]:
    """Every line of the simulations' record."""
    held = json.loads(RECORDS.read_text(encoding="utf-8"))
    designs = held["designs"]
    columns = held["columns"]
    lines = (dict(zip(columns, line, strict=True)) for line in held["lines"])
    return tuple(CertifiedLine(**(line | {"design": designs[line["design"]]})) for line in lines)


def recorded(lines: tuple[CertifiedLine, ...]) -> str:
    """Lines as the record holds them: designs once, and one line of text a line."""
    columns = [entry.name for entry in fields(CertifiedLine)]
    designs = list(dict.fromkeys(line.design for line in lines))
    rows = [[getattr(line, name) for name in columns] for line in lines]
    for row in rows:
        row[5] = designs.index(row[5])
    said = ",\n".join(json.dumps(row) for row in rows)
    return (
        f'{{"columns": {json.dumps(columns)},\n"designs": {json.dumps(designs, indent=0)},\n"lines": [\n{said}\n]}}\n'
    )
