"""Kernels of averaged stochastic approximation with rank-one increments.

One step of the recursion is ``theta <- theta - alpha w f psi(g'theta, c)`` with vectors f, g of a row, its
response c, a step alpha and a multiplier w. Least squares, instruments and temporal differences have
psi(u, c) = u - c; a logistic, quantile or Poisson loss differs only in psi. Under a Poisson loss the step is implicit, psi
stands for its value at the next iterate, for no bounded step is safe where exp(u) is large; Toulis & Airoldi (2017), Annals
of Statistics 45.

Because each increment is a multiple of f, a block of m steps needs the replicas' d-vectors only at its start: with
K = G F' the predictions of the later steps follow from the increments of the earlier ones by forward
substitution, for any psi, exactly. The d-dimensional work becomes two matrix products a block.
"""

from __future__ import annotations

from typing import Any

from statinf.backend import kernel
from statinf.numerics.laws.multipliers import draw_multipliers

LOSSES = ("squared", "logistic", "quantile", "poisson")

BLOCK, CHAIN = 16, 8
"""Steps a block of the replica kernel, and steps of its forward substitution that are written out."""

ACCELERATOR_BLOCK, ACCELERATOR_CHAIN = 32, 16
"""The same on an accelerator, where every step that is not written out is a kernel launch."""


def increment(u: Any, c: Any, tau: Any, loss: str) -> Any:
    """psi(u, c): the derivative of the loss in the prediction u; JAX."""
    import jax
    import jax.numpy as jnp

    if loss == "logistic":
        return jax.nn.sigmoid(u) - c
    if loss == "quantile":
        return jnp.where(c < u, 1.0, 0.0) - tau
    if loss == "poisson":
        return jnp.exp(u) - c
    return u - c


def moved_by(u: Any, c: Any, v: Any, h: Any, tau: Any, loss: str) -> Any:
    """The increment of a row: v psi(u, c) for steps v; of leverage h and a Poisson loss v psi(u - h e, c) = e; JAX.

    The next prediction u - h e is a - w with w + log w = a + log(h v), a = u + h v c: Wright's omega function, by three
    steps of Fritsch, Shafer & Crowley (1973), CACM 16, whose error is below rounding.
    """
    import jax.numpy as jnp

    if loss != "poisson":
        return v * increment(u, c, tau, loss)
    rate = jnp.maximum(h * v, 1e-290)
    a = u + rate * c
    z = a + jnp.log(rate)
    small = jnp.exp(jnp.minimum(z, 1.0))
    w = jnp.maximum(jnp.where(z > 1.0, z - jnp.log(jnp.maximum(z, 1.0)), small / (1.0 + small)), 1e-300)
    for _ in range(3):
        r = z - w - jnp.log(w)
        q = 2.0 * (1.0 + w) * (1.0 + w + 2.0 / 3.0 * r)
        w = jnp.maximum(w * (1.0 + r / (1.0 + w) * (q - r) / (q - 2.0 * r)), 1e-300)
    return v * (jnp.exp(jnp.minimum(a - w, 700.0)) - c)


@kernel(static=("loss",))
def point_path(carry: Any, F: Any, G: Any, c: Any, alpha: Any, share: Any, tau: Any, *, loss: str):
    """The recursion of the point estimate over some rows.

    Parameters
    ----------
    carry : tuple of arrays theta (d,), mean (d,)
        The last iterate and the average so far.
    F, G : arrays, shape (n, d)
    c, alpha : arrays, shape (n,)
    share : array, shape (n,)
        Weight of the iterate after this row in the running average: 1 until the average starts, then 1/1, 1/2,
        1/3 and so on; 0 in padding.
    tau : float
        Quantile level; ignored by other losses.
    loss : str
        One of `LOSSES`.

    Returns
    -------
    carry
        After the last row.
    path, means : arrays, shape (n, d)
        The iterate and the running average after each row.
    """
    from jax import lax

    # Two plain loops: XLA compiles each to straight code, 8 times faster than one loop with both in its body.
    def step(theta: Any, row: Any) -> Any:
        f, g, target, a = row
        theta = theta - f * moved_by(g @ theta, target, a, g @ f if loss == "poisson" else 0.0, tau, loss)
        return theta, theta

    theta, path = lax.scan(step, carry[0], (F, G, c, alpha))

    def average(mean: Any, row: Any) -> Any:
        mean = (1.0 - row[1]) * mean + row[1] * row[0]
        return mean, mean

    mean, means = lax.scan(average, carry[1], (path, share))
    return (theta, mean), path, means


