"""Training weights: against weights by hand, exact identities, stacked errors by refits, and what they promise in a loop."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.learners import Logit


def rows(n: int = 400, seed: int = 0, share: float = 0.5) -> pd.DataFrame:
    """Features whose law differs between arms; the response has one law given them, not linear."""
    random = np.random.default_rng(seed)
    z = (random.random(n) < share) * 1.0
    x = random.standard_normal((n, 2)) + np.column_stack([0.8 * z, -0.4 * z])
    y = x[:, 0] + 0.5 * x[:, 0] ** 2 + 0.3 * random.standard_normal(n)
    return pd.DataFrame({"z": z, "a": x[:, 0], "b": x[:, 1], "y": y, "unit": np.arange(n) // 4})


DATA = rows()


def test_weights_are_chances_over_shares() -> None:
    made = si.training_weights("z ~ a + b", DATA, clip=0.0)
    logit = si.glm("z ~ a + b", DATA, family="binomial").predict(DATA)["estimate"].to_numpy()
    p = DATA["z"].mean()
    np.testing.assert_allclose(made.w_treat.values, logit / p, rtol=1e-8)
    np.testing.assert_allclose(made.w_control.values, (1 - logit) / (1 - p), rtol=1e-8)
    np.testing.assert_allclose(p * made.w_treat.values + (1 - p) * made.w_control.values, 1.0, atol=1e-12)
    # The logit's own equations: weighted means are the arm's means.
    assert made.diagnostics()["smd_after"].abs().max() < 1e-8


def test_features_that_say_nothing_give_pooling_and_those_that_say_all_splitting() -> None:
    flat = si.training_weights("z ~ 1 + a", DATA.assign(a=np.tile([0.0, 1.0], 200), z=np.repeat([0.0, 1.0], 200)))
    np.testing.assert_allclose(flat.w_treat.values, 1.0, atol=1e-10)
    with pytest.warns(si.StatinfWarning, match="tell the arms apart"):
        split = si.training_weights("z ~ a", DATA.assign(a=DATA["z"] + 0.01 * DATA["b"]), clip=0.0)
    np.testing.assert_allclose(split.w_treat.values, DATA["z"] / DATA["z"].mean(), atol=1e-12)
    assert split.w_treat.derivative is None


@pytest.mark.parametrize("options", [{}, {"share": 0.5}, {"folds": 2}], ids=["observed", "by design", "folds"])
def test_errors_of_what_is_trained_count_the_chances(options: dict) -> None:
    """The stacked covariance is that of refits under perturbed row weights, to first order."""
    labels = np.arange(len(DATA)) % 2
    more = {k: v for k, v in options.items() if k != "folds"}

    def trained(w: np.ndarray) -> np.ndarray:
        if "folds" not in options:
            made = si.training_weights("z ~ a + b", DATA, weights=w, clip=0.0, **more).w_treat.values
        else:
            made = np.empty(len(DATA))
            p = np.average(DATA["z"], weights=w)
            for f in (0, 1):
                fit = si.glm("z ~ a + b", DATA[labels != f], family="binomial", weights=w[labels != f])
                made[labels == f] = fit.predict(DATA[labels == f])["estimate"] / p
            made *= w
        return si.lm("y ~ a", DATA, weights=made).params.to_numpy()

    if "folds" in options:
        made = _with_labels(labels)
    else:
        made = si.training_weights("z ~ a + b", DATA, clip=0.0, **more).w_treat
    fit = si.lm("y ~ a", DATA, weights=made)
    assert "weights estimated" in fit.cov.label
    steps = np.stack([
        (trained(1.0 + 1e-4 * np.eye(1, len(DATA), i)[0]) - trained(1.0 - 1e-4 * np.eye(1, len(DATA), i)[0])) / 2e-4
        for i in range(0, len(DATA), 29)
    ])  # fmt: skip
    np.testing.assert_allclose(fit.influence[::29], steps, rtol=2e-4, atol=1e-7)


def _with_labels(labels: np.ndarray) -> si.results.Weights:
    """Training weights whose folds are given: those of the verb are random."""
    from statinf.balancing.training import shared

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "fold_ids", lambda n, folds, **rest: labels)
        return si.training_weights("z ~ a + b", DATA, clip=0.0, folds=2).w_treat


def test_each_model_learns_its_own_world() -> None:
    """Misspecified lines: weighted, they are those of the arm's own rows; pooled, they are not. Errors are smaller than those of
    splitting where the features hardly differ."""
    found = {name: [] for name in ("weighted", "split", "pooled")}
    for seed in range(60):
        data = rows(500, seed)
        made = si.training_weights("z ~ a + b", data)
        found["weighted"].append(si.lm("y ~ a", data, weights=made.w_treat).params["a"])
        found["split"].append(si.lm("y ~ a", data[data["z"] == 1]).params["a"])
        found["pooled"].append(si.lm("y ~ a", data).params["a"])
    # The slope of a + a^2 / 2 on a ~ N(.8, 1) is 1 + .8.
    off = {name: np.mean(values) - 1.8 for name, values in found.items()}
    error = np.std(found["weighted"]) / np.sqrt(60)
    assert abs(off["weighted"]) < 4 * error
    assert off["pooled"] < -8 * error
    assert np.std(found["weighted"]) < np.std(found["split"])


def test_units_stay_in_one_fold_and_other_learners_are_cross_fitted() -> None:
    one = si.training_weights("z ~ a + b", DATA, folds=2, cluster="unit")
    again = si.training_weights("z ~ a + b", DATA, learner="gbm", cluster="unit")
    assert one.folds == again.folds == 2
    assert again.w_treat.derivative is None
    assert "fixed" in si.lm("y ~ a", DATA, weights=again.w_treat).cov.label
    assert "gbm, 2 folds" in str(again.summary())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ({"share": 0.2}, si.DataError, "sample ratio mismatch"),
        ({"share": 1.0}, si.OptionError, "share"),
        ({"formula": "z ~ a + z"}, si.FormulaError, "z"),
        ({"formula": "unit ~ a"}, si.DataError, "too many|are for"),
        ({"learner": "rq"}, si.OptionError, "learner"),
        ({"clip": 0.6}, si.OptionError, "clip"),
        ({"folds": 1000}, si.OptionError, "folds"),
        ({"cluster": np.arange(400) // 4}, si.OptionError, "cluster= is the name"),
    ],
    ids=["share", "share range", "arm among features", "arms", "learner", "clip", "folds", "cluster"],
)
def test_what_cannot_be_done_is_said(call: dict, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        si.training_weights(**({"formula": "z ~ a + b", "data": DATA} | call))


def test_arms_that_hardly_overlap_are_warned_about() -> None:
    with pytest.warns(si.StatinfWarning, match="hardly overlap"):
        si.training_weights("z ~ a", rows(400, 1, 0.06).assign(a=lambda d: d["a"] + 2.5 * d["z"]))


@pytest.mark.parametrize("folds", [1, 2])
def test_penalties_count_rows_in_any_unit_of_weights(folds: int) -> None:
    w = np.random.default_rng(3).exponential(size=len(DATA)) + 0.2
    one, two = (
        si.training_weights("z ~ a + b", DATA, weights=unit * w, learner=Logit(penalty=5.0), folds=folds)
        for unit in (1.0, 2.0**-12)
    )
    np.testing.assert_allclose(two.chance, one.chance, rtol=1e-9)
    fits = [si.lm("y ~ a", DATA, weights=made.w_treat) for made in (one, two)]
    np.testing.assert_allclose(fits[1].std_errors, fits[0].std_errors, rtol=1e-9)
