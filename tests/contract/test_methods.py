"""Every method of every table is in the battery, refuses options that are not its own, and documents itself."""

from __future__ import annotations

import contextlib
import io

import pytest

import statinf as si
from contract.verbs import DATA, EXAMPLES, METHODS, NAMES, TABLES, call
from statinf.cli import main
from statinf.results.methods import TRAITS

pytestmark = pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
every_method = pytest.mark.parametrize("method", METHODS, ids=NAMES)


def test_every_verb_of_the_tables_is_in_the_battery():
    assert set(TABLES) <= set(EXAMPLES), "a verb's call is missing in EXAMPLES"
    assert [(m.verb, m.name) for m in METHODS] == [(verb, name) for verb in EXAMPLES for name in TABLES.get(verb, ())]
    assert all(callable(getattr(si, verb)) for verb in TABLES)


@every_method
def test_an_unknown_option_is_refused_before_any_row_is_read(method):
    with pytest.raises(si.OptionError, match="nonsense"):
        call(method, DATA.iloc[:0], nonsense=3)


@every_method
def test_another_methods_option_is_refused_with_its_owner(method):
    mine = {*method.options.names(), *TABLES[method.verb].shared}
    for other in TABLES[method.verb].values():
        for name in set(other.options.names()) - mine:
            with pytest.raises(si.OptionError, match=f"{name}= is an option of method=.*{other.name}"):
                call(method, DATA.iloc[:0], **{name: None})


@every_method
def test_an_option_out_of_its_range_is_refused(method):
    for name, (_, default) in method.options.rules().items():
        if isinstance(default, bool | int | float):
            with pytest.raises(si.OptionError, match=name):
                call(method, DATA, **{name: object()})


@every_method
def test_the_record_documents_itself(method):
    doc = getattr(si, method.verb).__doc__ or ""
    assert method.citation and method.summary
    for name, (rule, _) in method.options.rules().items():
        assert rule.meaning and rule.accepts and f"{name} = " in doc


@every_method
def test_what_is_not_promised_is_known_and_told(method):
    assert set(method.traits) <= set(TRAITS)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["methods", method.verb]) == 0
    for told in (getattr(si, method.verb).__doc__ or "", printed.getvalue()):
        words = " ".join(told.split())
        for name, reason in method.traits.items():
            assert f"Not promised: {name}, because {reason}." in words
