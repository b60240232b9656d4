"""`target_mean` on data that are read in blocks: an outcome model, a density ratio and their influence as sums over rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.inference.covariance import Covariance
from statinf.inference.effective import with_effective_degrees
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.models.glm_options import VerbOptions
from statinf.models.glm_passes import likelihood_rows
from statinf.numerics.glm.families import Family
from statinf.passes.block_weights import BlockWeights
from statinf.passes.covariance import PassScores
from statinf.results import Estimate
from statinf.shifts.block_given import GivenRatio, OwnRatio, TargetInfluence, check_given, refuse_ratio
from statinf.shifts.block_means import SourceScores, TargetScores, model_average, squares_of_target, weighted_average
from statinf.shifts.block_ratio import BlockDensityRatio
from statinf.shifts.block_ratio_sums import RatioWeights
from statinf.shifts.block_samples import BlockSamples, read_block_samples
from statinf.shifts.density_ratio_passes import named_ratio
from statinf.shifts.margins import Margins
from statinf.shifts.means import MODELS, check_linear
from statinf.shifts.overlap import TARGET_MEANS, judge_concentration
from statinf.shifts.problem import ShiftMethod
from statinf.shifts.target_mean_fit import TargetMean


def target_mean_passes(
    formula: str,
    tables: Any,
    margins: Margins | None,
    chosen: ShiftMethod,
    settings: Any,
    family: Family,
    *,
    ratio: Any,
    vcov: Any,
    cluster: Any,
    **reading: Any,
) -> TargetMean:
    """The mean of `si.target_mean` on tables in blocks; `reading` is as `read_block_samples` takes it."""
    if chosen.pooled:
        raise OptionError(
            f"method={chosen.name!r} pools effects of rows in memory; the means of data that are read in blocks are estimated by "
            "aipw, ipw, gcomp."
        )
    refuse_ratio(ratio)
    spec = VcovSpec.read(vcov, cluster, TargetMean.vcov_kinds)
    given = ratio if isinstance(ratio, BlockWeights) else None
    also = () if given is None else given.columns
    samples = read_block_samples(
        formula, tables, margins, response="numeric", cluster=cluster_columns(spec, cluster), also=also, **reading
    )
    weighting = None
    if chosen.power is not None:
        if given is not None:
            check_given(given, samples.source, samples.target)
            weighting = given
        else:
            assert not isinstance(ratio, BlockWeights)
            weighting = named_ratio(samples, ratio, formula=reading.get("ratio_formula") or formula)
        warn_uneven(
            weighting, 1, covered=TARGET_MEANS, advice="use fewer columns in ratio_formula=, or restrict the target"
        )
    model = VerbOptions(family=family.name, link=family.link.name) if chosen.name != "ipw" else None
    if model is not None:
        check_linear(samples.target.known is not None, family, offset=bool(samples.source.reading.offsets))
    estimate = _estimate(
        samples, weighting, model, normalize=getattr(settings, "normalize", True), given=given is not None
    )
    return TargetMean.of(samples.passage(formula), estimate, spec, method=chosen)


def warn_uneven(weighting: BlockWeights, coefficients: int, **words: str) -> None:
    """Warn where few rows carry the weight."""
    sums = weighting.sums
    judge_concentration(sums.rows - sums.zero, sums.ess_after, sums.largest / sums.total, coefficients, **words)


def _estimate(
    samples: BlockSamples, weighting: BlockWeights | None, options: VerbOptions | None, *, normalize: bool, given: bool
) -> Estimate:
    """The mean, with the covariance that counts both samples."""
    source = samples.source
    rows = None if options is None else likelihood_rows(source, options)
    model = None if rows is None else model_average(samples, rows)
    parts = {} if model is None else {"model over the target": model.value}
    weighted, influence = None, None
    if weighting is not None:
        assert isinstance(weighting.rule, RatioWeights) or given
        own = GivenRatio(weighting.carried) if given else OwnRatio(weighting.rule)  # type: ignore[arg-type]
        weighted = weighted_average(samples, own, rows, normalize=normalize)
        parts |= {"weighted mean" if rows is None else "weighted residual": weighted.value}
        influence = _on_target(weighting, given=given)
    there = TargetScores(model, influence, None if weighted is None else weighted.pull)
    squares = squares_of_target(samples, there)
    if weighted is not None and isinstance(weighted.ratio, GivenRatio):
        squares += weighted.ratio.left_out(source, weighted.pull)
    nobs = source.nobs
    scores = PassScores(
        source, SourceScores(model, weighted), np.eye(1), nobs, float(nobs - 1), normal=True, suffix=MODELS,
        beside=np.array([[squares]]),
    )  # fmt: skip
    return Estimate(
        terms=("mean",),
        theta=np.array([sum(parts.values())]),
        moments=None,
        nobs=nobs,
        df_resid=np.inf,
        facts=source.record,
        covary=partial(counted_covariance, scores, weighting is not None),
        extra={
            "ess": np.nan if weighting is None else weighting.ess,
            "parts": parts,
            "target_rows": samples.target.weighed,
        },
    )


def _on_target(weighting: BlockWeights, *, given: bool) -> TargetInfluence | None:
    """The influence of the target's rows on the ratio; None where they have none."""
    if not isinstance(weighting, BlockDensityRatio) or weighting.target.known is not None:
        return None
    return TargetInfluence(weighting.expand, weighting.target if given else None)


def counted_covariance(scores: PassScores, uneven: bool, kind: Any) -> Covariance:
    """The covariance; where weights are uneven, limits are those of a t law with the effective number of rows behind it."""
    found = scores.covariance(kind)
    if not uneven or isinstance(kind, Mapping) or kind == "iid":
        return found
    return with_effective_degrees(found, scores.effective_degrees())
