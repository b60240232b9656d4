"""Numbers from other software that the tests compare with; README.md tells where each comes from.

Relative imports only: with ``tests`` on the path (pytest's ``pythonpath = ["tests"]``) it is ``from reference
import cases``; with a ``tests/__init__.py`` it is ``from tests.reference import cases``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent
Kind = Literal["nist", "r_lm", "r_glm"]


@dataclass(frozen=True, eq=False)
class Case:
    """One reference record.

    Attributes
    ----------
    name, kind : str
        File name without its ending, and the folder.
    formula : str
        The model in statinf's grammar; ``offset(...)`` is part of it.
    weights, family, link : str or None
        Weight column, and family and link of a generalised linear model, in R's spelling (``Gamma``).
    record : mapping
        The whole file. Numbers are read-only float64 arrays (``nan`` where R has ``NA``), texts are tuples.
    """

    name: str
    kind: str
    formula: str
    weights: str | None
    family: str | None
    link: str | None
    record: Mapping[str, Any]

    def __str__(self) -> str:
        return self.name

    def __getitem__(self, key: str) -> Any:
        return self.record[key]

    def __contains__(self, key: str) -> bool:
        return key in self.record

    def get(self, key: str) -> tuple[Any, ...]:
        """A list of the record; empty where R has none."""
        return self.record.get(key) or ()

    @property
    def coefficients(self) -> np.ndarray:
        """Coefficients in the order of the design's columns, shape (p,); ``nan`` where aliased."""
        if self.kind == "nist":
            return self.record["certified"]["params"]
        return self.record["coefficients"]

    @property
    def estimable(self) -> np.ndarray:
        """Which columns are not aliased, shape (p,) bool: the rows and columns of every covariance."""
        return ~np.isnan(self.coefficients)

    def data(self) -> pd.DataFrame:
        """The data, a fresh frame."""
        if self.kind == "nist":
            return pd.DataFrame({name: np.array(column) for name, column in self.record["data"].items()})
        return pd.read_csv(FOLDER / "data" / self.record["data"])

    def newdata(self) -> pd.DataFrame:
        """The rows at which R predicted."""
        new = self.record["prediction"]["newdata"]
        like = self.data()
        frame = pd.DataFrame({name: list(column) for name, column in new.items()})
        whole = [c for c in frame if like[c].dtype.kind == "i" and not np.any(frame[c].to_numpy() % 1)]
        return frame.astype(dict.fromkeys(whole, "int64"))


def _freeze(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _freeze(item) for key, item in value.items()})
    if not isinstance(value, list):
        return value
    flat = [item for row in value for item in (row if isinstance(row, list) else [row])]
    if all(isinstance(item, bool) for item in flat) and flat:
        out = np.array(value)
    elif all(item is None or isinstance(item, (int, float)) for item in flat):
        out = np.array(value, dtype=np.float64)
    else:
        return tuple(_freeze(item) for item in value)
    out.flags.writeable = False
    return out


@cache
def cases(kind: Kind) -> tuple[Case, ...]:
    """All records of one kind, by name; parametrise with ``@pytest.mark.parametrize("case", cases(k), ids=str)``."""
    found = []
    for path in sorted((FOLDER / kind).glob("*.json")):
        record = json.loads(path.read_text())
        if kind == "nist":
            for values in (record["certified"], record["exact"]):
                for key, value in values.items():
                    values[key] = [float(v) for v in value] if isinstance(value, list) else float(value)
        texts = {key: record.get(key) for key in ("weights", "family", "link")}
        found.append(Case(path.stem, kind, record["formula"], **texts, record=_freeze(record)))
    return tuple(found)


def case(kind: Kind, name: str) -> Case:
    """One record by name."""
    return next(c for c in cases(kind) if c.name == name)
