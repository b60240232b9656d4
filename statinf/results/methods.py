"""A method as a value: one record per method, from which verbs dispatch and documents are made.

Each method's file ends in ``METHOD = Method(...)``; a family's `table.py` lists the files. A verb finds the record,
reads the caller's options with it, and hands both the family's problem and the options to `estimate`.
"""

from __future__ import annotations

import importlib
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from statinf.errors import OptionError, nearest
from statinf.results.options import Options, refuse_unknown
from statinf.spellings import hints, plain

TRAITS = (
    "row order",
    "column shift",
    "column scale",
    "zero weights",
    "weights doubled",
    "errors of doubled weights",
    "save",
)
"""Promises that a method's record may take back, with the reason: `Method.traits`."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method of a verb.

    A family whose methods have more to say than this record inherits from it.

    Attributes
    ----------
    verb : str
        The public function, such as "balance".
    name : str
        What `method=` takes; empty where the verb is one method.
    estimate : callable
        From the family's problem and this method's options to its estimate.
    options : type
        The `Options` record of this method.
    summary : str
        What it does, in one sentence; for the verb's documentation.
    citation : str
        Authors and year, with the idea where that helps: as tables print it.
    arxiv : str
        arXiv id, or empty.
    guarantee : str
        What holds, in a few words.
    vignette : str
        Name of the vignette that shows it, or empty.
    traits : mapping of str to str
        Those of `TRAITS` that cannot hold for this method, with the reason.
    """

    verb: str
    name: str
    estimate: Callable[..., Any]
    options: type[Options] = Options
    summary: str = ""
    citation: str = ""
    arxiv: str = ""
    guarantee: str = ""
    vignette: str = ""
    traits: Mapping[str, str] = field(default_factory=dict)

    @property
    def paper(self) -> str:
        """The citation, as tables of methods name it."""
        return self.citation

    @property
    def reference(self) -> str:
        """Citation with the arXiv id, as results print it."""
        return f"{self.citation}, arXiv {self.arxiv}" if self.arxiv else self.citation


class MethodTable(Mapping[str, Method]):
    """The methods of one verb, in order; a method's file is imported when it is first asked for.

    Parameters
    ----------
    verb : str
    modules : mapping of str to str
        File of each method by the method's name; a file of several methods has `METHODS`, a mapping by name.
    shared : sequence of str
        Keyword arguments that the verb's signature holds for all its methods; for hints.
    aliases : mapping of str to str
        Spellings of other packages whose meaning is plain; case and signs do not count in any name.
    """

    def __init__(
        self,
        verb: str,
        modules: Mapping[str, str],
        *,
        shared: Sequence[str] = (),
        aliases: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.verb, self.shared, self.aliases = verb, tuple(shared), dict(aliases)
        self._modules = dict(modules)

    def __getitem__(self, name: str) -> Method:
        module = importlib.import_module(self._modules[name])
        several = getattr(module, "METHODS", None)
        found: Method = several[name] if several is not None and name in several else module.METHOD
        if (found.verb, found.name) != (self.verb, name):
            raise RuntimeError(f"{module.__name__} holds {found.verb}/{found.name}, listed as {self.verb}/{name}")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def find(self, name: Any) -> Method:
        """The record of `method=name`; an `OptionError` lists the names, and the nearest, if it is unknown."""
        if isinstance(name, str):
            if name in self._modules:
                return self[name]
            known = self.spelled.get(plain(name))
            if known is not None and (plain(name) or not name):
                return self[known]
        choices = ", ".join(map(repr, self._modules))
        said = self._guessed(str(name)) or nearest(str(name), list(self._modules))
        raise OptionError(f"method={name!r} is not a method of si.{self.verb}; choose one of {choices}.{said}")

    @cached_property
    def spelled(self) -> Mapping[str, str]:
        """The methods by their names and aliases, as `plain` writes these."""
        return {plain(name): known for name, known in (*self.aliases.items(), *((own, own) for own in self._modules))}

    def _guessed(self, name: str) -> str:
        """What the name is in this verb, or else in another."""
        said = hints("verb", name)
        own = [one for one in said if f"si.{self.verb}(" in one]
        return "".join(f" {one}" for one in (own or said)[:1])

    def read(self, name: Any, given: Mapping[str, Any]) -> tuple[Method, Any]:
        """The record of `method=name` and its options as the caller gave them, all checked.

        Raises
        ------
        OptionError
            For an unknown method, an option that it does not take, or a value out of range.
        """
        method = self.find(name)
        takes = method.options.names()
        if not set(given) <= set(takes):
            others = {other: self[other].options.names() for other in self if other != method.name}
            refuse_unknown(given, takes, self.verb, method.name, others | {"": self.shared})
        return method, method.options(**given)

    @cached_property
    def documentation(self) -> str:
        """Methods and their options, as the verb's docstring holds them."""
        return "\n".join(line for method in self.values() for line in describe(method))

    def document(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        """Write the methods and their options into a verb's docstring, at the line that says ``{methods}``; a decorator."""
        doc = verb.__doc__ or ""
        line = re.search(r"^( *)\{methods\}", doc, re.MULTILINE)
        indent = line.group(1) if line else ""
        verb.__doc__ = doc.replace("{methods}", textwrap.indent(self.documentation, indent).strip())
        return verb


def describe(method: Method) -> list[str]:
    """Lines that tell what a method does and what each of its options means."""
    head = f'"{method.name}"' if method.name else ""
    said = ". ".join(s.rstrip(".") for s in (method.summary or method.guarantee, method.reference) if s)
    lines = textwrap.wrap(f"{head}: {said}." if head else f"{said}.", 112, subsequent_indent="    ")
    for name, (rule, default) in method.options.rules().items():
        text = f"{name} = {default!r}: {rule.meaning.rstrip('.')}; {rule.accepts}."
        lines += textwrap.wrap(text, 112, initial_indent="    ", subsequent_indent="        ")
    for text in withheld(method):
        lines += textwrap.wrap(text, 112, initial_indent="    ", subsequent_indent="        ")
    return lines


def withheld(method: Method) -> list[str]:
    """A sentence for each promise that the method cannot keep."""
    return [f"Not promised: {promise}, because {reason}." for promise, reason in method.traits.items()]


def tables(*found: MethodTable) -> tuple[Method, ...]:
    """Every method of several verbs, in order."""
    return tuple(method for table in found for method in table.values())
