"""One row or one cluster that is all that a column or an arm has: said with its name, in every verb of the family."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import NumericalWarning


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    n = 200
    x, v = rng.normal(size=(2, n))
    z = (rng.random(n) < 0.5) * 1.0
    t = (0.8 * z + v > 0.4) * 1.0
    alone, few = np.where(np.arange(n) == 7, "b", "a"), (np.arange(n) % 20 == 3) * 1.0
    return pd.DataFrame({"x": x, "z": z, "t": t, "y": x + t + v, "g": np.arange(n) % 20, "alone": alone, "few": few})


@pytest.mark.parametrize("method", ["2sls", "liml"])
def test_iv_names_the_row_or_cluster_and_the_column(data, method):
    with pytest.warns(NumericalWarning, match=r"row 7 alone determines 'alone\[T.b\]'"):
        si.iv("y ~ t | x + alone | z", data, method=method)
    with pytest.warns(NumericalWarning, match="one cluster of 'g' alone determines 'few'"):
        si.iv("y ~ t | x + few | z", data, method=method, cluster="g")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        si.iv("y ~ t | x + alone | z", data, method=method, vcov="iid")
        si.iv("y ~ t | x | z", data, method=method)


def test_gmm_has_no_metric_where_a_moment_does_not_vary(data):
    for options in ({}, {"gmm": "cue"}):
        with pytest.raises(si.NotIdentifiedError, match="covariance of the 4 moments.*method='2sls'"):
            si.iv("y ~ t | x + alone | z", data, method="gmm", **options)
    with pytest.raises(si.NotIdentifiedError, match="fewer clusters than moments"):
        si.iv("y ~ t | x | z", data.assign(g=data["g"] % 2), method="gmm", cluster="g")


def test_an_arm_of_one_row_or_one_cluster_is_named(data):
    clustered = data.assign(t=np.where(data["g"] == 3, "drug", "placebo"))
    for method in ("regression", "aipw"):
        with pytest.warns(NumericalWarning, match="one cluster of 'g' holds all rows of the arm 'drug'"):
            si.effect("y ~ t | x", clustered, method=method, cluster="g")
    single = data.assign(t=(np.arange(200) == 5) * 1.0)
    with pytest.warns(NumericalWarning, match="row 5 is the only one of the arm 1:"):
        si.effect("y ~ t | x", single, method="regression", vcov="HC1")
