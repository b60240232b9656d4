"""The recursion written out, one row at a time, with NumPy only."""

import numpy as np


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
