"""`target_shift`: weights for a shift of the outcome, a number or a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.errors import DataError, OptionError
from statinf.formula.design import kind_of_outcome
from statinf.formula.identity import RowIdentity
from statinf.formula.recipe import Recipe
from statinf.results import Table, Weights, format_number
from statinf.shifts.continuous import OutcomeRatio, check_outcome
from statinf.shifts.labels.making import label_shift
from statinf.shifts.labels.problem import LabelMethod
from statinf.shifts.labels.result import LabelShift
from statinf.shifts.reading import read_samples
from statinf.shifts.samples import left_out
from statinf.shifts.table import TARGET_SHIFT


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TargetShift(Weights):
    """Source rows weighted by an estimate of p_target(y) / p_source(y).

    Attributes
    ----------
    omega : ndarray, shape (n,)
        The ratio at the source outcomes; `values` is that times the row's own weight.
    rule : object
        The ratio as a function of the outcome.
    outcomes : ndarray, shape (n,)
    recipe : Recipe
    settings, facts : mapping
        Tuning constants, and numbers of the fit.
    clipped : float
        Share of source rows whose ratio was negative and set to zero.
    target : RowIdentity
        The rows of the target's frame.
    n_target : int
    dropped_target : mapping of str to int
    """

    omega: np.ndarray
    rule: Any
    outcomes: np.ndarray
    recipe: Recipe
    settings: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    clipped: float = 0.0
    n_target: int = 0
    dropped_target: Mapping[str, int] = field(default_factory=dict)
    target: RowIdentity | None = None

    beside = ("values", "ess", "at", "score")

    def at(self, y: Any) -> np.ndarray:
        """Omega at outcomes y, shape (k,); NaN so far from all source outcomes that nothing is known."""
        return self.rule.at(np.atleast_1d(np.asarray(y, dtype=np.float64)))

    def score(self, newdata: Any) -> np.ndarray:
        """Omega at the recorded outcomes of new rows, shape (rows,); NaN where the outcome is missing."""
        rows = self.recipe.new_rows(newdata, roles=(), response=True)
        assert rows.response is not None
        out = np.full(rows.n, np.nan)
        ok = np.isfinite(rows.response)
        out[ok] = self.rule.at(rows.response[ok])
        return out

    def summary(self) -> Table:
        """Sizes and range of the weights, with the tuning constants used or chosen."""
        v = self.values
        rows = [
            ("source rows", str(self.nobs)),
            ("target rows", str(self.n_target)),
            ("effective sample size", format_number(self.ess)),
            ("mean weight", format_number(float(v.sum() / self.nobs))),
            ("largest weight", format_number(float(v.max()))),
            ("share cut at zero", format_number(self.clipped)),
        ]
        rows += [(name, format_number(value)) for name, value in {**self.settings, **self.facts}.items()]
        notes = [f"Method: {self.citation}.", "Standard errors downstream take these weights as fixed."]
        notes += left_out(self.dropped, self.dropped_target)
        facts = (("Formula", self.formula), ("Estimand", self.estimand))
        return Table(
            ("weights", "value"), tuple(rows), title=f"Target shift: {self.method}", facts=facts, notes=tuple(notes)
        )

    def plot(self, **options: Any) -> Any:
        """Omega over the outcome, with the source outcomes; returns the matplotlib axes."""
        from statinf.plotting.shift import plot_omega

        grid = np.linspace(self.outcomes.min(), self.outcomes.max(), 200)
        return plot_omega(grid, self.at(grid), self.outcomes, **options)


@TARGET_SHIFT.document
def target_shift(
    formula: str,
    source: Any,
    target: Any,
    *,
    method: str | None = None,
    weights: Any = None,
    target_weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> TargetShift | LabelShift:
    """Estimate how the outcome's law moved from source to target, from covariates of the target alone.

    The law of the covariates given the outcome is assumed to be the same in both samples ("target shift", of classes "label
    shift"). The estimand is p_target(y) / p_source(y), of classes with the shares of the target.

    Parameters
    ----------
    formula : str
        `outcome ~ covariates`: the outcome that shifts, and the columns that reveal the shift. Of a number: with many
        covariates a prediction of the outcome from them can stand in their place. Of classes: the covariates of a model of
        the classes, or, with `learner="given"`, its predictions; write `C(y)` for more than two numbers that are classes.
    source, target : data frame
        As `statinf.lm` takes them; the target needs the covariates only.
    method : str, optional
        "retasa" or "kmm" for numbers, "bbse", "bbse-soft", "mlls" or "rlls" for classes; by default "retasa", and
        "bbse-soft" where the outcome holds categories or truth values.
    weights, target_weights : array or str, optional
        Sampling weights of either sample.
    cluster : str, sequence of str, or array of shape (source rows,), optional
        Clusters of the source, for standard errors of class shares; they stay whole within a fold.
    seed : int
        Of resamples and folds; the order of the rows does not matter.
    na_action, context
        As in `statinf.lm`.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        {methods}

    Returns
    -------
    TargetShift or LabelShift
        Goes into any verb as `weights=`. Standard errors count that weights of classes were estimated, and take those of
        numbers as fixed. Of classes: `shares`, a fit with the class shares of the target; `tidy()`, shares and weights with
        their standard errors; `specification_test()` of the assumption.

    Raises
    ------
    DataError
        If a column is constant, all weights are zero, a continuous outcome has few values, or a class too few rows.
    NotIdentifiedError
        If classes cannot be told apart.
    OptionError
        If an option is outside its domain or not one of the method's.

    References
    ----------
    Kim, Zhang, Zhao and Tian (2024), arXiv 2401.16410; Zhang, Schoelkopf, Muandet and Wang (2013), ICML 30; Lipton, Wang and
    Smola (2018), arXiv 1802.03916; Saerens, Latinne and Decaestecker (2002), Neural Computation 14; Azizzadenesheli, Liu, Yang
    and Anandkumar (2019), arXiv 1903.09734; Alexandari, Kundaje and Shrikumar (2020), arXiv 1901.06852.

    Examples
    --------
    Taller penguins are heavier; a target sample of heavy ones, known by its flippers alone:

    >>> import statinf as si
    >>> data = si.datasets.load("penguins").dropna()
    >>> heavy = data.sample(150, weights=data["body_mass_g"] ** 6, replace=True, random_state=1)
    >>> w = si.target_shift("body_mass_g ~ flipper_length_mm", data, heavy)
    >>> bool(w.at(5500) > 2 * w.at(3500))
    True

    Sexes of penguins, of which the target holds 40 females and 160 males, from two measures:

    >>> import pandas as pd
    >>> rows = [data[data["sex"] == s].sample(n, replace=True, random_state=1) for s, n in (("female", 40), ("male", 160))]
    >>> w = si.target_shift("sex ~ body_mass_g + bill_depth_mm", data, pd.concat(rows), method="mlls")
    >>> w.tidy()[["class", "source_share", "estimate", "std_error"]].round(3)
        class  source_share  estimate  std_error
    0  female         0.495     0.213      0.044
    1    male         0.505     0.787      0.044
    """
    chosen, settings = TARGET_SHIFT.read(method or _default(formula, source, context), options)
    check_seed(seed)
    read: dict[str, Any] = {
        "weights": weights, "target_weights": target_weights, "na_action": na_action, "context": context, "seed": seed,
    }  # fmt: skip
    if isinstance(chosen, LabelMethod):
        with reporting(progress):
            return label_shift(formula, source, target, chosen, settings, cluster, **read)
    if cluster is not None:
        raise OptionError(
            f"method={chosen.name!r} has no standard errors of its own; give cluster= to the verb that takes these weights."
        )
    samples = read_samples(formula, source, target, response="numeric", **read)
    samples.design.refuse_offset("comparisons of two samples take")
    check_outcome(samples)
    with reporting(progress):
        found: OutcomeRatio = chosen.estimate(samples, settings)
    omega = np.maximum(found.raw, 0.0)
    if not (omega > 0).any() or not np.isfinite(omega).all():
        raise DataError(
            "all weights are zero: the target's covariates look nothing like what any source outcome would bring. Check that "
            "the shift is one of the outcome, or use more regularisation."
        )
    made = samples.design
    omega = samples.on_source(omega)
    return TargetShift(
        method=chosen.name,
        formula=made.recipe.formula,
        citation=chosen.reference,
        nobs=len(samples.xs),
        values=made.weights * omega,
        used=made.rows,
        n_total=made.n_total,
        identity=made.identity,
        estimand="the target population",
        kind=made.kind,
        omega=omega,
        rule=found.rule,
        outcomes=made.y,
        recipe=made.recipe,
        settings=found.settings,
        facts=found.facts,
        clipped=float(np.mean(found.raw < 0)),
        n_target=len(samples.xt),
        dropped=made.dropped,
        dropped_target=samples.target.dropped,
        target=samples.target.identity,
    )


def _default(formula: Any, source: Any, context: Mapping[str, Any] | None) -> str:
    """The method where none was named, by what the outcome is."""
    classes = ("logical", "categories")
    return "bbse-soft" if kind_of_outcome(formula, source, context=context) in classes else "retasa"
