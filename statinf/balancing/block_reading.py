"""A balancing formula read on a table in blocks: two arms, and moments of the columns in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.balancing.block_rows import ArmsOf
from statinf.balancing.columns import BalanceColumns, coded_factors
from statinf.balancing.treatment import MOST_ARMS, Treatment, arms_of_levels, treatment_column
from statinf.errors import DataError, FormulaError, OptionError
from statinf.formula.design import Design
from statinf.formula.frame import as_frame
from statinf.formula.mentioned import Mentioned
from statinf.formula.scan import check_text
from statinf.passes import BlockTable, PassDesign, read_passes
from statinf.passes.column_sums import ColumnSums
from statinf.passes.levels import is_declared


@dataclass(frozen=True)
class TwoArms:
    """Two arms of a table in blocks.

    Attributes
    ----------
    made : PassDesign
    treatment : Treatment
        Its levels and words; it holds no row.
    reads : ArmsOf
    treated, control : ColumnSums
        Of all columns but the constant, about `centre`.
    centre : ndarray, shape (p,)
    names, terms : tuple of str
    """

    made: PassDesign
    treatment: Treatment
    reads: ArmsOf
    treated: ColumnSums
    control: ColumnSums
    centre: np.ndarray
    names: tuple[str, ...]
    terms: tuple[str, ...]

    @property
    def both(self) -> ColumnSums:
        """Of all rows."""
        return self.treated.plus(self.control)

    def shown(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Names of the balance table's columns, and their combinations (m, p + 1) of the constant and the columns as given.

        Every level of a factor of three or more has one, as for rows in memory.
        """
        p = len(self.names)
        names, rows = list(self.names), [np.eye(1, p + 1, j + 1)[0] for j in range(p)]
        columns = BalanceColumns(np.zeros((1, p)), self.names, self.terms, np.zeros(p), np.ones(p))
        total = self.both.gram[:, 0]
        for factor in coded_factors(columns, self.made.recipe):
            base = np.zeros(p + 1)
            base[0], base[1 + factor.at] = 1.0, -1.0
            about = np.r_[1.0 - self.centre[factor.at].sum(), base[1:]]
            if len(factor.at) < 2 or not about @ total > 1e-9 * total[0]:
                continue
            place = names.index(self.names[int(factor.at[0])])
            names.insert(place, factor.base_name)
            rows.insert(place, base)
        return tuple(names), np.array(rows)


def read_arms(
    formula: str,
    table: BlockTable,
    *,
    treated: Any,
    reference: Any,
    dose: bool | None,
    **options: Any,
) -> TwoArms:
    """Read `treatment ~ covariates` on a table in blocks, and take the columns' moments in each arm.

    Raises
    ------
    DataError
        If the treatment does not vary.
    OptionError
        If it is a dose or has several arms, which need rows in memory.
    """
    mentioned = Mentioned(check_text(formula))
    first = table.first([c for c in table.names if c in mentioned] or table.names[:1])
    if first is None:
        raise DataError("the data have no rows.")
    head = as_frame(first)
    name, labelled, rest = treatment_column(formula, head)
    if dose:
        raise _needs_two(name, "is taken as a dose")
    if not labelled:
        made = read_passes(formula, table, **options)
        name = made.reading.outcome[0].label
    else:
        made = read_passes(f"~ {rest}", table, response="none", cluster=name, **options)
        if name in made.recipe.columns:
            raise FormulaError(f"the treatment '{name}' is among the covariates too; take it out of the right side.")
    opening = _first(made)
    opening.refuse_offset("balance of covariates takes")
    matrix = opening.parts[0].rest
    if matrix.p < 1:
        raise DataError("the formula has no covariates to balance; write 'treatment ~ x1 + x2'.")
    terms = [""] * matrix.p
    for term, where in matrix.terms.items():
        terms[where] = [term] * (where.stop - where.start)
    centre = matrix.values.mean(axis=0)
    label = name if labelled else None
    sums: Mapping[Any, ColumnSums] = made.total(partial(_by_arm, label, centre), "moments of the arms")
    levels, keys = _levels(made, head, name, labelled, sums)
    if not labelled and len(levels) > MOST_ARMS and dose is None:
        raise _needs_two(name, "has many values")
    treatment = arms_of_levels(levels, name, treated, reference)
    if treatment.kind != "two":
        raise _needs_two(name, f"has {len(levels)} arms")
    by_code = {int(code): key for code, key in zip(treatment.codes, keys, strict=True)}
    reads = ArmsOf(label, by_code[1], by_code[0])
    arms = {code: sums[key] for code, key in by_code.items()}
    return TwoArms(made, treatment, reads, arms[1], arms[0], centre, matrix.names, tuple(terms))


def _first(made: PassDesign) -> Design:
    found = made.head()
    if found is None:
        raise DataError("no row of the data can be used.")
    return found


def _needs_two(name: str, what: str) -> OptionError:
    return OptionError(
        f"the treatment '{name}' {what}; data that are read in blocks take two arms. Read the rows into memory for doses and "
        "several arms."
    )


def _by_arm(label: str | None, centre: np.ndarray, block: Design) -> dict[Any, ColumnSums]:
    seen = block.weights > 0
    values = (block.y if label is None else block.clusters[label])[seen]
    x, w = block.parts[0].rest.values[seen], block.weights[seen]
    found = np.unique(values)[: MOST_ARMS + 1]
    return {v.item(): ColumnSums.of(x[at], centre, w[at]) for v in found for at in (values == v,)}


def _levels(
    made: PassDesign, head: Any, name: str, labelled: bool, sums: Mapping[Any, ColumnSums]
) -> tuple[list[Any], list[Any]]:
    """Levels in their order, and the keys of their sums."""
    if not labelled:
        found = sorted(sums)
        return found, found
    values = list(made.clusters[name].values)
    present = {values[key]: key for key in sums}
    if is_declared(head, name):
        order = [v for v in head.categories(name).levels if v in present]
        order += [v for v in present if v not in set(order)]
    else:
        order = sorted(present)
    return order, [present[v] for v in order]


def about(columns: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Combinations of the constant and the columns as given, as ones of the columns about `centre`, and where these stand.

    Returns
    -------
    combinations : ndarray, shape (m, p + 1)
        Whose constant is left out.
    point : ndarray, shape (m,)
    """
    point = columns[:, 0] + columns[:, 1:] @ centre
    return np.column_stack([np.zeros(len(columns)), columns[:, 1:]]), point
