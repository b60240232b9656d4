"""Markov reward processes with known values."""

from __future__ import annotations

import numpy as np

from statinf.datasets.dgp.garnet import garnet as problem
from statinf.datasets.dgp.registry import Draw, dgp
from statinf.errors import OptionError


@dgp("garnet", reference="Samsonov, Moulines, Shao, Zhang & Naumov (2024), arXiv 2405.16644")
def garnet(n: int, rng: np.random.Generator, *, discount: float = 0.9, trajectory: bool = False) -> Draw:
    """Transitions of the published Garnet problem: 10 states, 2 actions, 3 successors.

    The truth holds the `value` of each state, the `stationary` law, and `limit_variance`, the asymptotic variances of
    sqrt(n) (average - value) for independent transitions.

    Parameters
    ----------
    n, rng
        Rows and generator.
    discount : float
        In [0, 1).
    trajectory : bool
        One path through the states instead of independent transitions from the stationary law.
    """
    if not 0.0 <= discount < 1.0:
        raise OptionError(f"discount={discount!r} must be at least 0 and below 1.")
    made = problem(discount=float(discount))
    state, following, reward = made.sample(n, rng, trajectory=trajectory)
    truth = {
        "value": made.value.tolist(),
        "stationary": made.stationary.tolist(),
        "limit_variance": np.diag(made.limit_covariance()).tolist(),
    }
    return {"state": state, "next_state": following, "reward": reward}, truth


def reward_process(d: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Transition matrix (10, 10), rewards (10,) and features (10, d) of the process of arXiv 2410.16106, discount 0.2.

    States before d - 1 have a feature of their own, the others share the last one.
    """
    size, discount, small = 10, 0.2, 0.01
    own = d - 1
    q = np.full(own, discount - (1 - discount) ** 2 * small)
    q[: own // 2] += 2 * (1 - discount) ** 2 * small
    p = (1 - q) / ((1 - discount) * own)
    transition = np.zeros((size, size))
    for i in range(own):
        transition[i, i] = q[i]
        transition[i, own:] = (1 - q[i]) / (size - own)
    transition[own:, :own] = (1 - discount) * p
    transition[own:, own:] = discount / (size - own)
    reward = np.where(np.arange(size) < own, 0.0, 1.0)
    features = np.eye(d)[np.minimum(np.arange(size), own)]
    return transition, reward, features


@dgp("wu_reward_process", reference="Wu, Li, Wei & Rinaldo (2024), arXiv 2410.16106")
def wu_reward_process(n: int, rng: np.random.Generator, *, d: int = 3) -> Draw:
    """Independent transitions of a 10-state reward process with d features, discount 0.2.

    Columns f1 ... fd are the features of the state, next_f1 ... next_fd those of the next one. The truth holds `theta`,
    and `limit_covariance` of sqrt(n) (average - theta).

    Parameters
    ----------
    n, rng
        Rows and generator.
    d : int
        Number of features, odd, from 3 to 9.
    """
    if d not in (3, 5, 7, 9):
        raise OptionError(f"d={d!r} must be 3, 5, 7 or 9.")
    transition, reward, phi = reward_process(d)
    stationary = np.linalg.lstsq(
        np.vstack([transition.T - np.eye(10), np.ones(10)]), np.append(np.zeros(10), 1.0), rcond=None
    )[0]
    moved = phi - 0.2 * transition @ phi
    matrix = phi.T @ (stationary[:, None] * moved)
    theta = np.linalg.solve(matrix, phi.T @ (stationary * reward))
    error = (phi @ theta)[:, None] - 0.2 * (phi @ theta)[None, :] - reward[:, None]
    noise = phi.T @ ((stationary * (transition * error**2).sum(axis=1))[:, None] * phi)
    inverse = np.linalg.inv(matrix)
    state = np.searchsorted(np.cumsum(stationary), rng.random(n) * (1 - 1e-15), side="right").clip(0, 9)
    following = (np.cumsum(transition, axis=1)[state] <= rng.random(n)[:, None]).sum(axis=1).clip(0, 9)
    columns = {"reward": reward[state]}
    columns |= {f"f{j + 1}": phi[state, j] for j in range(d)} | {f"next_f{j + 1}": phi[following, j] for j in range(d)}
    return columns, {"theta": theta.tolist(), "limit_covariance": (inverse @ noise @ inverse.T).tolist()}
