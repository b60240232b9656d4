"""Paths of diffusions under a fixed policy, whose values are known."""

from __future__ import annotations

import numpy as np

from statinf.datasets.dgp.registry import Draw, dgp
from statinf.errors import OptionError


@dgp("ornstein_uhlenbeck", reference="Jia & Zhou (2022), arXiv 2108.06655")
def ornstein_uhlenbeck(
    n: int,
    rng: np.random.Generator,
    *,
    step: float = 0.1,
    horizon: float = 10.0,
    kappa: float = 1.0,
    sigma: float = 0.7,
    discount: float = 0.5,
) -> Draw:
    """Episodes of a stationary Ornstein-Uhlenbeck process with the squared state as reward.

    dx = -kappa x dt + sigma dW, drawn exactly at multiples of `step` up to `horizon`; a number of rows that does not fill its last
    episode cuts it short. The value of a state is a x^2 + c with a = 1 / (discount + 2 kappa) and c = sigma^2 a / discount.

    Parameters
    ----------
    n, rng
        Rows and generator.
    step, horizon : float
        Time between rows, and time of an episode.
    kappa, sigma : float
        Pull to zero and volatility.
    discount : float
        Rate, above zero.
    """
    for name, value in (("step", step), ("horizon", horizon), ("kappa", kappa), ("discount", discount)):
        if not value > 0.0:
            raise OptionError(f"{name}={value!r} must be above 0.")
    rows = round(horizon / step) + 1
    if rows < 2:
        raise OptionError(f"horizon={horizon!r} must be at least step={step!r}.")
    episodes = -(-n // rows)
    keep = np.exp(-kappa * step)
    spread = sigma / np.sqrt(2.0 * kappa)
    noise = rng.standard_normal((episodes, rows)) * spread
    x = np.empty_like(noise)
    x[:, 0] = noise[:, 0]
    for k in range(1, rows):
        x[:, k] = keep * x[:, k - 1] + np.sqrt(1.0 - keep**2) * noise[:, k]
    a = 1.0 / (discount + 2.0 * kappa)
    truth = {"a": a, "c": sigma**2 * a / discount, "discount": discount}
    columns = {
        "episode": np.repeat(np.arange(episodes), rows)[:n],
        "time": np.tile(step * np.arange(rows), episodes)[:n],
        "x": x.ravel()[:n],
    }
    return columns | {"reward": columns["x"] ** 2}, truth


@dgp("mean_variance", reference="Jia & Zhou (2022), arXiv 2108.06655")
def mean_variance(
    n: int,
    rng: np.random.Generator,
    *,
    drift: float = 0.08,
    volatility: float = 0.2,
    rate: float = 0.02,
    start: float = 1.0,
    goal: float = 1.4,
    horizon: float = 1.0,
    rows: int = 253,
) -> Draw:
    """Years of a portfolio under a fixed mean-variance policy: the distance y of its worth from the goal, and y^2 at the end.

    dy = -rho^2 y dt - rho y dW with rho = (drift - rate) / volatility, drawn exactly. The value of a state is
    y^2 exp(-theta (T - t)) with theta = rho^2; nothing is paid before the end.

    Parameters
    ----------
    n, rng
        Rows and generator.
    drift, volatility, rate : float
        Of the stock, and the riskless rate.
    start, goal : float
        Worth at the start, and that aimed at.
    horizon : float
        Years of an episode.
    rows : int
        Rows of an episode.
    """
    if rows < 2 or not horizon > 0.0 or not volatility > 0.0:
        raise OptionError(
            f"rows={rows!r} must be at least 2, horizon={horizon!r} and volatility={volatility!r} above 0."
        )
    rho = (drift - rate) / volatility
    episodes, step = -(-n // rows), horizon / (rows - 1)
    moves = -1.5 * rho**2 * step - rho * np.sqrt(step) * rng.standard_normal((episodes, rows - 1))
    path = np.concatenate([np.zeros((episodes, 1)), np.cumsum(moves, axis=1)], axis=1)
    y = (start - goal) * np.exp(path)
    columns = {
        "episode": np.repeat(np.arange(episodes), rows)[:n],
        "time": np.tile(step * np.arange(rows), episodes)[:n],
        "left": np.tile(horizon - step * np.arange(rows), episodes)[:n],
        "y": y.ravel()[:n],
    }
    return columns | {"reward": np.zeros(n), "paid": columns["y"] ** 2}, {"theta": rho**2}
