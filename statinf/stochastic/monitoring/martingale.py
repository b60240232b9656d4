"""Conformal test martingales: conformal p-values of nonconformity scores, and a bet against their being uniform.

Vovk, Nouretdinov and Gammerman (2003, ICML); Fedorova, Gammerman, Nouretdinov and Vovk (2012, arXiv 1204.3251); Volkhonskiy
et al. (2017, arXiv 1706.03415) for scores of a model learnt beforehand; Vovk et al. (2021, arXiv 2102.10439) for the simple
jumper. The first half of the burn-in teaches the model, its second half gives the first scores. While rows are
exchangeable, p-values (ties broken at random) are independent and uniform, the capital of the bet is a martingale, and it
ever passes 1 / (1 - level) with a probability of at most 1 - level (Ville), at every length of the stream and in any
model. `statistic="cusum"` and `"shiryaev-roberts"` forget what was lost before a change: their alarms are false at most once
in `run_length` rows on average.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import qr

from statinf.backend import generator
from statinf.brief import Brief
from statinf.errors import DataError, OptionError
from statinf.formula.in_time import OnlineRows
from statinf.inference.betting import cusum_of, jumper, mixture, power, shiryaev_roberts_of
from statinf.inference.exchangeability import growing_p_values, log_martingale
from statinf.numerics.linear.triangular import solve_triangular
from statinf.results import Method, choice, number
from statinf.stochastic.monitoring.detector import AlarmOptions, Findings, MonitorProblem, crossed
from statinf.stochastic.monitoring.reference import Reference, combined, learn

_STREAM = 83
BETS = {"histogram": log_martingale, "jumper": jumper, "power": power, "mixture": mixture}
STATISTICS = {"martingale": np.asarray, "cusum": cusum_of, "shiryaev-roberts": shiryaev_roberts_of}


@dataclass(frozen=True, kw_only=True)
class MartingaleOptions(AlarmOptions):
    """Options of the conformal test martingale."""

    score: str = choice(
        "absolute",
        ("absolute", "signed"),
        "how strange a row is: the size of its Pearson residual (without an outcome its distance from the mean), or the "
        "residual with its sign",
    )
    betting: str = choice(
        "histogram",
        tuple(BETS),
        "the density that is bet on: histograms of past p-values, the simple jumper, the power .92, a mixture of powers",
    )
    statistic: str = choice(
        "martingale", tuple(STATISTICS), "the martingale itself, or what grows from it since the row that suits best"
    )
    run_length: float = number(
        1000.0,
        "mean rows to a false alarm, at least; of statistic='cusum' and 'shiryaev-roberts', which take no level",
        low=1,
        open_low=True,
    )

    def check(self) -> None:
        """Refuse a false alarm rate of the other kind of statistic, which would go unused."""
        if self.statistic == "martingale" and self.run_length != type(self).run_length:
            raise OptionError(
                f"run_length={self.run_length:g} is of statistic='cusum' and 'shiryaev-roberts'; statistic='martingale' takes "
                "level=, one less the probability of a false alarm."
            )
        if self.statistic != "martingale" and self.level != type(self).level:
            raise OptionError(
                f"level={self.level:g} is of statistic='martingale'; statistic={self.statistic!r} takes run_length=, the mean "
                "number of rows to a false alarm."
            )

    @property
    def guarantee(self) -> str:
        """What is known of false alarms, where it is not the method's; else empty."""
        if self.statistic == "martingale":
            return ""
        return (
            f"while rows are exchangeable a false alarm takes at least run_length = {self.run_length:g} rows on average"
        )


