"""Whom to treat: rules learnt from doubly robust scores, and what they are worth on rows that did not choose them.

The score of each row is unbiased for its effect, so that a rule's gain over treating nobody is the mean of the scores, less the
cost, of those it treats (Athey and Wager 2021, Econometrica 89, arXiv 1702.02896). A rule looks good on the rows that it was
chosen by; its value here is that of rules learnt on other folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.effects.evaluation import Evaluation
from statinf.effects.projection import Projection, project_blocks
from statinf.errors import DataError, OptionError, check_level
from statinf.formula.recipe import Recipe
from statinf.frames import to_caller
from statinf.inference.distributions import two_sided_p
from statinf.numerics.trees.policy import PolicyNode, best_tree
from statinf.results import Result, Table, format_number, format_p, prediction_frame
from statinf.results.table import format_interval

if TYPE_CHECKING:
    from statinf.effects.heterogeneity import Heterogeneity

RULES = ("threshold", "tree")
NOBODY, EVERYBODY = "over treating nobody", "over treating everybody"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Policy(Result):
    """A rule of whom to treat, with its honest value.

    Attributes
    ----------
    rule : {"threshold", "tree"}
    treatment : str
    cost : float
        Of treating one row, in units of the outcome.
    values : mapping of str to Projection
        Mean gain per row over treating nobody, and over treating everybody, of rules that other folds chose.
    share : float
        Of the rows of the fit that the rule treats.
    tree : PolicyNode or None
    columns : tuple of str
        Columns of the tree.
    recipe : Recipe or None
        Makes them for new rows.
    fit : conditional effect or None
        Predicts the effects of new rows for "threshold"; not saved.
    """

    rule: str
    treatment: str
    cost: float
    values: dict[str, Projection]
    share: float
    tree: PolicyNode | None = None
    columns: tuple[str, ...] = ()
    recipe: Recipe | None = None
    fit: Any = field(default=None, metadata={"saved": False})

    beside = ("values", "share", "tree", "text")
    lacks = ("glance",)

    def tidy(self, level: float = 0.95) -> Any:
        """One row per comparison: term, estimate, std_error, statistic, p_value, conf_low, conf_high."""
        import pandas as pd

        return to_caller(pd.DataFrame(self._rows(level)), self.kind)

    def _rows(self, level: float) -> list[dict[str, Any]]:
        check_level(level)
        rows = []
        for name, one in self.values.items():
            low, high = one.conf_int(level).to_numpy()[0]
            estimate, error = float(one.theta[0]), float(one.std_errors.iloc[0])
            rows.append({"term": name, "estimate": estimate, "std_error": error})
            ratio = estimate / error if error > 0 else np.nan
            rows[-1] |= {"statistic": ratio, "p_value": float(two_sided_p(ratio, np.inf))}
            rows[-1] |= {"conf_low": float(low), "conf_high": float(high)}
        return rows

    @property
    def text(self) -> str:
        """The rule in words, one line per leaf."""
        if self.tree is None:
            return f"treat where the predicted effect is above {self.cost:g}"
        return "\n".join(_lines(self.tree, self.columns, ()))

    def predict(self, newdata: Any = None, *, interval: str | None = None) -> Any:
        """Whom the rule treats.

        Parameters
        ----------
        newdata : data frame
        interval : None
            There are none.

        Returns
        -------
        data frame
            A column `treat` of 0 and 1; missing where the rule's columns are.
        """
        if interval is not None:
            self.refuse(f"interval={interval!r}", "a rule's action has no error")
        if newdata is None:
            raise DataError("a rule keeps no rows; give newdata.")
        if self.tree is None:
            if self.fit is None:
                raise DataError("a saved rule on predicted effects has no learner left; make it again from the fit.")
            made = self.fit.predict(newdata)
            effect = np.asarray(made["estimate"], np.float64)
            treat = np.where(np.isnan(effect), np.nan, effect > self.cost)
            return to_caller(_like(made, treat), self.kind)
        assert self.recipe is not None
        rows = self.recipe.new_rows(newdata, roles=("covariates",), response=False)
        x = rows.part("covariates").rest.values
        return prediction_frame(rows, {"treat": np.where(rows.ok, self.tree.actions(np.nan_to_num(x)), np.nan)})

    def summary(self) -> Table:
        """What the rule gains, and the rule."""
        rows = tuple(
            (
                row["term"],
                *(format_number(row[c]) for c in ("estimate", "std_error")),
                format_p(row["p_value"]),
                format_interval(row["conf_low"], row["conf_high"]),
            )
            for row in self._rows(0.95)
        )
        first = next(iter(self.values.values()))
        facts = (
            ("Formula", self.formula),
            ("Observations", str(self.nobs)),
            ("Cost", format_number(self.cost)),
            ("Share treated", format_number(self.share)),
            *((k, format_number(v)) for k, v in first.facts.items()),
        )
        notes = (
            *(f"Rule: {line}." for line in self.text.split("\n")),
            f"Standard errors: {first.cov.label}.",
            f"Method: {self.citation}.",
        )
        heads = ("gain per row", "estimate", "std. error", "p", "95% interval")
        return Table(heads, rows, title=f"Policy for {self.treatment}: {self.rule}", facts=facts, notes=notes)


def _like(made: Any, treat: np.ndarray) -> Any:
    import pandas as pd

    return pd.DataFrame({"treat": treat}, index=getattr(made, "index", None))


def _lines(node: PolicyNode, names: Sequence[str], path: tuple[str, ...]) -> list[str]:
    if node.column < 0:
        return [f"{'treat' if node.treat else 'do not treat'}{' where ' + ' and '.join(path) if path else ''}"]
    assert node.left is not None and node.right is not None
    name = names[node.column]
    return _lines(node.left, names, (*path, f"{name} <= {node.cut:g}")) + _lines(
        node.right, names, (*path, f"{name} > {node.cut:g}")
    )


def learn_policy(
    fit: Heterogeneity, found: Evaluation, rule: str, cost: float, depth: int, min_rows: int, vcov: Any
) -> Policy:
    """The rule on all rows, and the value of rules that other folds chose; see `Heterogeneity.policy`."""
    learnt = fit._learnt()
    design, w = learnt.rows.design, learnt.sample.w
    covariates = design.part("covariates")
    assert covariates is not None
    x, names = covariates.rest.values, covariates.rest.names
    if rule == "tree" and not x.shape[1]:
        raise DataError("a tree needs covariates; the formula has none.")
    values = _values(fit, found, x, rule, cost, depth, min_rows, vcov)
    tree = None
    if rule == "tree":
        used = w > 0
        tree = best_tree(x[used], (w * (learnt.gamma - cost))[used], depth, min_rows)
        treat = tree.actions(x)
    else:
        treat = learnt.fitted > cost
    return Policy(
        method="policy",
        formula=design.recipe.formula,
        citation="Athey and Wager (2021), Policy learning with observational data, arXiv 1702.02896",
        nobs=int(np.count_nonzero(w)),
        kind=fit.kind,
        dropped=design.dropped,
        rule=rule,
        treatment=fit.treatment,
        cost=cost,
        values=values,
        share=float(np.average(treat, weights=w)),
        tree=tree,
        columns=names,
        recipe=design.recipe,
        fit=fit,
    )


def _values(
    fit: Heterogeneity, found: Evaluation, x: np.ndarray, rule: str, cost: float, depth: int, min_rows: int, vcov: Any
) -> dict[str, Projection]:
    """Gains of rules that other folds chose, over treating nobody and everybody."""
    learnt = fit._learnt()
    design, w, folds = learnt.rows.design, learnt.sample.w, learnt.how.folds
    assert folds is not None
    splits: dict[str, list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]]] = {NOBODY: [], EVERYBODY: []}
    for number, (gamma, blocks) in enumerate(zip(found.scores, found.splits, strict=True)):
        actions = [
            block.effect > cost
            if rule == "threshold"
            else _tree_actions(x, w * (gamma - cost), folds[number], block.rows, found.kind, w > 0, depth, min_rows)
            for block in blocks
        ]
        for name, against in ((NOBODY, 0.0), (EVERYBODY, 1.0)):
            splits[name].append(
                [
                    (b.rows, np.ones((len(b.rows), 1)), (treat - against) * (gamma[b.rows] - cost))
                    for b, treat in zip(blocks, actions, strict=True)
                ]
            )
    return {
        name: project_blocks(
            design,
            made,
            ("value",),
            vcov=fit._spec(vcov, "HC2"),
            heading=f"Value {name}",
            evaluation=found.kind,
            facts=found.facts,
        )
        for name, made in splits.items()
    }


def _tree_actions(
    x: np.ndarray,
    gain: np.ndarray,
    fold: np.ndarray,
    rows: np.ndarray,
    evaluation: str,
    used: np.ndarray,
    depth: int,
    min_rows: int,
) -> np.ndarray:
    """Actions on `rows` of trees that other folds chose: the folds before, or all others."""
    out = np.empty(len(rows), bool)
    for k in np.unique(fold[rows]):
        here = fold[rows] == k
        train = used & ((fold < k) if evaluation == "sequential" else (fold != k))
        out[here] = best_tree(x[train], gain[train], depth, min_rows).actions(x[rows[here]])
    return out


def check_rule(cost: Any, depth: Any, min_rows: Any) -> tuple[float, int, int]:
    """The numbers of a rule, or an `OptionError`."""
    if isinstance(cost, bool) or not isinstance(cost, int | float | np.number) or not np.isfinite(cost):
        raise OptionError(f"cost={cost!r} is not a number, in units of the outcome.")
    if isinstance(depth, bool) or depth not in (1, 2):
        raise OptionError(f"depth={depth!r} must be 1 or 2: deeper trees are not searched exactly.")
    if isinstance(min_rows, bool) or not isinstance(min_rows, int | np.integer) or min_rows < 1:
        raise OptionError(f"min_rows={min_rows!r} is not a whole number of at least 1.")
    return float(cost), int(depth), int(min_rows)
