"""`shift` on data that are read in blocks: likelihood on the source, as it stands or weighted by a density ratio."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.formula.design import Design
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.models.glm_options import VerbOptions
from statinf.models.glm_pass_sums import LikelihoodRows
from statinf.models.glm_passes import FittedPasses, fitted
from statinf.numerics.glm.families import Family
from statinf.passes import PassDesign
from statinf.passes.block_weights import BlockWeights, weights_of_block
from statinf.passes.design import Tally
from statinf.passes.sums import Triangle
from statinf.shifts.block_given import check_given, refuse_ratio
from statinf.shifts.block_samples import BlockSamples, read_block_samples
from statinf.shifts.density_ratio_passes import named_ratio
from statinf.shifts.information import relative_trace, square
from statinf.shifts.margins import Margins
from statinf.shifts.problem import ShiftMethod
from statinf.shifts.shift_fit import ShiftFit
from statinf.shifts.target_mean_passes import counted_covariance, warn_uneven

METHODS = ("mle", "mwle")


@dataclass(frozen=True, repr=False)
class ReweightedPasses(PassDesign):
    """A source whose rows are weighted by a ratio that was estimated on them: the ratio's columns are read with the others.

    Attributes
    ----------
    plain : PassDesign
        With sampling weights.
    """

    plain: Any = None

    @classmethod
    def of(cls, plain: PassDesign, ratio: BlockWeights) -> ReweightedPasses:
        """The source under the ratio."""
        held: dict[str, Any] = {f.name: getattr(plain, f.name) for f in fields(PassDesign)}
        held["tally"] = replace(plain.tally, positive=ratio.sums.rows - ratio.sums.zero)
        held["weights"] = ratio
        return cls(**held, plain=plain)

    @property
    def carried(self) -> ReweightedPasses:
        """What makes a block's design, without the table."""
        made = super().carried
        assert isinstance(made, ReweightedPasses)
        return replace(made, plain=self.plain.carried)

    def counted(self, native: Any) -> tuple[Design | None, Tally]:
        """The design of one block, and its rows counted."""
        block, tally = replace(self.plain, clusters=self.clusters, columns=self.columns).counted(native)
        if block is None:
            return None, tally
        held = self.weights
        weights = weights_of_block(held.rule, block, method=held.method, formula=held.formula, n_total=block.n_total)
        made = replace(block, weights=np.array(weights.values), weights_object=weights)
        return made, replace(tally, positive=int(np.count_nonzero(weights.values > 0)))


def shift_passes(
    formula: str,
    tables: Any,
    margins: Margins | None,
    chosen: ShiftMethod,
    spec: VcovSpec,
    family: Family,
    *,
    ratio: Any,
    power: float | None,
    cluster: Any,
    **reading: Any,
) -> ShiftFit:
    """The fit of `si.shift` on tables in blocks; `reading` is as `read_block_samples` takes it."""
    if chosen.name not in METHODS:
        raise OptionError(
            f"method={chosen.name!r} looks at all rows at once and needs them in memory; regressions for a target of data that are "
            f"read in blocks are {' and '.join(METHODS)}."
        )
    refuse_ratio(ratio)
    given = ratio if isinstance(ratio, BlockWeights) and power is not None else None
    if given is not None:
        reading["weights"] = given
    columns = cluster_columns(spec, cluster)
    samples = read_block_samples(formula, tables, margins, response="numeric", cluster=columns, **reading)
    made, weighting = samples.source, given
    if given is not None:
        check_given(given, made, samples.target)
    elif power is not None:
        assert not isinstance(ratio, BlockWeights)
        weighting = named_ratio(samples, ratio, power, formula=reading.get("ratio_formula") or formula)
        made = ReweightedPasses.of(made, weighting)
    found = fitted(made, VerbOptions(family=family.name, link=family.link.name))
    estimate = found.estimate
    if weighting is not None:
        warn_uneven(weighting, int(np.count_nonzero(~np.isnan(estimate.theta))))
        estimate = replace(estimate, covary=partial(counted_covariance, found.scores, True))
    extra = {
        "ratio": weighting,
        "target_rows": samples.target.weighed,
        "inflation": _inflation(samples, found, unweighted=given is not None),
    }
    estimate = replace(estimate, facts=made.record, extra=dict(estimate.extra) | extra)
    return ShiftFit.of(samples.passage(formula), estimate, spec, method=chosen, cluster=cluster)


def _inflation(samples: BlockSamples, found: FittedPasses, *, unweighted: bool) -> float:
    """The target's information by the source's, per coefficient; a pass over each. NaN for known margins."""
    if samples.target.known is not None:
        return float("nan")
    there, here = (
        made.total(partial(_information, found.rows, one), "information")
        for made, one in ((samples.target, False), (samples.source, unweighted))
    )
    of, by = (square(triangle.factor / np.sqrt(mass)) for triangle, mass in (there, here))
    return relative_trace(of, by) / len(by)


def _information(rows: LikelihoodRows, unweighted: bool, block: Design) -> tuple[Triangle, float]:
    """The triangular factor of one block's information at dispersion one, and the sum of weights."""
    x, eta = rows.predictor(block)
    family = rows.problem.model.family
    w = np.ones(block.n) if unweighted else block.weights
    with np.errstate(all="ignore"):
        each = w * family.terms(eta, family.link.inverse(eta))[1]
    each[w == 0] = 0.0
    return Triangle.of(x * np.sqrt(each)[:, None]), float(w.sum())
