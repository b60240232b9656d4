"""The boundary between NumPy and JAX: float64 inside, the caller's settings untouched, few compilations."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from statinf.backend import Kernel, bucket, kernel, pad_axis, pad_rows, x64


def product() -> Kernel:
    @kernel
    def weighted(x, w):
        return (x * w[:, None]).sum(axis=0), {"total": w.sum()}

    return weighted


def test_numpy_in_numpy_out_in_float64():
    x = np.random.default_rng(0).normal(size=(7, 3))
    made, rest = product()(x, np.ones(7))
    assert type(made) is np.ndarray and made.dtype == np.float64
    assert type(rest["total"]) is np.ndarray and rest["total"].dtype == np.float64
    np.testing.assert_allclose(made, x.sum(axis=0), rtol=1e-15)
    small, _ = product()(x.astype(np.float32), np.ones(7, np.float32))
    assert small.dtype == np.float64


def test_whole_numbers_and_truth_values_keep_their_type():
    @kernel
    def same(i, b):
        return i, b

    i, b = same(np.array([2**40, 1]), np.array([True, False]))
    assert i.dtype == np.int64 and i[0] == 2**40 and b.dtype == bool


@pytest.mark.parametrize("already", [False, True])
def test_the_callers_precision_is_left_as_it_was(already):
    import jax
    import jax.numpy as jnp

    before = jax.config.jax_enable_x64
    try:
        jax.config.update("jax_enable_x64", already)
        wanted = jnp.float64 if already else jnp.float32
        assert jnp.asarray(1.5).dtype == wanted
        assert product()(np.ones((4, 2)), np.ones(4))[0].dtype == np.float64
        assert jnp.asarray(1.5).dtype == wanted and jax.config.jax_enable_x64 == already
        with pytest.raises(ZeroDivisionError), x64():
            assert jnp.asarray(1.5).dtype == jnp.float64
            raise ZeroDivisionError
        assert jnp.asarray(1.5).dtype == wanted
    finally:
        jax.config.update("jax_enable_x64", before)


def test_the_default_device_is_left_as_it_was():
    import jax

    from statinf.backend import set_device

    before = jax.config.jax_default_device
    with set_device("cpu"):
        product()(np.ones((4, 2)), np.ones(4))
        assert jax.config.jax_default_device == before


def test_threads_keep_their_own_precision():
    import jax.numpy as jnp

    inside, checked = threading.Event(), threading.Event()
    found: dict[str, object] = {}

    def library():
        with x64():
            inside.set()
            checked.wait(10)
            found["library"] = jnp.asarray(1.5).dtype

    thread = threading.Thread(target=library)
    thread.start()
    assert inside.wait(10)
    found["caller"] = jnp.asarray(1.5).dtype
    checked.set()
    thread.join()
    assert found == {"library": jnp.float64, "caller": jnp.asarray(1.5).dtype}
    assert found["caller"] == jnp.float32


def test_kernels_called_from_several_threads_agree():
    weighted = product()
    x = np.random.default_rng(1).normal(size=(500, 3))
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(weighted(x, np.ones(500))[0])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    for made in results:
        np.testing.assert_array_equal(made, results[0])
        assert made.dtype == np.float64


def test_a_second_call_of_similar_size_compiles_nothing():
    weighted = product()
    rng = np.random.default_rng(2)
    for n in (600, 700, 1000, 1024):
        x, w = rng.normal(size=(n, 3)), rng.uniform(size=n)
        made, rest = weighted(*pad_rows(x, w))
        np.testing.assert_allclose(made, w @ x, rtol=1e-12)
        np.testing.assert_allclose(rest["total"], w.sum(), rtol=1e-12)
    assert weighted.traces == 1
    weighted(*pad_rows(rng.normal(size=(1025, 3)), np.ones(1025)))
    assert weighted.traces == 2


def test_each_static_option_compiles_once():
    @kernel(static=("power",))
    def powered(x, *, power):
        return (x**power).sum()

    x = np.arange(4.0)
    assert powered(x, power=2) == 14.0 and powered(x, power=3) == 36.0 and powered(x, power=2) == 14.0
    assert powered.traces == 2
    assert powered.inner(x, power=2) == 14.0


def test_kernels_nest_through_their_inner_functions():
    weighted = product()

    @kernel
    def doubled(x, w):
        return 2.0 * weighted.inner(x, w)[0]

    np.testing.assert_allclose(doubled(np.ones((3, 2)), np.ones(3)), [6.0, 6.0])
    assert weighted.traces == 0


def test_a_kernel_keeps_its_name_and_documentation():
    @kernel
    def named(x):
        """Say something."""
        return x

    assert named.__name__ == "named" and named.__doc__ == "Say something."


@pytest.mark.parametrize("n", [1, 255, 256, 257, 1000, 2**17, 2**17 + 1, 10**6, 12_345_678])
def test_buckets_hold_their_rows_at_bounded_cost(n):
    size = bucket(n)
    assert size >= max(n, 256) and bucket(size) == size
    assert size <= 2 * max(n, 256)
    if n > 2**18:
        assert size <= 1.25 * n + 2**16


def test_buckets_are_monotone_and_few():
    sizes = [bucket(n) for n in range(1, 300_000, 97)]
    assert sizes == sorted(sizes)
    assert len({bucket(n) for n in range(2_000, 8_001)}) == 3


def test_padding_adds_and_copies_nothing_it_need_not():
    x = np.arange(6.0).reshape(3, 2)
    assert pad_axis(x, 3) is x
    made = pad_axis(x, 5, value=-1.0)
    np.testing.assert_array_equal(made[:3], x)
    assert (made[3:] == -1.0).all() and made.shape == (5, 2)
    assert pad_axis(np.array([1, 2]), 4).dtype == np.array([1, 2]).dtype
    np.testing.assert_array_equal(pad_axis(x, 4, axis=1)[:, 2:], 0.0)
    a, b = pad_rows(x, np.ones(3))
    assert len(a) == len(b) == 256 and b.sum() == 3.0
