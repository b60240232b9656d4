"""Tables of methods by module name, for verbs whose methods are not records yet."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from statinf.errors import one_of


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes
    ----------
    verb : str
        The public function, such as "balance".
    name : str
        What `method=` takes; empty where the verb is one method.
    module : str
        Where it is implemented; imported when it is first used.
    paper : str
        Authors and year.
    arxiv : str
        arXiv id, or empty.
    guarantee : str
        What holds, in a few words.
    vignette : str
        Name of the vignette that shows it, or empty.
    traits : mapping of str to str
        Promises that it cannot keep, with the reason.
    """

    verb: str
    name: str
    module: str
    paper: str
    guarantee: str
    arxiv: str = ""
    vignette: str = ""
    traits: Mapping[str, str] = field(default_factory=dict)


def load_method(methods: Sequence[Method], verb: str, name: str) -> Any:
    """The module of a method of a verb, imported now; an `OptionError` lists the names if it is unknown."""
    known = {m.name: m for m in methods if m.verb == verb}
    one_of("method", name, tuple(known))
    return importlib.import_module(known[name].module)
