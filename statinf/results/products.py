"""Products of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError

if TYPE_CHECKING:
    from statinf.results.weights import Weights


def product(a: Weights, b: Weights) -> dict[str, Any]:
    """The fields of the product of two weights on the rows that both use; their estimation errors add up."""
    b = _beside(a, b)
    if a.n_total != b.n_total:
        raise DataError(
            f"weights on frames of {a.n_total} and {b.n_total} rows cannot be multiplied; make them on one frame."
        )
    used, ia, ib = np.intersect1d(a.used, b.used, return_indices=True)
    if len(used) == 0:
        raise DataError("the weights share no row.")
    if a.other_influence is not None or b.other_influence is not None:
        raise NotIdentifiedError("weights from a second sample cannot be multiplied with others.")
    va, vb = a.values[ia], b.values[ib]
    # Rows that only one of the two uses still moved its parameters: the union carries the influence.
    pieces = [(a, ia, vb), (b, ib, va)]
    known = [p for p in pieces if p[0].derivative is not None and p[0].influence is not None]
    derivative = influence = None
    if known:
        derivative = np.concatenate([w.derivative[i] * v[:, None] for w, i, v in known], axis=1)  # type: ignore[index]
        if all(len(w.used) == len(used) for w, _, _ in known):
            influence = np.concatenate([w.influence[i] for w, i, _ in known], axis=1)  # type: ignore[index]
        else:
            raise DataError(
                "the weights were estimated on different rows; estimate them on the same rows to multiply them."
            )
    return {
        "method": f"{a.method} x {b.method}",
        "formula": f"{a.formula}; {b.formula}",
        "citation": "; ".join(c for c in (a.citation, b.citation) if c),
        "nobs": len(used),
        "values": va * vb,
        "used": used,
        "n_total": a.n_total,
        "estimand": a.estimand,
        "derivative": derivative,
        "influence": influence,
        "kind": a.kind,
        "identity": a.identity,
    }


def _beside(a: Weights, b: Weights) -> Weights:
    """The second weights in the order of the first ones' rows."""
    frame = None if a.identity is None else a.identity.frame
    return b if frame is None or a.n_total != b.n_total else b.on(frame)
