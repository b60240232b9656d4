"""What a run of a stream can be told about replicas, inference, steps and rows, checked before any row is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from statinf.errors import OptionError, one_of
from statinf.numerics.laws.multipliers import LAWS
from statinf.results.options import Options, choice, count, value
from statinf.stochastic.covariance import INFERENCE, default_lags
from statinf.stochastic.regions import KINDS
from statinf.stochastic.settings import Settings
from statinf.stochastic.tuning import UNKNOWN_LENGTH, Tuning, check_step


def _check_inference(name: str, given: Any) -> tuple[str, ...]:
    asked = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    if not asked:
        raise OptionError(f"{name} is empty; name at least one of " + ", ".join(map(repr, INFERENCE)) + ".")
    for kind in asked:
        one_of(name, kind, INFERENCE)
    return asked


def check_step_option(name: str, given: Any) -> Any:
    """Constants of the steps, as a mapping."""
    if not isinstance(given, Mapping):
        raise OptionError(f"{name}={given!r} is not a mapping with any of 'c0', 'k0' and 'power'.")
    check_step(given)
    return given


def _check_levels(name: str, given: Any) -> Any:
    if not isinstance(given, Mapping):
        raise OptionError(f"{name}={given!r} is not a mapping from columns to their levels.")
    return given


@dataclass(frozen=True, kw_only=True)
class StreamOptions(Options):
    """Options of every run over a stream."""

    levels: Any = value(
        None, "all levels of columns of categories whose first rows may lack some", "a mapping, or None", _check_levels
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions(StreamOptions):
    """Options of an averaged recursion with replicas."""

    lags: int | None = count(None, 'lags of inference="hac"; None: by the number of rows', low=0, also=(None,))
    expected_rows: int | None = count(
        None, "rows that will come in all, those of later updates too, for default steps and burn-in", also=(None,)
    )
    replicas: int = count(1000, "multiplier replicas; 0 for none", low=0)
    step: Any = value(
        None, "steps c0 / (k0 + k)^power; what is not given is scaled to the first rows",
        "a mapping with any of 'c0', 'k0', 'power', or None", check_step_option,
    )  # fmt: skip
    burn_in: Any = value(None, "rows before the average starts", "a count, a share below 1, or None")
    law: str = choice("mammen", LAWS, "law of the multipliers")
    inference: Any = value(
        None, "the first is for tables, the others for `with_vcov`; the plug-in always is there",
        "any of " + ", ".join(map(repr, INFERENCE)), _check_inference,
    )  # fmt: skip
    ci: str = choice("symmetric", KINDS, "interval of the replicas, or one that holds at every look (sequential)")
    look: int | None = count(
        None, 'averaged rows at which ci="sequential" is narrowest; None: all that are expected', also=(None,)
    )
    replica_start: str = choice(
        "origin", ("origin", "burnin"),
        "whether multipliers act from the first row or from the end of the burn-in, which is too short unless n is large",
    )  # fmt: skip
    block_len: int = count(1, "consecutive rows that share a multiplier")
    start: Any = value(None, "first iterate; a fit to the first rows by default", "an array of q numbers, or None")

    def check(self) -> None:
        """Refuse one replica where replicas are the first inference."""
        if self.replicas == 1 and (self.inference or ("multiplier",))[0] == "multiplier":
            raise OptionError("replicas=1 gives no interval; ask for 200 or more, or replicas=0 for the plug-in.")

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of inference, the first of them for tables; without replicas the plug-in takes their place."""
        asked = self.inference or ("multiplier",)
        if self.replicas:
            return asked
        return tuple(n for n in asked if n != "multiplier") or ("plugin",)

    @property
    def power(self) -> float:
        """The default decay of the steps: random scaling needs steps that fall slowly."""
        return 0.505 if self.kinds[0] == "random-scaling" else 2 / 3

    def settings(
        self, d: int, tuned: Tuning, length: int | None, seed: int, *, loss: str = "squared", tau: float = 0.5,
        temporal: bool = False, along: bool = False,
    ) -> Settings:  # fmt: skip
        """Settings of a run of d coefficients over `length` rows, None where that is not known."""
        expected = UNKNOWN_LENGTH if length is None else length
        wide = default_lags(expected)
        return Settings(
            d=d, c0=tuned.c0, k0=tuned.k0, power=tuned.power, burn_in=tuned.burn_in, replicas=self.replicas, law=self.law,
            seed=seed, replica_start=self.replica_start, block_len=self.block_len, loss=loss, tau=tau, scale=tuned.scale,
            keep=tuple(n for n in self.kinds if n in ("hac", "batch-means", "random-scaling")),
            lags=(wide if self.lags is None else self.lags) if "hac" in self.kinds else 0, start=tuned.start,
            left=tuned.left, right=tuned.right, tolerance=tuned.tolerance, matrix=tuned.matrix, bound=tuned.bound,
            curvature=tuned.curvature, instruments=tuned.instruments, temporal=temporal, along=along,
            look=max(expected - tuned.burn_in, 1) if self.look is None else self.look,
        )  # fmt: skip
