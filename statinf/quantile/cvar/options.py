"""Options of `si.cvar`, and the loss that they name."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from statinf.errors import OptionError, one_of
from statinf.numerics.quantreg.bandwidth import BANDWIDTHS
from statinf.numerics.tails import losses
from statinf.numerics.tails.losses import Loss
from statinf.results import Options, choice, count, flag, number, value

LOSSES = ("absolute", "squared", "pinball", "logistic")


def check_loss(name: str, given: Any) -> Any:
    """A loss by name, or a callable."""
    return given if callable(given) else one_of(name, given, LOSSES)


def check_tail_level(level: Any) -> float:
    """A level in [0, 1): the share of losses that the worst ones leave out."""
    if not isinstance(level, Real) or isinstance(level, bool | np.bool_):
        raise OptionError(
            f"level={level!r} is not a number; give a share in [0, 1), such as 0.95 for the worst 5 percent."
        )
    if not 0.0 <= float(level) < 1.0:
        hint = f" Did you mean level={float(level) / 100:g}?" if 1.0 < float(level) < 100.0 else ""
        raise OptionError(f"level={level!r} is outside [0, 1); level=0.95 looks at the worst 5 percent.{hint}")
    return float(level)


@dataclass(frozen=True, kw_only=True)
class CvarOptions(Options):
    """What all methods share."""

    loss: Any = value(
        "absolute",
        "loss of a row: |r|, r^2/2, the check loss of r at `tau` (r the residual), the negative log-likelihood of a logit, "
        "or a function `loss(y, prediction)` written with jax.numpy",
        f"{', '.join(map(repr, LOSSES))}, or a callable",
        check_loss,
    )
    tau: float = number(0.5, "level of the pinball loss", low=0, high=1, open_low=True, open_high=True)
    allow_small: bool = flag(False, "fit though the worst share is less than one row")
    bandwidth: str = choice("hall-sheather", BANDWIDTHS, "rule for the window of the density of the losses at the VaR")

    def make_loss(self) -> Loss:
        """The loss that the options name."""
        if callable(self.loss):
            return losses.of_callable(self.loss)
        if self.loss == "pinball":
            return losses.pinball(self.tau)
        return {"absolute": losses.absolute, "squared": losses.squared, "logistic": losses.logistic}[self.loss]()


@dataclass(frozen=True, kw_only=True)
class ExactOptions(CvarOptions):
    """Options of the exact method."""

    tol: float = number(1e-8, "largest duality gap, relative to the CVaR", low=0, high=1, open_low=True)
    max_iter: int = count(400, "most Newton steps")


@dataclass(frozen=True, kw_only=True)
class CvarStreamOptions(CvarOptions):
    """Options of methods that see one row at a time."""

    lam: float = number(1.0, "first step size; steps fall with the root of their number", low=0, open_low=True)
    epochs: int = count(50, "passes over as many rows as there are, drawn with replacement")
    average: bool = flag(True, "average the iterates of the second half; False takes the last one")
