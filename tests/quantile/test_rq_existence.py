"""An estimate does not depend on its standard error; rank limits in every sample. Numbers of R: make_hard.R."""

import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import ConvergenceError, NotIdentifiedError, NumericalWarning, OptionError
from statinf.quantile.rank_inversion import rank_intervals

FOLDER = Path(__file__).parents[1] / "reference" / "quantile"
FORMULAS = {"cells": "y ~ x + C(g)", "slopes": "y ~ x + z"}
quiet = pytest.mark.filterwarnings("ignore::statinf.errors.StatinfWarning")


@cache
def samples():
    data = pd.read_csv(FOLDER / "hard.csv")
    return dict(iter(data.groupby(["design", "sample"])))


def numbers():
    frame = pd.read_csv(FOLDER / "hard_numbers.csv")
    return frame.groupby(["design", "sample", "tau"])


def without_density():
    """Three quarters of the outcomes are equal."""
    y = np.r_[np.zeros(150), np.arange(50.0)]
    return pd.DataFrame({"y": y, "x": np.random.default_rng(1).standard_normal(200)})


@quiet
def test_coefficients_of_extreme_levels_and_small_cells_are_those_of_r():
    missing = 0
    for (design, sample, tau), rows in numbers():
        if tau == 0.313:
            continue
        fit = si.rq(FORMULAS[design], samples()[design, sample], tau=tau)
        np.testing.assert_allclose(fit.theta, rows.value[rows.what == "coef"], rtol=1e-9, atol=1e-9)
        assert fit.objective[0] == pytest.approx(rows.value[rows.what == "objective"].iloc[0], rel=1e-12)
        missing += np.isnan(fit.std_errors).all()
    assert missing > 0


@quiet
@pytest.mark.parametrize("kind", ["rank", "rank-nid", *[{"boot": k, "replicas": 40} for k in ("bayesian", "wild")]])
def test_kinds_that_need_no_density_exist_in_samples_where_nid_does_not(kind):
    for sample in range(1, 26):
        fit = si.rq(FORMULAS["cells"], samples()["cells", sample], tau=0.05, vcov=kind)
        tidy = fit.tidy()
        assert not (tidy.conf_low.isna() & tidy.conf_high.isna()).any()
        if isinstance(kind, str):
            assert (tidy.conf_low <= tidy.estimate + 1e-9).all() and (tidy.conf_high >= tidy.estimate - 1e-9).all()


@quiet
def test_rank_limits_are_those_of_r_by_default():
    for (design, sample, tau), rows in numbers():
        if tau != 0.313:
            continue
        limits = si.rq(FORMULAS[design], samples()[design, sample], tau=tau, vcov="rank").conf_int()
        for column, what in (("conf_low", "rank_low"), ("conf_high", "rank_high")):
            np.testing.assert_allclose(limits[column], rows.value[rows.what == what], rtol=1e-6)


@quiet
def test_without_the_default_errors_the_fit_says_so_and_names_what_there_is():
    with pytest.warns(NumericalWarning) as caught:
        fit = si.rq("y ~ x", without_density(), tau=0.3)
    assert any("'rank', 'rank-nid', 'boot'" in str(one.message) for one in caught)
    assert fit.theta[0] == 0 and np.isnan(fit.std_errors).all()
    assert "left out, as nid does not exist here" in str(fit) and "'boot'" in str(fit)
    assert np.isnan(fit.tidy().conf_low).all() and fit.glance().vcov[0].startswith("left out")
    assert np.isfinite(fit.with_vcov({"boot": "pairs", "replicas": 20}).std_errors).all()
    with pytest.raises(NotIdentifiedError, match="vcov='boot'"):
        si.rq("y ~ x", without_density(), tau=0.3, vcov="ker")
    with pytest.raises(NotIdentifiedError, match="vanishes"):
        fit.with_vcov("nid")


