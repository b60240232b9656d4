import numpy as np
import pytest

from statinf.errors import ConvergenceError
from statinf.numerics.laws.multipliers import multipliers, seed_words
from statinf.numerics.recursions.averaging import replica_tile
from statinf.stochastic.engine import advance, draws, settle
from statinf.stochastic.rows import StreamRows
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import State

N, D, B, BURN = 1500, 4, 70, 333


def sequential(F, G, c, steps, weights, burn_in, start, psi=lambda u, c: u - c):
    """Averages of the replicas, shape (d, B), and the path of the first, shape (n, d)."""
    theta = np.repeat(np.asarray(start, float)[:, None], weights.shape[1], axis=1)
    total, path = np.zeros_like(theta), []
    for k in range(len(c)):
        error = psi(G[k] @ theta, c[k])
        theta = theta - F[k][:, None] * (steps[k] * weights[k] * error)
        if k >= burn_in:
            total += theta
        path.append(theta[:, 0])
    return total / (len(c) - burn_in), np.array(path)


def sample(seed=0, n=N, d=D):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, x @ np.arange(d) + rng.normal(size=n)


def settings(**options):
    return Settings(**({"d": D, "c0": 0.4, "k0": 20.0, "power": 0.6, "burn_in": BURN, "replicas": B} | options))


def run(s, rows, cuts=()):
    state = State.start(s)
    for a, b in zip((0, *cuts), (*cuts, len(rows)), strict=True):
        state = advance(s, state, rows[a:b])
    return state


def psi_quantile(u, c):
    return (c < u) - 0.3


def psi_logistic(u, c):
    return 1 / (1 + np.exp(-u)) - c


@pytest.mark.parametrize(
    ("loss", "psi"), [("squared", lambda u, c: u - c), ("logistic", psi_logistic), ("quantile", psi_quantile)]
)
def test_blocked_equals_sequential(loss, psi):
    x, y = sample()
    y = (y > 0).astype(float) if loss == "logistic" else y
    s = settings(loss=loss, tau=0.3)
    end = settle(s, run(s, StreamRows.of(x, x, y)))
    w = multipliers(np.arange(1, N + 1), B, seed=0)
    replicas, _ = sequential(x, x, y, s.steps(1, N), w, BURN, np.zeros(D), psi)
    point, path = sequential(x, x, y, s.steps(1, N), np.ones((N, 1)), BURN, np.zeros(D), psi)
    assert np.abs(draws(s, end).T - replicas).max() < 1e-12
    assert np.abs(end.mean - point[:, 0]).max() < 1e-12
    assert np.abs(end.theta - path[-1]).max() < 1e-12


def test_unequal_left_and_right_vectors():
    x, y = sample()
    z = x @ np.triu(np.ones((D, D))) * 0.4 + 0.1
    s = settings()
    end = settle(s, run(s, StreamRows.of(z, x, y)))
    replicas, _ = sequential(z, x, y, s.steps(1, N), multipliers(np.arange(1, N + 1), B), BURN, np.zeros(D))
    assert np.abs(draws(s, end).T - replicas).max() < 1e-12


@pytest.mark.parametrize("cuts", [(1,), (256, 512), (100, 101, 700, 1499), tuple(range(1, N, 97))])
def test_block_boundaries_do_not_change_a_bit(cuts):
    x, y = sample()
    s = settings(keep=("hac", "batch-means", "random-scaling"), lags=7)
    whole, parts = (settle(s, run(s, StreamRows.of(x, x, y), c)).arrays() for c in ((), cuts))
    for name, value in whole.items():
        assert np.array_equal(value, parts[name]), name


def test_saved_state_resumes_bit_for_bit(tmp_path):
    x, y = sample()
    s = settings(keep=("hac",), lags=3)
    rows = StreamRows.of(x, x, y)
    half = advance(s, State.start(s), rows[:801])
    np.savez(tmp_path / "state.npz", **half.arrays())
    again = State.from_arrays(dict(np.load(tmp_path / "state.npz")))
    one, two = (settle(s, advance(s, state, rows[801:])).arrays() for state in (half, again))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_reading_results_does_not_change_the_run():
    x, y = sample()
    s = settings()
    rows = StreamRows.of(x, x, y)
    half = advance(s, State.start(s), rows[:900])
    settle(s, half)
    assert np.array_equal(settle(s, advance(s, half, rows[900:])).mean, settle(s, run(s, rows)).mean)


def test_first_replicas_of_a_longer_bootstrap_are_the_same():
    x, y = sample(n=600)
    few, many = settings(replicas=10, burn_in=10), settings(replicas=700, burn_in=10)
    a, b = (draws(s, settle(s, run(s, StreamRows.of(x, x, y)))) for s in (few, many))
    assert np.abs(a - b[:10]).max() < 1e-13


def test_block_len_shares_multipliers():
    x, y = sample(n=600)
    s = settings(block_len=5, burn_in=100)
    end = settle(s, run(s, StreamRows.of(x, x, y)))
    w = multipliers(np.arange(1, 601) // 5, B)
    replicas, _ = sequential(x, x, y, s.steps(1, 600), w, 100, np.zeros(D))
    assert np.abs(draws(s, end).T - replicas).max() < 1e-12


def test_replicas_that_start_at_the_burn_in_point():
    x, y = sample(n=600)
    s = settings(replica_start="burnin", burn_in=100)
    end = settle(s, run(s, StreamRows.of(x, x, y)))
    w = multipliers(np.arange(1, 601), B).copy()
    w[:100] = 1.0
    replicas, _ = sequential(x, x, y, s.steps(1, 600), w, 100, np.zeros(D))
    assert np.abs(draws(s, end).T - replicas).max() < 1e-12


def test_similar_lengths_compile_once():
    x, y = sample(n=900)
    s = settings(replicas=130, burn_in=5, power=0.51)
    run(s, StreamRows.of(x, x, y))
    before = replica_tile.traces
    run(s, StreamRows.of(x[:790], x[:790], y[:790]))
    assert replica_tile.traces == before


def test_overflow_names_the_row():
    x, y = sample()
    s = settings(c0=400.0, k0=0.0, replicas=0)
    with pytest.raises(ConvergenceError, match=r"overflow at row \d+.*c0"):
        run(s, StreamRows.of(x, x, y))


def test_permuting_the_groups_of_replicas_permutes_columns():
    x, y = sample(n=64)
    rows = (x, x, y, np.full(64, 0.05), np.ones(64), np.arange(1, 65))
    zero = np.zeros((D, 128))
    options = {"loss": "squared", "law": "mammen"}
    straight, swapped = (
        replica_tile(zero, zero, rows, np.int64(4), seed_words(0), np.array(g, np.uint32), np.float64(0.0), **options)[
            0
        ]
        for g in ([0, 1], [1, 0])
    )
    assert np.array_equal(straight[:, :64], swapped[:, 64:]) and np.array_equal(straight[:, 64:], swapped[:, :64])


def test_the_accelerator_path_gives_the_same_numbers(monkeypatch):
    """One tile, longer blocks, the point estimate on the processor: run here on the processor."""
    from statinf.stochastic import engine

    x, y = sample(n=1100)
    s = settings(replicas=700, burn_in=100)
    tiles = settle(s, run(s, StreamRows.of(x, x, y)))
    monkeypatch.setattr(engine, "accelerated", lambda: True)
    whole = settle(s, run(s, StreamRows.of(x, x, y)))
    assert np.array_equal(tiles.mean, whole.mean)
    assert np.abs(draws(s, tiles) - draws(s, whole)).max() < 1e-12
