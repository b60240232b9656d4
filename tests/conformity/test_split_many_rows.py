import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.conformity import held_out
from statinf.learners import linear


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("options", [{}, {"score": "asymmetric"}, {"side": "upper"}])
def test_rows_of_weight_zero_give_the_sets_of_rows_left_out(monkeypatch, options, shift):
    random = np.random.default_rng(2)
    data = pd.DataFrame(random.standard_normal((400, 3)), columns=["a", "b", "c"])
    data["y"] = data["a"] - data["b"] + random.standard_normal(400)
    data["a"] += shift
    made = []
    for least in (1 << 20, 10):
        monkeypatch.setattr(held_out, "PARALLEL_FROM", least)
        monkeypatch.setattr(linear, "PARALLEL_FROM", least)
        made.append(si.conformal("y ~ a + b + c", data, model="linear", **options).predict(data))
    np.testing.assert_allclose(made[1], made[0], atol=1e-12 + 1e-14 * shift)


@pytest.mark.parametrize("every", ["some", "rare"])
def test_centred_sums_are_those_about_the_means(every):
    random = np.random.default_rng(3)
    x, y, w = random.standard_normal((3000, 4)) + 1e5, random.standard_normal(3000) - 1e5, random.random(3000)
    if every == "rare":
        w[::64] = 0.0
    centre, mean, gram, moment = linear._centred_sums(np.asfortranarray(x), y, w)
    right = np.average(x, axis=0, weights=w)
    np.testing.assert_allclose(centre, right, rtol=1e-14)
    np.testing.assert_allclose(mean, np.average(y, weights=w), rtol=1e-14)
    np.testing.assert_allclose(gram, ((x - right) * w[:, None]).T @ (x - right), rtol=1e-8, atol=1e-6)
    np.testing.assert_allclose(moment, ((x - right) * w[:, None]).T @ (y - mean), atol=1e-6)
