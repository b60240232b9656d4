"""Weightings side by side in one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.results.table import Table, format_number


def headings(names: Sequence[str] | None, default: Sequence[str], what: str) -> list[str]:
    """One heading for each column, as asked for or by default."""
    if names is None:
        return list(default)
    if isinstance(names, str) or len(names) != len(default) or not all(isinstance(n, str) for n in names):
        count = f"the text {names!r}" if isinstance(names, str) else f"{len(names)} entries"
        raise OptionError(f"names has {count} for {len(default)} {what}; give a list of one text for each.")
    return list(names)


def weightings(weights: Sequence[Any], names: Sequence[str] | None, digits: int) -> Table:
    """Standardised mean differences before and after several weightings, and the sizes they leave."""
    heads = headings(names, [w.method for w in weights], "weightings")
    missing = [w.method for w in weights if not hasattr(w, "balance_frame")]
    if missing:
        raise OptionError(f"weights of {', '.join(map(repr, missing))} have no balance table to put side by side.")
    if len({w.measure for w in weights}) > 1:
        raise OptionError("weights of a dose and of arms have different balance tables; put them in two tables.")
    measure = weights[0].measure
    frames = [w.compared().set_index("term") for w in weights]
    terms = list(dict.fromkeys(t for f in frames for t in f.index))
    rows = []
    for term in terms:
        before = next(f.loc[term, "before"] for f in frames if term in f.index)
        after = [_fixed(f.loc[term, "after"], digits) if term in f.index else "" for f in frames]
        rows.append((term, _fixed(before, digits), *after))
    cut = len(rows)
    most = [_fixed(f["after"].abs().max(), digits) for f in frames]
    rows.append((f"Largest |{measure}|", _fixed(frames[0]["before"].abs().max(), digits), *most))
    sizes = [w.sizes_frame() for w in weights]
    for k, label in enumerate(weights[0].size_labels()):
        after = [format_number(f["ess_after"].iloc[k], digits) if k < len(f) else "" for f in sizes]
        rows.append((label, format_number(sizes[0]["ess_before"].iloc[k], digits), *after))
    rows.append(("Estimand", "", *(w.estimand for w in weights)))
    kinds = list(dict.fromkeys(str(k) for f in frames for k in f["denominator"]))
    what = "Standardised mean differences" if measure == "SMD" else "Correlations with the dose"
    note = f"{what}; denominator: {', '.join(kinds)}."
    return Table(("term", "unweighted", *heads), tuple(rows), notes=(note,), rules=(cut,), kind=weights[0].kind)


def _fixed(value: Any, digits: int) -> str:
    return f"{round(float(value), digits) + 0.0:.{digits}f}" if np.isfinite(value) else format_number(value)
