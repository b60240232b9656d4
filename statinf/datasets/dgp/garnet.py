"""Garnet: a random Markov decision problem with a fixed policy, and its exact temporal-difference constants.

Archibald, McKinnon & Thomas (1995); the instance of Samsonov, Moulines, Shao, Zhang & Naumov (2024), arXiv 2405.16644.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Garnet:
    """A Markov reward process on states 0, ..., S - 1 under a policy.

    Parameters
    ----------
    policy, rewards : ndarray, shape (A, S)
        Probabilities and rewards of the actions in each state.
    kernel : ndarray, shape (A, S, S)
        Probabilities of the next state.
    discount : float
    """

    policy: np.ndarray
    rewards: np.ndarray
    kernel: np.ndarray
    discount: float

    @property
    def transition(self) -> np.ndarray:
        """Transition matrix under the policy, shape (S, S)."""
        return np.einsum("as,ast->st", self.policy, self.kernel)

    @property
    def stationary(self) -> np.ndarray:
        """Stationary probabilities of the states, shape (S,)."""
        size = self.policy.shape[1]
        system = np.vstack([self.transition.T - np.eye(size), np.ones(size)])
        return np.linalg.lstsq(system, np.append(np.zeros(size), 1.0), rcond=None)[0]

    @property
    def value(self) -> np.ndarray:
        """Expected discounted reward from each state, shape (S,): the root of tabular TD."""
        reward = np.einsum("as,as->s", self.policy, self.rewards)
        return np.linalg.solve(np.eye(len(reward)) - self.discount * self.transition, reward)

    def mean_matrix(self, features: np.ndarray | None = None) -> np.ndarray:
        """E phi (phi - discount phi')' under the stationary law, shape (d, d); tabular unless features (S, d) are given."""
        phi = np.eye(len(self.stationary)) if features is None else features
        return phi.T @ (self.stationary[:, None] * (phi - self.discount * self.transition @ phi))

    def noise(self) -> np.ndarray:
        """Covariance of the tabular TD noise at the root for independent rows, shape (S, S); diagonal."""
        v, discount = self.value, self.discount
        error = self.rewards[:, :, None] + discount * v[None, None, :] - v[None, :, None]
        return np.diag(self.stationary * np.einsum("as,ast,ast->s", self.policy, self.kernel, error**2))

    def limit_covariance(self) -> np.ndarray:
        """Asymptotic covariance of sqrt(n) (average - value) for independent rows, shape (S, S)."""
        inverse = np.linalg.inv(self.mean_matrix())
        return inverse @ self.noise() @ inverse.T

    def sample(
        self, n: int, rng: np.random.Generator, *, trajectory: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw transitions.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator
        trajectory : bool
            One path through the states instead of independent rows from the stationary law.

        Returns
        -------
        state, next_state : int ndarray, shape (n,)
        reward : ndarray, shape (n,)
        """
        actions, size = self.policy.shape
        joint = np.cumsum(
            (self.policy[:, :, None] * self.kernel).transpose(1, 0, 2).reshape(size, actions * size), axis=1
        )
        start = np.cumsum(self.stationary)
        u = rng.random(n)
        if trajectory:
            state, pick = np.empty(n, np.int64), np.empty(n, np.int64)
            here = int(np.searchsorted(start, rng.random() * start[-1]))
            for k in range(n):
                state[k] = here
                pick[k] = min(int(np.searchsorted(joint[here], u[k], side="right")), actions * size - 1)
                here = pick[k] % size
        else:
            state = np.minimum(np.searchsorted(start, rng.random(n), side="right"), size - 1)
            pick = np.minimum((joint[state] <= u[:, None]).sum(axis=1), actions * size - 1)
        return state, pick % size, self.rewards[pick // size, state]


def garnet(
    states: int = 10,
    actions: int = 2,
    branching: int = 3,
    discount: float = 0.9,
    seeds: tuple[int, int, int] = (1453, 1812, 1821),
) -> Garnet:
    """A Garnet problem; the default is the published instance.

    Parameters
    ----------
    states, actions, branching : int
    discount : float
    seeds : tuple of int
        Seeds of the policy, the kernel and the rewards, for NumPy's legacy generator.

    Examples
    --------
    >>> from statinf.datasets.dgp.garnet import garnet
    >>> garnet().value.round(3)[:3]
    array([5.272, 5.222, 5.438])
    """
    policy = np.random.RandomState(seeds[0]).uniform(size=(actions, states))
    policy /= policy.sum(axis=0)
    legacy = np.random.RandomState(seeds[1])
    successors = [[legacy.choice(states, branching, replace=False) for _ in range(actions)] for _ in range(states)]
    kernel = np.zeros((actions, states, states))
    for i in range(states):
        for j in range(actions):
            for to in successors[i][j]:
                kernel[j, i, to] = legacy.uniform()
    kernel /= kernel.sum(axis=2, keepdims=True)
    rewards = np.random.RandomState(seeds[2]).uniform(size=(actions, states))
    return Garnet(policy, rewards, kernel, discount)
