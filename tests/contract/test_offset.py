"""An offset is used or refused: a verb that has no place for one says so."""

from __future__ import annotations

from functools import partial

import pytest

import statinf as si
from contract.verbs import DATA, TARGET

READ = {
    "balance": partial(si.balance, "t ~ x + offset(z)", DATA),
    "balance, blocks": lambda: si.balance("t ~ x + offset(z)", si.blocks(lambda: iter([DATA]))),
    "balance, labels": lambda: si.balance("t ~ x + offset(z)", DATA.assign(t=DATA["t"].map({0: "no", 1: "yes"}))),
    "balance_table": partial(si.balance_table, "t ~ x + offset(z)", DATA),
    "conditional_shift_test": partial(si.conditional_shift_test, "x ~ z + offset(y)", DATA, TARGET),
    "density_ratio": partial(si.density_ratio, "~ x + offset(z)", DATA, TARGET),
    "density_ratio, blocks": lambda: si.density_ratio("~ x + offset(z)", si.blocks(lambda: iter([DATA])), TARGET),
    "quantile_ensemble": partial(si.quantile_ensemble, "y ~ x + offset(z)", DATA, models=["rq"], local=False),
    "rd": partial(si.rd, "y ~ x + offset(z)", DATA),
    "rd_density": partial(si.rd_density, "~ x + offset(z)", DATA),
    "rd_distribution": lambda: si.rd_distribution("y ~ v + offset(z) | unit", DATA.assign(unit=range(len(DATA)))),
    "shift_test": partial(si.shift_test, "~ x + offset(z)", DATA, TARGET),
    "stack": partial(si.stack, "y ~ x + offset(z)", DATA, models=["lm"]),
    "target_shift": partial(si.target_shift, "y ~ x + offset(z)", DATA, TARGET),
    "target_shift, classes": partial(si.target_shift, "C(grade) ~ x + offset(z)", DATA, TARGET, method="bbse"),
    "training_weights": partial(si.training_weights, "t ~ x + offset(z)", DATA),
}


@pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_an_offset_that_would_be_left_out_is_refused(read):
    with pytest.raises(si.OptionError, match=r"no offset\(\); take it out of the formula"):
        read()
