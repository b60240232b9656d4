import numpy as np
import pandas as pd
import pytest

import statinf as si

# Short runs are meant here; what warns, and when, is tested in test_bad_input.
pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")

RNG = np.random.default_rng(0)
DATA = pd.DataFrame({"y": RNG.normal(size=600), "x": RNG.normal(size=600), "z": RNG.normal(size=600), "word": "a"})
DATA["twin"] = 2 * DATA["x"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"step": {"c0": 0.0}}, "c0=0 must be positive"),
        ({"step": {"k0": -1}}, "k0=-1 must not be negative"),
        ({"step": {"power": 0.4}}, r"power=0.4 is outside \[0.5, 1\)"),
        ({"step": {"rate": 1}}, "no 'rate'"),
        ({"step": {"c0": "big"}}, "not a finite number"),
        ({"burn_in": 600}, "leaves none of the 600 rows"),
        ({"burn_in": 2.5}, "neither a whole number"),
        ({"burn_in": -1}, "burn_in=-1"),
        ({"replicas": 1}, "replicas=1 gives no interval"),
        ({"replicas": -3}, "whole number at least 0"),
        ({"replicas": 2.5}, "whole number"),
        ({"law": "rademacher"}, "law='rademacher'"),
        ({"inference": "hc3"}, "inference='hc3'"),
        ({"inference": ()}, "inference is empty"),
        ({"ci": "bca"}, "ci='bca'"),
        ({"loss": "huber"}, "loss='huber'"),
        ({"loss": "quantile", "tau": 1.0}, "tau=1.0 is not a number above 0 and below 1"),
        ({"replica_start": "zero"}, "replica_start='zero'"),
        ({"block_len": 0}, "block_len=0"),
        ({"lags": -1}, "lags=-1"),
        ({"expected_rows": 0}, "expected_rows=0"),
        ({"start": [1.0]}, "start must be 2 finite numbers"),
        ({"tau": 0.1}, "level of loss='quantile'"),
        ({"step": 0.1}, "not a mapping"),
        ({"weights_law": "mammen"}, "weights_law= is not an option"),
        ({"seed": -1}, "seed=-1"),
        ({"na_action": "omit"}, "na_action='omit'"),
    ],
)
def test_options_outside_their_domain(options, says):
    with pytest.raises(si.OptionError, match=says):
        si.lsa("y ~ x", DATA, **options)


def test_formulas_and_columns():
    with pytest.raises(si.StatinfError, match="'nope' is not"):
        si.lsa("y ~ nope", DATA)
    with pytest.raises(si.OptionError, match="needs as many"):
        si.lsa("y ~ x | z + word + twin", DATA.assign(word=DATA["z"] ** 2))
    with pytest.raises(si.DataError, match="needs an outcome of 0 and 1"):
        si.lsa("y ~ x", DATA, loss="logistic")
    with pytest.raises(si.OptionError, match=r"offset\(\) is not available"):
        si.lsa("I(y > 0) ~ offset(z) + x", DATA, loss="logistic")
    with pytest.raises(si.StatinfError, match="nothing"):
        si.lsa("y ~ x", "nothing.parquet")


def test_collinear_columns_are_named():
    with pytest.raises(si.NotIdentifiedError, match="x, twin are collinear"):
        si.lsa("y ~ x + twin", DATA, replicas=0)


def test_instruments_that_do_not_move_the_regressor():
    with pytest.raises(si.NotIdentifiedError, match="instruments do not identify"):
        si.lsa("y ~ x | constant", DATA.assign(constant=1.0), replicas=0)


def test_too_few_rows():
    with pytest.raises(si.StatinfError):
        si.lsa("y ~ x + z", DATA[:3], replicas=0)
    with pytest.raises(si.DataError, match="no rows"):
        si.lsa("y ~ x", iter([DATA[:0]]))
    with pytest.raises(si.OptionError, match="leaves none of the 600 rows"):
        si.lsa("y ~ x", (DATA[i : i + 100] for i in range(0, 600, 100)), burn_in=1000)


def test_steps_that_are_too_large_say_what_to_change():
    with pytest.raises(si.ConvergenceError, match="Divide step c0"):
        si.lsa("y ~ x", DATA, step={"c0": 1e4, "k0": 0}, replicas=0)


def test_exploded_replicas_warn():
    moves = si.datasets.simulate("garnet", 3200, seed=0)
    step = {"c0": 6, "k0": 0, "power": 0.5}  # weighted steps above 2 at first
    with pytest.warns(si.StatinfWarning, match="robust standard deviations"):
        si.td("reward ~ 0 + C(state)", moves, next="next_state", discount=0.9, step=step, burn_in=0.5, replicas=128)


def test_short_averages_and_remembered_starts_warn():
    with pytest.warns(si.StatinfWarning, match="relaxation times"):
        si.lsa("y ~ x", DATA, step={"c0": 0.01, "k0": 0}, replicas=0)
    with pytest.warns(si.StatinfWarning, match="first iterate's error"):
        si.lsa(
            "y ~ x", DATA.assign(y=DATA["y"] + 1000), step={"c0": 0.15, "k0": 0, "power": 0.5}, replicas=0, burn_in=5
        )


def test_power_one_and_gaussian_multipliers_warn():
    with pytest.warns(si.StatinfWarning, match="lambda_min"):
        si.lsa("y ~ x", DATA, step={"power": 1.0}, replicas=0)
    with pytest.warns(si.StatinfWarning, match="negative multipliers"):
        si.lsa("y ~ x", DATA, law="gaussian", replicas=128)


def test_what_a_stream_cannot_give_is_said():
    fit = si.lsa("y ~ x", DATA, replicas=128)
    for ask in (lambda: fit.influence, lambda: fit.bootstrap(), lambda: fit.moments()):
        with pytest.raises(si.NotIdentifiedError):
            ask()
    with pytest.raises(si.OptionError, match="not accumulated"):
        fit.with_vcov("hac")
    with pytest.raises(si.OptionError, match="HC3"):
        fit.with_vcov("HC3")
    with pytest.raises(si.OptionError, match="needs replicas"):
        fit.with_vcov("plugin").conf_int(ci="basic")
    with pytest.raises(si.OptionError, match="level"):
        fit.conf_int(95)
    with pytest.raises(si.OptionError, match="data in memory"):
        si.lsa("y ~ x", iter([DATA]), shuffle=True)
    with pytest.raises(si.OptionError, match="share"):
        si.lsa("y ~ x", (DATA for _ in range(4)), burn_in=0.5)
