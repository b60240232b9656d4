"""Options and rows that used to be taken without a word."""

import numpy as np
import pandas as pd
import pytest

import statinf as si

pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")

RNG = np.random.default_rng(3)
DATA = pd.DataFrame({"y": RNG.normal(size=3000), "x": RNG.normal(size=3000), "g": RNG.integers(0, 5, 3000)})
MOVES = si.datasets.simulate("garnet", 3000, seed=1)
VALUES = ("reward ~ 0 + C(state)", MOVES)


@pytest.mark.parametrize(
    "options", [{"inference": "hac"}, {"replicas": 5}, {"step": {"c0": 1}}, {"burn_in": 3}, {"expected_rows": 9}]
)
def test_lstd_refuses_the_options_of_the_recursion(options):
    with pytest.raises(si.OptionError, match="is an option of method='td'"):
        si.td(*VALUES, next="next_state", discount=0.9, method="lstd", **options)


def test_levels_of_limits():
    new = pd.DataFrame({"state": [0, 1]}, index=[7, 3])
    lstd = si.td(*VALUES, next="next_state", discount=0.9, method="lstd")
    fit = si.lsa("y ~ x", DATA, replicas=128)
    for ask in (
        lambda: lstd.predict(new, interval="confidence", level=95),
        lambda: fit.predict(DATA[:3], interval="confidence", level=95),
        lambda: lstd.conf_int(95),
        lambda: fit.conf_int(95),
    ):
        with pytest.raises(si.OptionError, match="level"):
            ask()
    values = lstd.predict(new, interval="confidence")
    assert list(values.index) == [7, 3] and list(values) == ["estimate", "std_error", "conf_low", "conf_high"]


@pytest.mark.parametrize("column", ["x", "y"])
def test_an_infinite_value_late_in_a_stream_is_named(column):
    late = DATA.copy()
    late.loc[2500, column] = np.inf
    with pytest.raises(si.DataError, match=f"'{column}' is infinite in row 500"):
        si.lsa("y ~ x", (late[i : i + 1000] for i in (0, 1000, 2000)), expected_rows=3000, replicas=0)


def test_unsorted_episodes_are_counted():
    rng = np.random.default_rng(0)
    walks = pd.DataFrame({"s": rng.normal(size=400), "r": rng.normal(size=400), "walk": rng.integers(0, 40, 400)})
    with pytest.warns(si.StatinfWarning, match="rows of an episode of 'walk' must lie side by side"):
        si.td("r ~ s", walks, discount=0.5, id="walk", sampling="markov", method="lstd")


@pytest.mark.parametrize(("level", "kind", "needed"), [(0.99, "symmetric", 99), (0.95, "percentile", 39)])
def test_too_few_replicas_say_how_many_would_do(level, kind, needed):
    fit = si.lsa("y ~ x", DATA, replicas=needed - 1)
    with pytest.raises(si.OptionError, match=f"replicas >= {needed}"):
        fit.conf_int(level, ci=kind)


def test_clusters_are_answered_as_elsewhere():
    fit = si.lsa("y ~ x", DATA, replicas=0)
    with pytest.raises(si.OptionError, match="no clustered standard errors here"):
        fit.with_vcov({"cluster": "g"})
    assert fit.with_vcov("robust").cov.kind == "plugin"


def test_random_scaling_survives_a_file(tmp_path):
    fit = si.lsa("y ~ x", DATA[:2000], inference="random-scaling", replicas=0, expected_rows=3000)
    again = si.load(fit.save(tmp_path / "fit.si"))
    one, two = fit.update(DATA[2000:]), again.update(DATA[2000:])
    assert np.array_equal(one.theta, two.theta) and np.array_equal(one.std_errors, two.std_errors)


def test_whole_numbers_in_one_file_and_decimals_in_the_next(tmp_path):
    one = DATA[:1500].assign(x=DATA["g"][:1500])
    two = DATA[1500:].assign(x=DATA["g"][1500:] + 0.5)
    for name, part in (("a", one), ("b", two)):
        part.to_parquet(tmp_path / f"{name}.parquet")
    fit = si.lsa("y ~ x", tmp_path, replicas=0)
    assert np.array_equal(fit.theta, si.lsa("y ~ x", pd.concat([one.assign(x=one["x"] * 1.0), two]), replicas=0).theta)


def test_weak_instruments_are_sent_to_si_iv():
    rng = np.random.default_rng(0)
    z = rng.normal(size=3000)
    d = np.where(np.arange(3000) < 1200, z, -z) + 0.1 * rng.normal(size=3000)
    with pytest.raises(si.NotIdentifiedError, match=r"si\.iv"):
        si.lsa(
            "y ~ d | z", {"y": d + rng.normal(size=3000), "d": d, "z": z}, replicas=0, precondition=True, burn_in=1000
        )


def test_each_inference_says_from_which_n_it_covers():
    fit = si.lsa("y ~ x", DATA, replicas=128)
    assert "covers from n = 1,000" in fit.cov.label
    with pytest.warns(si.StatinfWarning, match="random-scaling' covers from n = 10,000"):
        si.lsa("y ~ x", DATA, inference="random-scaling", replicas=0)
    with pytest.warns(si.StatinfWarning, match="batch-means"):
        si.lsa("y ~ x", DATA, inference="batch-means", replicas=0)
    with pytest.warns(si.StatinfWarning, match="is a tail"):
        si.lsa("y ~ x", DATA, loss="quantile", tau=0.99, replicas=0)
