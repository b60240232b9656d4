"""Some of the rows of a design."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from statinf.formula.design import Design
from statinf.formula.given import without_gaps
from statinf.formula.matrix import Matrix


def subset(made: Design, keep: np.ndarray) -> Design:
    """The design on some of its rows."""

    def some(values: Any) -> Any:
        return None if values is None else values[keep]

    return replace(
        made,
        response=some(made.response),
        parts=tuple(Matrix(np.asfortranarray(m.values[keep]), m.names, m.terms, m.intercept) for m in made.parts),
        weights=made.weights[keep],
        offset=some(made.offset),
        clusters={name: without_gaps(codes[keep]) for name, codes in made.clusters.items()},
        rows=made.rows[keep],
    )
