"""Fields of saved results: a value of a wrong type is refused by the name of its field."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

import statinf as si
from results.archives import members_of, signed
from statinf.results.conforming import conforms, declared
from statinf.results.encoding import Decoder


@pytest.fixture
def saved(tmp_path):
    return si.lm("mpg ~ wt + hp", si.datasets.load("mtcars")).save(tmp_path / "fit.si")


WRONG = (
    {"!": "list", "items": [{"!": "list", "items": ["a"]}]},
    "text",
    3.5,
    True,
    None,
    {"!": "slice", "items": [0, 1]},
)


def records(node, at=()):
    """Paths to the fields of all records in a tree, with the record's class and the field."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    if isinstance(node, dict) and node.get("!") == "record":
        module, _, name = node["class"].partition(":")
        for field in node["fields"]:
            yield (*at, "fields", field), getattr(importlib.import_module(module), name), field
        items = node["fields"].items()
        at = (*at, "fields")
    for key, value in items:
        yield from records(value, (*at, key))


def with_value(path, tree, at, value):
    """The file with one value of its tree replaced, and without the arrays that only the old one used."""
    document = copy.deepcopy(tree)
    inner = document["result"]
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    text = json.dumps(document)
    members = {k: v for k, v in members_of(path).items() if f'"{k.removesuffix(".npy")}"' in text}
    return signed(members | {"result.json": text.encode()}, path.with_name("wrong.si"))


@pytest.mark.parametrize("make", [
    lambda d: si.lm("mpg ~ wt + C(cyl)", d).bootstrap(30), lambda d: si.rq("mpg ~ wt", d.head(31), tau=[0.25, 0.5]),
    lambda d: si.balance("am ~ wt", d), lambda d: si.conformal("mpg ~ wt", d), lambda d: si.iv("mpg ~ wt | hp | disp", d),
], ids=["lm", "rq", "balance", "conformal", "iv"])  # fmt: skip
def test_a_field_of_a_wrong_type_is_named_with_the_file(make, tmp_path):
    path = make(si.datasets.load("mtcars")).save(tmp_path / "fit.si")
    tree = json.loads(members_of(path)["result.json"])
    fields = {(kind, field): at for at, kind, field in records(tree["result"])}
    assert len(fields) > 20
    for number, ((kind, field), at) in enumerate(fields.items()):
        wrong = [value for value in WRONG if not conforms(Decoder(None, {})(value), kind, field)]
        if not wrong:
            assert declared(kind, field) in ("Any", "object")
            continue
        with pytest.raises(si.DataError, match=rf"wrong.si.*'{field}' of {kind.__name__} holds a "):
            si.load(with_value(path, tree, at, wrong[number % len(wrong)]))


def test_types_that_annotations_name():
    class Elsewhere:  # not a name of this module, as what is imported for the type checker alone
        pass

    @dataclass
    class Record:
        one: int | None
        two: tuple[str, ...]
        three: Mapping[str, tuple[float, int]]
        four: Elsewhere
        five: np.ndarray
        six: bool
        seven: dict[str, list[float]]
        eight: Literal["a", "b"]

    good = {"one": (3, None, np.int64(3)), "two": ((), ("a", "b")), "three": ({"a": (1.5, 2)}, {}), "eight": ("a",)}
    good |= {
        "four": (Elsewhere(),),
        "five": (np.zeros(2),),
        "six": (True, np.bool_(False)),
        "seven": ({"a": [1.0, 2]},),
    }
    bad = {"one": (3.5, True, "3"), "two": (["a"], ("a", 1), "a"), "three": ({"a": (1.5,)}, {1: (1.5, 2)}, [])}
    bad |= {"four": (3, None), "five": ([1.0], None), "six": (1, None), "seven": ({"a": ["b"]},), "eight": ("c", 1)}
    for field, values in good.items():
        assert all(conforms(value, Record, field) for value in values), field
    for field, values in bad.items():
        assert not any(conforms(value, Record, field) for value in values), field


def test_shapes_that_do_not_fit_are_refused(saved):
    members = members_of(saved)
    name = json.loads(members["result.json"])["result"]["fields"]["theta"]["key"] + ".npy"
    for array in (np.zeros(5), np.zeros((2, 1)), np.array(["a", "b"]), np.array([1, 2])):
        np.save(buffer := io.BytesIO(), array)
        with pytest.raises(si.DataError, match=r"fit.si.*the estimates are .* of shape .*, for \d terms"):
            si.load(signed(members | {name: buffer.getvalue()}, saved))


EDITS = (
    lambda x: x[:-1] if x.ndim else x + 1,
    lambda x: x[..., None],
    lambda x: np.concatenate([x, x]) if x.ndim else np.array([x, x]),
)


@pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
@pytest.mark.parametrize("make", [
    lambda d: si.lm("mpg ~ wt + C(cyl)", d).bootstrap(30), lambda d: si.rq("mpg ~ wt", d.head(31), tau=[0.25, 0.5]),
    lambda d: si.balance("am ~ wt", d), lambda d: si.conformal("mpg ~ wt", d),
], ids=["lm", "rq", "balance", "conformal"])  # fmt: skip
def test_wrong_contents_with_a_right_digest_end_at_loading(make, tmp_path):
    """Arrays of another shape, lists without their last item and other names, one at a time."""
    data, path = si.datasets.load("mtcars"), tmp_path / "fit.si"
    members, refused = members_of(make(data).save(path)), 0
    tree = json.loads(members["result.json"])
    arrays = sorted(name for name in members if name.endswith(".npy"))
    for number, name in enumerate(arrays):
        array = np.load(io.BytesIO(members[name]), allow_pickle=False)
        np.save(buffer := io.BytesIO(), EDITS[number % len(EDITS)](array))
        refused += is_refused(signed(members | {name: buffer.getvalue()}, path), data)
    for number, (holder, key) in enumerate(texts_and_lists(tree["result"])):
        if number % 4 == 0:
            kept = holder[key]
            holder[key] = kept + "z" if isinstance(kept, str) else kept[:-1]
            text = json.dumps(tree)
            used = {k: v for k, v in members.items() if f'"{k.removesuffix(".npy")}"' in text}
            refused += is_refused(signed(used | {"result.json": text.encode()}, path), data)
            holder[key] = kept
    assert refused >= 5


def is_refused(path, data):
    """Whether a file is refused by name; one that is not must answer without an error of Python's."""
    try:
        back = si.load(path)
    except si.DataError as error:
        assert "fit.si" in str(error)
        return True
    for ask in (back.summary, back.glance, back.tidy, lambda: back.predict(data)):
        with contextlib.suppress(si.StatinfError):
            ask()
    return False


def texts_and_lists(node):
    """Places of texts and lists in a tree, as what holds them and under which key."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key not in ("!", "class") and isinstance(value, str | list) and value:
            yield node, key
        if isinstance(value, dict | list):
            yield from texts_and_lists(value)
