"""Which level of a treatment is treated."""

from __future__ import annotations

import numpy as np
import pytest

from statinf.errors import OptionError
from statinf.formula.arms import order_note, treatment_levels


@pytest.mark.parametrize(
    ("treated", "reference"),
    [
        ("drug", "placebo"), ("drug", "Placebo"), ("active", "control"), ("treated", "untreated"), ("yes", "no"),
        ("Yes", "NO"), ("True", "False"), ("TRUE", "FALSE"), ("1", "0"), (1.0, 0.0), (2.0, 0.0), (-1.0, 0.0), ("b", "none"),
        ("a", ""), ("A", "Control group"), ("A", " CONTROLS "), ("exposed", "un-exposed"), ("exposed", "not_exposed"),
        ("insured", "uninsured"), ("smoker", "non-smoker"), ("y", "n"), ("T", "F"), ("T", "C"), ("treatment", "x"),
        ("A", "usual care"), ("A", "Never"), ("A", "sham"), (True, False), ("x", None),
    ],
)  # fmt: skip
def test_references_are_read_off_in_any_order_and_spelling(treated, reference):
    assert treatment_levels((treated, reference)) == (treated, reference, True)
    assert treatment_levels((reference, treated)) == (treated, reference, True)


@pytest.mark.parametrize(
    "pair", [("a", "b"), (1.0, 2.0), ("control", "placebo"), ("f", "m"), ("0.5 mg", "1 mg"), (-1.0, 1.0)]
)
def test_other_pairs_take_the_later_and_say_so(pair):
    assert treatment_levels(pair) == (pair[1], pair[0], False)


def test_a_level_can_be_chosen_by_value_or_text():
    assert treatment_levels(("a", "b"), treated="a") == ("a", "b", True)
    assert treatment_levels(("a", "b"), reference="b") == ("a", "b", True)
    assert treatment_levels(("drug", "placebo"), treated="Placebo") == ("placebo", "drug", True)
    assert treatment_levels((0.0, 1.0), treated=0) == (0.0, 1.0, True)
    assert treatment_levels((0.0, 1.0), treated="0") == (0.0, 1.0, True)
    assert treatment_levels((0.0, 1.0), treated=False) == (0.0, 1.0, True)
    assert treatment_levels(("0", "1"), treated=np.int64(0)) == ("0", "1", True)
    assert treatment_levels(("a", "b"), treated="b", reference="a") == ("b", "a", True)


def test_several_levels():
    assert treatment_levels(("a", "b", "control")) == (None, "control", True)
    assert treatment_levels(("a", "b", "c")) == (None, "a", False)
    assert treatment_levels(("a", "b", "c"), treated="a") == ("a", "b", False)
    assert treatment_levels(("a", "b", "c"), treated="a", reference="c") == ("a", "c", True)
    assert treatment_levels(("control", "b", "c"), treated="control") == ("control", "b", False)


def test_unknown_levels_are_refused():
    with pytest.raises(
        OptionError, match=r"treated='drgu' is not a level of 'arm'.*'drug', 'placebo'.*Did you mean 'drug'"
    ):
        treatment_levels(("drug", "placebo"), treated="drgu", name="arm")
    with pytest.raises(OptionError, match="reference=2"):
        treatment_levels((0.0, 1.0), reference=2)
    with pytest.raises(OptionError, match="both name 'a'"):
        treatment_levels(("a", "b"), treated="a", reference="a")
    with pytest.raises(OptionError, match="treated=nan"):
        treatment_levels((0.0, 1.0), treated=float("nan"))
    with pytest.raises(OptionError, match=r"treated=array"):
        treatment_levels((0.0, 1.0), treated=np.array([0.0, 1.0]))


def test_note():
    assert order_note("arm", "b", "a").startswith("Treated is arm = 'b', the later of its two levels")
