"""What administrators send is described as what reads it, and refused with its line."""

from __future__ import annotations

import json

import msgspec
import pytest
from jsonschema import Draft202012Validator

from tokenworks.api.given import PLAN_SCHEMA, RULES_SCHEMA, printable, refusing
from tokenworks.errors import BadRequest
from tokenworks.plans.rules import LoopRules, Rules
from tokenworks.plans.spec import FairUse, ModelClass, PlanSpec, PlanWindow


def test_the_descriptions_are_whole_and_true() -> None:
    for schema in (RULES_SCHEMA, PLAN_SCHEMA):
        Draft202012Validator.check_schema(schema)
        assert "$ref" not in json.dumps(schema)
    rules = Rules(models=("a",), max_input_mtok=1.5, loops=LoopRules(repeats=3))
    plan = PlanSpec(
        name="pro",
        windows=(PlanWindow(5, "5h"),),
        classes=(ModelClass("all", ("*",), 1.0),),
        fair_use=FairUse(),
    )
    for struct, schema in ((rules, RULES_SCHEMA), (plan, PLAN_SCHEMA)):
        assert set(schema["properties"]) == set(type(struct).__struct_fields__)
        value = json.loads(msgspec.json.encode(struct))
        assert list(Draft202012Validator(schema).iter_errors(value)) == []
        assert list(Draft202012Validator(schema).iter_errors({**value, "unheard_of": 1})) != []
    assert list(Draft202012Validator(PLAN_SCHEMA).iter_errors({})) == [], "a plan's name is in the path"


def test_a_value_error_is_the_senders() -> None:
    with pytest.raises(BadRequest, match="so not"), refusing():
        raise ValueError("so not")
    with pytest.raises(KeyError), refusing():
        raise KeyError("ours")


def test_printable() -> None:
    assert printable("Zoë") == "Zoë"
    for name in ("", " ", "a\nb", "\x07"):
        with pytest.raises(BadRequest, match="reason must be"):
            printable(name, "reason")