@quiet
def test_a_fit_without_errors_is_saved_and_predicts(tmp_path):
    fit = si.rq("y ~ x", without_density(), tau=0.3)
    back = si.load(fit.save(tmp_path / "fit.si"))
    new = pd.DataFrame({"x": [0.0, 1.0]})
    np.testing.assert_array_equal(back.predict(new), fit.predict(new))
    shown = back.predict(new, interval="confidence")
    assert np.isnan(shown.iloc[:, 1:]).all().all()


@pytest.mark.parametrize("seed", range(6))
def test_rank_limits_do_not_depend_on_the_path_where_n_tau_is_whole(seed):
    """Sixty rows at a quarter: the walk passes vertices at which the test does not change."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(60)
    X, y = np.c_[np.ones(60), x], 1 + x + rng.standard_normal(60)
    expected = limits_by_enumeration(X, y, 0.25, 2.0)
    for order in (np.arange(60), rng.permutation(60), np.argsort(y)):
        found = rank_intervals(X[order], y[order], 0.25, 2.0, iid=True)[1]
        np.testing.assert_allclose(found, expected, atol=1e-9)


def limits_by_enumeration(X, y, tau, critical):
    """The rule of the docstring: T on every interval between two breakpoints of the slope, from linear programmes."""
    from scipy.optimize import linprog

    x, n = X[:, 1], len(y)
    i, j = np.triu_indices(n, 1)
    c = np.unique((y[i] - y[j]) / (x[i] - x[j]))
    bound = critical * np.sqrt(tau * (1 - tau) * ((x - x.mean()) ** 2).sum())

    def test(k):  # beyond breakpoint k - 1 and before k
        at = (np.r_[c[0] - 1, c, c[-1] + 1][k : k + 2]).mean()
        a = linprog(at * x - y, A_eq=np.ones((1, n)), b_eq=[(1 - tau) * n], bounds=(0, 1), method="highs-ds").x
        return x @ (a - (1 - tau))

    def crossing(goes):  # the first interval, in the direction of falling `goes`, that is beyond the bound
        low, high = 0, len(c)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if goes(middle) else (middle, high)
        return high

    up = crossing(lambda k: test(k) < -bound)
    down = crossing(lambda k: test(k) <= bound) - 1
    out = []
    for beyond, step in ((down, 1), (up, -1)):
        outer, inner, k = abs(test(beyond)), abs(test(beyond + step)), beyond + step
        while abs(abs(test(k + step)) - inner) < 1e-9:
            k += step
        at = c[beyond] if step == 1 else c[beyond - 1]
        before = c[k] if step == 1 else c[k - 1]
        out.append(before + (at - before) * (bound - inner) / (outer - inner))
    return out


@quiet
def test_messages_name_what_was_given():
    frame = samples()["slopes", 1]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = si.rq("y ~ x", frame.head(30), tau=0.05, vcov="rank-nid")
        assert not fit.conf_int().isna().any().any()
    assert all("taus" not in str(one.message) for one in caught)
    with pytest.raises(OptionError, match="exclude each other"):
        si.rq("y ~ x", frame, vcov="iid", cluster="g")
    clustered = frame.assign(id=np.arange(100) % 20)
    drawn = si.rq("y ~ x", clustered, vcov={"boot": "pairs", "replicas": 20, "cluster": "id"})
    assert drawn.draws.clusters == 20
    lonely = samples()["cells", 4].assign(id=np.arange(40) % 20)
    with pytest.raises(ConvergenceError, match=r"kind='pwy'.*'bayesian'"):
        si.rq(FORMULAS["cells"], lonely, tau=0.05, vcov={"boot": "pwy", "replicas": 50, "cluster": "id"})


@quiet
def test_an_equation_that_is_met_at_the_end_of_its_range_has_a_solution():
    """Without clusters a perturbed equation asks for no more than the rows of a cell can give."""
    for sample in (1, 2, 4):
        fit = si.rq(FORMULAS["cells"], samples()["cells", sample], tau=0.05, vcov={"boot": "pwy", "replicas": 60})
        assert fit.draws.failed == 0
