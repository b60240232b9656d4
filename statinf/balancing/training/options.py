"""Options of `si.training_weights`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from statinf.learners.registry import resolve
from statinf.results import Options, count, flag, number, value


def _learns(name: str, given: Any) -> Any:
    resolve(given, "probability", name)
    return given


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(Options):
    """Options of training weights."""

    share: float | None = number(
        None, "share of the treated arm by design; None takes what was observed", low=0, high=1, open_low=True,
        open_high=True, also=(None,),
    )  # fmt: skip
    learner: Any = value(
        "logit", "learner of the chance that a row comes from the treated arm",
        "a learner's name, or an object with fit and predict", _learns,
    )  # fmt: skip
    folds: int | None = count(
        None, "folds, each row's chance from the others; 1 for none; None is 1 for a logit, whose estimation the errors count, "
        "and 2 for other learners", low=1, also=(None,),
    )  # fmt: skip
    clip: float = number(0.01, "chances are moved into [clip, 1 - clip]", low=0, high=0.5, open_high=True)
    progress: bool | None = flag(None, "a bar; None shows one where work takes seconds")
