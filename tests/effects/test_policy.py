"""Policies: trees against every tree there is, values against the truth on new rows, and what a rule says of itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.numerics.trees.policy import best_tree


def gains(x: np.ndarray, gain: np.ndarray, depth: int, least: int) -> float:
    """Most gain of any tree, by trying every cut at every node."""
    best = max(0.0, gain.sum())
    if depth == 0:
        return best
    for j in range(x.shape[1]):
        for cut in np.unique(x[:, j])[:-1]:
            left = x[:, j] <= cut
            if min(left.sum(), (~left).sum()) >= least:
                sides = (gains(x[side], gain[side], depth - 1, least) for side in (left, ~left))
                best = max(best, sum(sides))
    return best


@pytest.mark.parametrize(("depth", "least"), [(1, 1), (2, 1), (2, 5)])
def test_trees_gain_what_the_best_of_all_trees_gains(depth: int, least: int) -> None:
    random = np.random.default_rng(0)
    for _ in range(6):
        x = np.column_stack([random.integers(0, 6, 40), random.integers(0, 2, 40), random.standard_normal(40).round(1)])
        gain = random.standard_normal(40)
        tree = best_tree(x, gain, depth, least)
        assert gain[tree.actions(x)].sum() == pytest.approx(gains(x, gain, depth, least), abs=1e-9)


def test_trees_are_no_deeper_than_they_need_to_be() -> None:
    x = np.arange(40.0)[:, None]
    assert best_tree(x, np.ones(40), 2, 1).column < 0
    stump = best_tree(x, np.where(x[:, 0] > 20, 1.0, -1.0), 2, 1)
    assert stump.left is not None and stump.right is not None
    assert stump.cut == 20 and stump.left.column < 0 and stump.right.column < 0


def sample(n: int, seed: int) -> pd.DataFrame:
    """Two gain where a > 0 and b > .5, all others lose one."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 3))
    t = (random.random(n) < 0.5) * 1.0
    effect = np.where((x[:, 0] > 0) & (x[:, 1] > 0.5), 2.0, -1.0)
    return pd.DataFrame(x, columns=list("abc")).assign(
        t=t, y=x[:, 2] + t * effect + random.standard_normal(n), effect=effect
    )


DATA = sample(800, 0)
FIT = si.cate("y ~ t | a + b + c", DATA, method="dr", learner="lm")


@pytest.mark.parametrize("rule", ["threshold", "tree"])
@pytest.mark.parametrize("evaluation", ["sequential", "cross-fold"])
def test_values_are_what_rules_gain_on_new_rows(rule: str, evaluation: str) -> None:
    """Rules learn a little less from some folds than from all: the value is that, and near the rule's gain elsewhere."""
    policy = FIT.policy(rule, evaluation=evaluation)
    new = sample(20_000, 1)
    treat = policy.predict(new)["treat"].to_numpy()
    row = policy.tidy().set_index("term")
    found, error = row.loc["over treating nobody", ["estimate", "std_error"]]
    assert abs(found - (treat * new["effect"]).mean()) < 4 * error
    found, error = row.loc["over treating everybody", ["estimate", "std_error"]]
    assert abs(found - ((treat - 1) * new["effect"]).mean()) < 4 * error


def test_a_rule_that_is_known_to_be_worthless_covers() -> None:
    """Where nobody gains, rules of other folds gain minus what they treat costs: intervals hold it."""
    held = 0
    for seed in range(40):
        data = sample(200, 100 + seed).assign(
            y=lambda d: d["c"] + np.random.default_rng(len(d)).standard_normal(len(d))
        )
        policy = si.cate("y ~ t | a + b", data, method="dr", learner="lm").policy("tree", depth=1)
        row = policy.tidy().iloc[0]
        held += row["conf_low"] <= 0 <= row["conf_high"]
    # Three binomial standard errors below .95 of 40.
    assert held >= 34


def test_cost_moves_the_rule_and_its_value() -> None:
    none = FIT.policy("tree", cost=5.0)
    assert none.share == 0 and none.text == "do not treat"
    np.testing.assert_allclose(none.tidy()["estimate"][0], 0.0, atol=1e-12)
    everybody = FIT.policy("tree", cost=-5.0)
    assert everybody.share == 1
    np.testing.assert_allclose(everybody.tidy()["estimate"][1], 0.0, atol=1e-12)


def test_a_rule_says_what_it_does_and_is_kept(tmp_path) -> None:
    policy = FIT.policy("tree")
    assert "a > " in policy.text and "b > " in policy.text
    assert all(line in str(policy.summary()) for line in policy.text.split("\n"))
    again = si.load(policy.save(tmp_path / "rule.si"))
    assert again.predict(DATA.head(9)).equals(policy.predict(DATA.head(9)))
    pd.testing.assert_frame_equal(again.tidy(), policy.tidy())
    holes = DATA.head(3).assign(a=[0.1, np.nan, -1.0])
    with pytest.warns(si.StatinfWarning, match="a is missing"):
        treat = policy.predict(holes)["treat"].to_numpy()
    assert np.isnan(treat).tolist() == [False, True, False]
    with pytest.raises(si.DataError, match="no learner"):
        si.load(FIT.policy().save(tmp_path / "effects.si")).predict(DATA)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_rule_that_treats_everybody_or_nobody_has_clusters(sign: float) -> None:
    random = np.random.default_rng(0)
    x, t = random.standard_normal(200), random.integers(0, 2, 200)
    data = pd.DataFrame({"y": sign * 6 * t + x + random.standard_normal(200), "t": t, "x": x, "g": np.arange(200) // 5})
    told = si.cate("y ~ t | x", data, cluster="g").policy().tidy()
    same = told.iloc[1 if sign > 0 else 0]
    assert same["estimate"] == same["std_error"] == 0.0
    assert told["std_error"].max() > 0


def test_clusters_and_weights_are_those_of_the_fit() -> None:
    data = DATA.assign(g=np.arange(800) // 8, w=np.where(np.arange(800) % 7 == 0, 0.0, 1.0))
    fit = si.cate("y ~ t | a + b", data, method="dr", learner="lm", cluster="g", weights="w")
    policy = fit.policy("tree", depth=1)
    assert "clustered by g" in str(policy.summary())
    assert policy.nobs == int(data["w"].sum())


@pytest.mark.parametrize(
    ("call", "words"),
    [({"rule": "forest"}, "rule"), ({"cost": "much"}, "cost"), ({"depth": 3}, "depth"), ({"min_rows": 0}, "min_rows"),
     ({"evaluation": "all"}, "evaluation")],
)  # fmt: skip
def test_options_are_checked(call: dict, words: str) -> None:
    with pytest.raises(si.OptionError, match=words):
        FIT.policy(**call)
