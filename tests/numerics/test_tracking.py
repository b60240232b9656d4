"""Compiled recursions against the papers' steps written out row by row."""

from __future__ import annotations

import math

import numpy as np
import pytest

from statinf.numerics.recursions.adaptive_experts import ROUNDING, adapt_radius, no_experts
from statinf.numerics.recursions.scanning import through
from statinf.numerics.recursions.tracking import aggregate, follow_levels, follow_radius, share_weights

RANDOM = np.random.default_rng(3)
N, LEVEL = 600, 0.9
GAMMA = np.array([0.002, 0.05, 0.4])
SCORES = np.abs(RANDOM.standard_t(3, N))
CUT = RANDOM.uniform(size=N)


def test_levels_move_up_after_a_miss_and_down_after_a_hit():
    after, (levels,) = through(follow_levels, np.full(3, LEVEL), [CUT], GAMMA, LEVEL)
    theta = np.full(3, LEVEL)
    for cut, found in zip(CUT, levels, strict=True):
        np.testing.assert_allclose(found, theta, rtol=1e-12)
        theta = theta + GAMMA * ((found <= cut) - (1 - LEVEL))
    np.testing.assert_allclose(after, theta, rtol=1e-12)


def test_fixed_share():
    losses = RANDOM.uniform(size=(N, 4))
    _, (weights,) = through(share_weights, np.full(4, 0.25), [losses], 2.0, 0.01)
    w = np.full(4, 0.25)
    for loss, found in zip(losses, weights, strict=True):
        np.testing.assert_allclose(found, w, rtol=1e-11)
        v = w * np.exp(-2.0 * loss)
        w = 0.99 * v + 0.01 * v.sum() / 4
        w = w / w.sum()


def boa(experts, target, tau):
    """Wintenberger (2017) with a rate per expert, as R's opera: gradients of the pinball loss at the mixture."""
    size = experts.shape[1]
    V, R, out = np.zeros(size), np.zeros(size), []
    for x, y in zip(experts, target, strict=True):
        w = np.ones(size)
        known = V > 0
        if known.any():
            score = -np.log(V[known]) / 2 + R[known] / np.sqrt(V[known])
            w[known] = known.sum() * np.exp(score - score.max()) / np.exp(score - score.max()).sum()
        p = w / w.sum()
        mixture = p @ x
        out.append(mixture)
        r = (float(y < mixture) - tau) * (mixture - x)
        V = V + 2.2 * r**2
        known = V > 0
        R[known] += r[known] - r[known] ** 2 / np.sqrt(V[known])
    return np.array(out)


@pytest.mark.parametrize("tau", [0.05, 0.95])
def test_bernstein_online_aggregation(tau):
    experts = RANDOM.normal(size=(N, 4)) + np.arange(4)
    experts[:20] = 1.0  # no regret, so that no rate is known at first
    _, (mixture, weights) = through(aggregate, (np.zeros(4), np.zeros(4)), [experts, SCORES], tau)
    np.testing.assert_allclose(mixture, boa(experts, SCORES, tau), rtol=1e-9)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)


def test_scale_free_gradient_descent():
    _, (radius,) = through(follow_radius, (np.float64(0.5), np.float64(0.0)), [SCORES], 1.3, LEVEL)
    theta, total = 0.5, 0.0
    for score, found in zip(SCORES, radius, strict=True):
        assert found == pytest.approx(theta, rel=1e-12)
        g = float(score <= found) - LEVEL
        total += g * g
        theta = max(0.0, theta - 1.3 * g / math.sqrt(total))


def strongly_adaptive(scores, scale, level, lifetime):
    """Algorithm 1 of Bhatnagar et al. (2023) with a list of experts, as the authors' code; rounding is no gain."""
    alive, out = {}, []

    def weight(e):
        return e["z"] / e["n"] * (1 + e["wz"]) if e["n"] else 0.0

    def mixture():
        prior = {t: 1 / (t**2 * (1 + math.floor(math.log2(t)))) for t in alive}
        mass = {t: prior[t] * max(0.0, weight(alive[t])) for t in alive}
        mass = mass if sum(mass.values()) > 0 else prior
        return sum(mass[t] * alive[t]["theta"] for t in alive) / sum(mass.values()) if alive else 0.0

    def loss(score, at):
        return max(level * (score - at), (1 - level) * (at - score))

    for t, score in enumerate(scores, 1):
        start = mixture()
        alive = {b: e for b, e in alive.items() if e["n"] <= e["lives"]}
        power = (t & -t).bit_length() - 1
        alive[t] = {"theta": start, "G": 0.0, "z": 0.0, "wz": 0.0, "n": 0, "lives": lifetime * 2**power}
        radius = mixture()
        out.append(radius)
        for e in alive.values():
            w = weight(e)
            gain = (loss(score, radius) - loss(score, e["theta"])) / scale / max(level, 1 - level)
            gain = 0.0 if abs(gain) < ROUNDING else min(max(gain, -1.0 if w > 0 else 0.0), 1.0)
            e["z"], e["wz"], e["n"] = e["z"] + gain, e["wz"] + gain * w, e["n"] + 1
            g = float(score <= e["theta"]) - level
            e["G"] += g * g
            e["theta"] = max(0.0, e["theta"] - scale / math.sqrt(3) * g / math.sqrt(e["G"]))
    return np.array(out)


@pytest.mark.parametrize("lifetime", [3, 8])
def test_experts_of_geometric_lifetimes(lifetime):
    _, (radius,) = through(adapt_radius, no_experts(lifetime), [SCORES[:300]], 4.0, LEVEL, lifetime)
    np.testing.assert_allclose(radius, strongly_adaptive(SCORES[:300], 4.0, LEVEL, lifetime), rtol=1e-9, atol=1e-12)


def test_pieces_of_any_length_give_the_same_bits():
    def run(cuts):
        out = [[], [], []]
        levels, weights, experts = np.full(3, LEVEL), np.full(3, 1 / 3), no_experts(8)
        for part in np.split(np.arange(N), cuts):
            levels, (a,) = through(follow_levels, levels, [CUT[part]], GAMMA, LEVEL)
            weights, (b,) = through(share_weights, weights, [np.abs(a - CUT[part][:, None])], 3.0, 0.01)
            experts, (c,) = through(adapt_radius, experts, [SCORES[part]], 4.0, LEVEL, 8)
            for kept, made in zip(out, (a, b, c), strict=True):
                kept.append(made)
        return [np.concatenate(kept) for kept in out]

    whole = run([])
    for cuts in ([1], [0, 7, 7, 290], list(range(1, 40))):
        assert all((a == b).all() for a, b in zip(run(cuts), whole, strict=True))
