"""`si.training_weights`: weights that train each arm's model on the rows of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.balancing.making import column_sets
from statinf.balancing.solution import Linear
from statinf.balancing.table import TRAINING_WEIGHTS
from statinf.balancing.training.options import TrainingOptions
from statinf.balancing.training.problem import TrainingProblem, TrainingSolution
from statinf.balancing.training.result import TrainingWeights
from statinf.balancing.treatment import Treatment, read_design
from statinf.errors import DataError, OptionError
from statinf.formula import Design, as_frame
from statinf.inference.clusters import intersect
from statinf.results import Method, Weights


@TRAINING_WEIGHTS.document
def training_weights(
    formula: str,
    data: Any,
    *,
    treated: Any = None,
    reference: Any = None,
    weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> TrainingWeights:
    """Weight the pooled rows of an A/B test so that each arm's model is trained as if the other arm did not exist.

    In a test whose arms feed one training set, each arm is served by a model that learnt from both, and the difference of means
    is not the effect of a launch. Trained with `w_treat`, a model sees the treated world's law of features, with `w_control` that
    of the control world, and both use all rows.

    Parameters
    ----------
    formula : str
        `arm ~ features` of the rows that models are trained on, not their responses: the response must have the same law given the
        features in both arms. Interactions and splines are written in the formula.
    data : data frame
        As `statinf.lm` takes it, one row per training example of either arm.
    treated, reference : object, optional
        The arm that counts as treated, and the other; as in `statinf.balance`.
    weights : array of shape (rows,) or str, optional
        Sampling weights. They are multiplied into the weights returned.
    cluster : str or sequence of str, optional
        Units, such as users, whose rows stay in one fold.
    seed : int
        Of the folds.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions that the formula uses by name.
    **options
        {methods}

    Returns
    -------
    TrainingWeights
        With `w_treat` and `w_control`, which go into any verb as `weights=`; with a logit the standard errors there count that
        chances are estimated. `diagnostics()` compares weighted means with the arm's own.

    Raises
    ------
    DataError
        If there are not two arms, or their observed share contradicts `share=` (a sample ratio mismatch).
    FormulaError, OptionError
        If the formula or an option cannot be used.

    References
    ----------
    Si (2023), arXiv 2310.17496.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("nsw")
    >>> made = si.training_weights("treat ~ age + educ + black + married", data)
    >>> made.tidy()[["arm", "rows", "ess"]].round(1)
      arm  rows    ess
    0   1   185  439.6
    1   0   260  442.2
    >>> trained = si.lm("re78 ~ age + educ", data, weights=made.w_treat)
    >>> trained.cov.label
    'HC0, weights estimated'
    """
    method, settings = TRAINING_WEIGHTS.read("", options)
    check_seed(seed)
    units = _names(cluster)
    design, treatment = read_design(
        formula,
        as_frame(data),
        treated=treated,
        reference=reference,
        dose=False,
        weights=weights,
        cluster=units,
        na_action=na_action,
        context=context,
    )
    if treatment.kind != "two":
        raise DataError(
            f"'{treatment.name}' has {len(treatment.levels)} arms ({', '.join(treatment.labels[:6])}); training weights are for "
            "two: leave the rows of others out."
        )
    present = design.weights > 0
    columns = column_sets(False, design, present, 1, False)
    s = design.weights[present]
    labels = treatment.labels
    codes = intersect([design.cluster_codes(name)[present] for name in units]) if units else None
    problem = TrainingProblem(
        columns.balanced.values, treatment.codes[present] == 1, s, (labels[0], labels[1]), codes, int(seed)
    )
    found = method.estimate(problem, settings)
    made = [_weights(k, found, design, treatment, present, formula, method) for k in (0, 1)]
    return TrainingWeights(
        method="training_weights",
        formula=formula.strip(),
        citation=method.reference,
        nobs=int(present.sum()),
        kind=design.kind,
        dropped=design.dropped,
        w_treat=made[0],
        w_control=made[1],
        present=present,
        chance=found.chance,
        treated=problem.treated,
        sampling=s,
        share=found.share,
        arms=problem.arms,
        learner=_learner_name(settings),
        clipped=found.clipped,
        folds=found.folds,
        columns=columns.shown,
    )


def _names(cluster: Any) -> list[str] | None:
    if cluster is None:
        return None
    names = [cluster] if isinstance(cluster, str) else cluster
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise OptionError("cluster= is the name of a column or a list of names; put other codes into the data first.")
    return list(names)


def _learner_name(settings: TrainingOptions) -> str:
    given = settings.learner
    return given if isinstance(given, str) else type(given).__name__


def _weights(
    k: int,
    found: TrainingSolution,
    design: Design,
    treatment: Treatment,
    present: np.ndarray,
    formula: str,
    method: Method,
) -> Weights:
    """The weights of one arm's model on all rows of the design, zero where rows have no weight."""

    def spread(values: np.ndarray) -> np.ndarray:
        out = np.zeros((len(present), *values.shape[1:]))
        out[present] = values
        return out

    expand = found.expand
    linear: Callable[[], Linear] | None = None if expand is None else cache(lambda: expand(k))
    return Weights(
        method="training_weights",
        formula=formula.strip(),
        citation=method.reference,
        nobs=int(present.sum()),
        values=spread(found.weights[k]),
        used=design.rows,
        n_total=design.n_total,
        identity=treatment.identity(design),
        estimand=f"{treatment.name} = {treatment.labels[1 - k]} everywhere",
        derivative=None if linear is None else lambda: spread(linear().derivative),
        influence=None if linear is None else lambda: spread(linear().influence),
        leverage=None if linear is None else lambda: spread(linear().leverage),
        kind=design.kind,
        dropped=design.dropped,
    )
