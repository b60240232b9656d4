"""Options that the methods of `si.cate` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from statinf.effects.options import LEARNER, ClipOptions, OutcomeModelOptions, PropensityOptions, learner_for
from statinf.effects.pseudo import PSEUDO, WEIGHTING
from statinf.results.options import choice, value


@dataclass(frozen=True, kw_only=True)
class CateOptions(ClipOptions, OutcomeModelOptions, PropensityOptions):
    """Options of every conditional effect: its evaluation needs outcome and treatment models, whatever the learner."""

    final: Any = value(None, "learner of the second stage: least squares by default", LEARNER, learner_for("mean"))


@dataclass(frozen=True, kw_only=True)
class PairOptions(CateOptions):
    """Options of methods whose pseudo-outcome and weight may be replaced."""

    pseudo: str | None = choice(None, PSEUDO, "another pseudo-outcome than the method's own")
    weighting: str | None = choice(
        None,
        WEIGHTING,
        "another weight than the method's own: 1, e(1 - e), (A - e)^2, A e^2 + (1 - A)(1 - e)^2 (which gives up robustness "
        "to a wrong outcome model), or the inverse variance of 'u' given the covariates",
    )
