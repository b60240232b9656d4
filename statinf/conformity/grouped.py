"""Mondrian conformal prediction as a method of its own: split conformal with groups that must be named.

Vovk, Lindsay, Nouretdinov and Gammerman (2003). Every method that calibrates on held-out rows takes groups by `by=`;
this one refuses to go without.
"""

from __future__ import annotations

from statinf.conformity.problem import ConformalMethod
from statinf.conformity.split import SplitOptions, estimate

METHOD = ConformalMethod(
    verb="conformal",
    name="mondrian",
    estimate=estimate,
    options=SplitOptions,
    summary="split conformal prediction with one threshold per group",
    citation="Vovk, Lindsay, Nouretdinov, Gammerman (2003)",
    guarantee="P(covered | group) >= level",
    vignette="conformal-conditional",
    grouped=True,
    traits={"row order": "the split draws row numbers"},
)
