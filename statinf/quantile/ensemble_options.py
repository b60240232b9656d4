"""Options of `si.quantile_ensemble`."""

from __future__ import annotations

from dataclasses import dataclass

from statinf.errors import OptionError
from statinf.learners.quantile_objective import RESOLUTIONS
from statinf.numerics.order.monotone import KINDS as MONOTONE
from statinf.quantile.aggregation import MARGINS
from statinf.results import Options, choice, flag, number


@dataclass(frozen=True, kw_only=True)
class EnsembleOptions(Options):
    """Options of `si.quantile_ensemble`."""

    resolution: str = choice(
        "fine", RESOLUTIONS, "one weight per model; per model and level; or per model, its level and the output's level"
    )
    local: bool = flag(
        True, "weights that vary with the features, as the output of a network; otherwise constant weights"
    )
    noncrossing: str | None = choice(
        "sort",
        MONOTONE,
        "how predictions are made nondecreasing in the level; sorting and isotonic projection never increase the "
        "weighted interval score",
        none=True,
    )
    calibrate: str | None = choice(
        None,
        ("cqr", "cv+"),
        "conformal calibration of the intervals between levels t and 1 - t: on a quarter of the rows set aside ('cqr', "
        "coverage at least 1 - 2t), or by refitting the whole ensemble without each fold ('cv+', coverage at least "
        "1 - 4t - sqrt(2 / n), about 1 - 2t in practice)",
    )
    solver: str | None = choice(
        None,
        ("lp", "sgd"),
        "of constant weights: exact linear programme (the default), or stochastic gradients with the crossing penalty",
    )
    penalty: float = number(1.0, "weight of crossing levels in trained weights", low=0.0)
    margin: str = choice(
        "adapt",
        MARGINS,
        "whether the penalty asks levels to keep a distance, a hundredth of that of the residuals' quantiles",
    )

    def check(self) -> None:
        if self.local and self.solver == "lp":
            raise OptionError("solver='lp' is for constant weights; use local=False, or leave solver out.")

    @property
    def chosen_solver(self) -> str:
        return self.solver or ("sgd" if self.local else "lp")