@dataclass(frozen=True, repr=False)
class Martingale(Brief):
    """The bag of scores and the p-values so far.

    Attributes
    ----------
    reference : Reference
    white : ndarray, shape (q, q)
        For distances of covariates; empty with an outcome.
    bag : ndarray, shape (n,)
        Scores of the second half of the first rows, and of all rows since.
    p_values : ndarray, shape (k,)
    settings : MartingaleOptions
    seed : tuple of int
    alarmed : bool
    """

    reference: Reference
    white: np.ndarray
    bag: np.ndarray
    p_values: np.ndarray
    settings: MartingaleOptions
    seed: tuple[int, int]
    alarmed: bool = False

    @property
    def threshold(self) -> float:
        """What the statistic must reach."""
        s = self.settings
        return 1.0 / (1.0 - s.level) if s.statistic == "martingale" else s.run_length

    def scored(self, rows: OnlineRows) -> np.ndarray:
        """How strange rows are, shape (n,)."""
        if self.reference.family:
            found = self.reference.residuals(rows.X, rows.y, pearson=True)
        else:
            found = combined(self.reference.scores(rows.X, rows.y), self.white)
            found = np.sqrt((found**2).sum(axis=1)) if self.settings.score == "absolute" else found[:, 0]
        found = np.abs(found) if self.settings.score == "absolute" else found
        if not np.isfinite(found).all():
            raise DataError("the scores of some rows are not finite; take other units.")

        return found

    def advance(self, rows: OnlineRows) -> tuple[Martingale, Findings]:
        """See `ChangeDetector.advance`."""
        scores = self.scored(rows)
        done = len(self.p_values)
        draws = generator(self.seed[0], _STREAM, self.seed[1]).random(done + len(rows))[done:]
        new = growing_p_values(self.bag, scores, draws)
        p_values = np.concatenate([self.p_values, new])
        logs = BETS[self.settings.betting](p_values)
        found = STATISTICS[self.settings.statistic](logs)[done:] / np.log(10.0)
        limit = np.full(len(rows), np.log10(self.threshold))
        alarm = crossed(found >= limit, self.alarmed)
        after = replace(
            self, bag=np.concatenate([self.bag, scores]), p_values=p_values, alarmed=self.alarmed or bool(alarm.any())
        )
        return after, Findings(np.arange(len(rows)), found, limit, alarm, {"p_value": new})

    def facts(self) -> Mapping[str, str]:
        """See `ChangeDetector.facts`."""
        s = self.settings
        return {"Bet": s.betting, "Statistic": f"log10 of {s.statistic}", "Threshold": f"{self.threshold:g}"}

    def notes(self) -> Sequence[str]:
        """See `ChangeDetector.notes`."""
        return []


def estimate(problem: MonitorProblem, options: MartingaleOptions) -> Martingale:
    """The state after the first rows."""
    half = (len(problem.rows) + 1) // 2
    first = replace(problem, rows=problem.rows[:half])
    reference = learn(first, options.family)
    white = np.zeros((0, 0))
    if not problem.outcome:
        scores = reference.scores(first.rows.X, first.rows.y)
        if options.score == "signed" and scores.shape[1] != 1:
            raise OptionError(
                f"score='signed' has no meaning for {scores.shape[1]} columns; leave it out, or name one column."
            )
        R = np.asarray(qr(scores, mode="r")[0])[: scores.shape[1]]
        ends = np.abs(np.diag(R))
        if ends.min() <= 1e-7 * ends.max():
            raise DataError("the columns of the first rows are collinear; leave one out, or raise burn_in=.")
        white = solve_triangular(R, np.eye(len(R))) * np.sqrt(half - 1.0)
    made = Martingale(reference, white, np.zeros(0), np.zeros(0), options, (problem.seed, problem.segment))
    return replace(made, bag=made.scored(problem.rows[half:]))


METHOD = Method(
    verb="monitor",
    name="martingale",
    estimate=estimate,
    options=MartingaleOptions,
    summary="a bet against conformal p-values being uniform, with an alarm once it has earned enough",
    citation="Vovk et al. (2021); Volkhonskiy et al. (2017)",
    arxiv="2102.10439",
    guarantee="while rows are exchangeable the martingale ever gives alarm with a probability of at most 1 - level (Ville)",
    vignette="monitoring",
)
