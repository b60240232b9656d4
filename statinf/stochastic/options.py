"""What every verb of this family can be told about replicas, inference and rows, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import OptionError, one_of
from statinf.numerics.laws.multipliers import LAWS
from statinf.stochastic.covariance import default_lags
from statinf.stochastic.estimates import INFERENCE
from statinf.stochastic.regions import INTERVALS
from statinf.stochastic.state import Settings
from statinf.stochastic.tuning import UNKNOWN_LENGTH, Tuning


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options as a verb was given them.

    Raises
    ------
    OptionError
        For a value that cannot be used, naming the option.
    """

    replicas: int
    weights_law: str
    inference: str | Sequence[str]
    ci: str
    replica_start: str
    block_len: int
    lags: int | None
    na_action: str
    expected_rows: int | None
    seed: int

    def __post_init__(self) -> None:
        if not self._asked:
            raise OptionError("inference is empty; name at least one of " + ", ".join(map(repr, INFERENCE)) + ".")
        for name in self._asked:
            one_of("inference", name, INFERENCE)
        for option, least in (("replicas", 0), ("block_len", 1), ("lags", 0), ("expected_rows", 1)):
            value = getattr(self, option)
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if value is not None and not (whole and value >= least):
                raise OptionError(f"{option}={value!r} is not a whole number of at least {least}.")
        if self._asked[0] == "multiplier" and self.replicas == 1:
            raise OptionError("replicas=1 gives no interval; ask for 200 or more, or replicas=0 for the plug-in.")
        one_of("weights_law", self.weights_law, LAWS)
        one_of("ci", self.ci, INTERVALS)
        one_of("replica_start", self.replica_start, ("origin", "burnin"))
        one_of("na_action", self.na_action, ("drop", "raise"))
        check_seed(self.seed)

    @property
    def _asked(self) -> tuple[str, ...]:
        return (self.inference,) if isinstance(self.inference, str) else tuple(self.inference)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Kinds of inference, the first of them for tables; without replicas the plug-in takes their place."""
        if self.replicas:
            return self._asked
        return tuple(n for n in self._asked if n != "multiplier") or ("plugin",)

    @property
    def strict(self) -> bool:
        """Whether a row that cannot be used is an error."""
        return self.na_action == "raise"

    @property
    def power(self) -> float:
        """The default decay of the steps: random scaling needs steps that fall slowly."""
        return 0.505 if self.names[0] == "random-scaling" else 2 / 3

    def settings(
        self, d: int, tuned: Tuning, length: int | None, *, loss: str = "squared", tau: float = 0.5,
        temporal: bool = False,
    ) -> Settings:  # fmt: skip
        """Settings of a run of d coefficients over `length` rows, None where that is not known."""
        wide = default_lags(UNKNOWN_LENGTH if length is None else length)
        return Settings(
            d=d, c0=tuned.c0, k0=tuned.k0, power=tuned.power, burn_in=tuned.burn_in, replicas=self.replicas,
            law=self.weights_law, seed=self.seed, replica_start=self.replica_start, block_len=self.block_len, loss=loss,
            tau=tau, scale=tuned.scale, keep=tuple(n for n in self.names if n in ("hac", "batch-means", "random-scaling")),
            lags=(wide if self.lags is None else self.lags) if "hac" in self.names else 0, start=tuned.start,
            left=tuned.left, right=tuned.right, tolerance=tuned.tolerance, matrix=tuned.matrix, bound=tuned.bound,
            curvature=tuned.curvature, instruments=tuned.instruments, temporal=temporal,
        )  # fmt: skip
