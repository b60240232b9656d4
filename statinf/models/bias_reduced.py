"""Generalised linear models under Jeffreys' prior (Firth 1993; Heinze and Schemper 2002; Kosmidis and Firth 2009).

Estimates exist where outcomes are separated, and their bias is of a smaller order than that of maximum likelihood. The
covariance is the inverse of the Fisher information at the estimates, as in R's brglm2 (AS_mean); with few events profile
limits, `fit.conf_int(interval="profile")`, hold their level better than those made of standard errors.
"""

from __future__ import annotations

from statinf.formula.design import Design
from statinf.models.glm_options import VerbOptions
from statinf.models.glm_scoring import ScoredModel, check_outcomes, described, scoring
from statinf.models.row_counts import RowCounts
from statinf.numerics.glm.firth import fit_firth
from statinf.results import Estimate


def bias_reduced(made: Design, options: VerbOptions, rows: RowCounts) -> Estimate:
    """The estimate that maximises the likelihood times the root of the information's determinant."""
    family = options.model
    check_outcomes(made, family, rows)
    found = fit_firth(made.parts[0].values, made.y, family, **scoring(made, options))
    facts = {"Penalty": "Jeffreys' prior (Firth)"}
    solved = ScoredModel(family, found.glm, found.shift, {"jeffreys": found.penalty}, "firth", facts)
    return described(made, solved, rows)