@kernel
def running_batches(partial: Any, path: Any, fresh: Any) -> Any:
    """Sums of iterates within batches, after each row.

    Parameters
    ----------
    partial : array, shape (d,)
        Sum of the current batch before the first row.
    path : array, shape (n, d)
    fresh : array, shape (n,)
        1 where a batch begins.

    Returns
    -------
    array, shape (n, d)
    """
    from jax import lax

    def step(total: Any, row: Any) -> Any:
        total = (1.0 - row[1]) * total + row[0]
        return total, total

    return lax.scan(step, partial, (path, fresh))[1]


def _substitute(K: Any, R: Any, V: Any, c: Any, tau: Any, loss: str, chain: int) -> Any:
    """Increments E of a block: E_j = V_j psi(R_j - sum_{i<j} K_ji E_i, c_j), by pieces of `chain` steps."""
    import jax.numpy as jnp

    block = len(c)
    pieces: list[Any] = []
    for start in range(0, block, chain):
        stop = min(start + chain, block)
        U = R[start:stop]
        if pieces:
            U = U - K[start:stop, :start] @ jnp.concatenate(pieces)
        done: list[Any] = []
        for j in range(start, stop):
            u = U[j - start]
            for i, before in enumerate(done):
                u = u - K[j, start + i] * before
            done.append(moved_by(u, c[j], V[j], K[j, j], tau, loss))
        pieces.append(jnp.stack(done))
    return jnp.concatenate(pieces)


@kernel(static=("loss", "law", "block", "chain"))
def replica_tile(
    Th: Any, S: Any, rows: Any, blocks: Any, words: Any, groups: Any, tau: Any,
    *, loss: str, law: str, block: int = BLOCK, chain: int = CHAIN,
):  # fmt: skip
    """Advance a tile of weighted replicas over some blocks of rows.

    Parameters
    ----------
    Th, S : arrays, shape (d, 64 g)
        Replicas and the running sums of their averaged iterates.
    rows : tuple of arrays F (n, d), G (n, d), c (n,), alpha (n,), kept (n,), number (n,)
        Rows with alpha 0 change nothing. `number` (int64) is the row number the multipliers are drawn by; a
        negative number means a multiplier of one.
    blocks : int
        How many blocks of the rows are used; the rest is padding.
    words, groups : uint32 arrays
        The seed's words and the groups of replicas in this tile.
    tau : float
        Quantile level; ignored by other losses.
    loss, law : str
    block, chain : int
        Steps a block, and steps of the forward substitution that are written out: more of them are fewer
        kernels on an accelerator and slower to compile.

    Returns
    -------
    Th, S
    """
    import jax.numpy as jnp
    from jax import lax

    d = Th.shape[0]

    def one(i: Any, carry: Any) -> Any:
        Th, S = carry
        F, G, c, alpha, kept, number = (lax.dynamic_slice_in_dim(a, i * block, block) for a in rows)
        W = draw_multipliers(jnp.maximum(number, 0), groups, words, law=law)
        V = alpha[:, None] * jnp.where(number[:, None] < 0, 1.0, W)
        E = _substitute(G @ F.T, G @ Th, V, c, tau, loss, chain)
        later = jnp.cumsum(kept[::-1])[::-1]
        moved = jnp.concatenate([F.T, (F * later[:, None]).T]) @ E
        return Th - moved[:d], S + later[0] * Th - moved[d:]

    return lax.fori_loop(0, blocks, one, (Th, S))
