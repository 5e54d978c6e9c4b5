"""What all wires do with a request that stays on its wire."""

from __future__ import annotations

import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.asking import CONTROLS, length, model_of, required, without_controls
from tokenworks.wire.peek import peek, raw


def test_the_model() -> None:
    assert model_of(peek(b'{"model":"acme/fast"}')) == "acme/fast"
    for body in (b"{}", b'{"model":""}', b'{"model":null}'):
        with pytest.raises(BadRequest, match="'model' is missing; GET /v1/models"):
            model_of(peek(body))
    with pytest.raises(BadRequest, match="'model' must be a string"):
        model_of(peek(b'{"model":5}'))


def test_what_is_missing_is_named() -> None:
    required({"input": raw("")}, "input", "send one")
    for fields in ({"x": raw(1)}, {"input": raw(None)}):
        with pytest.raises(BadRequest, match=r"^'input' is missing; send one$"):
            required(fields, "input", "send one")


def test_length_in_bytes() -> None:
    assert length(peek('{"a":"é","b":[1]}'.encode()), "a", "b", "c") == 4 + 3


def test_controls_of_the_gateway_are_taken_out_of_a_copy() -> None:
    fields = {**dict.fromkeys(CONTROLS, raw({})), "user": raw("u")}
    assert without_controls(fields) == {"user": raw("u")}
    assert set(fields) == {*CONTROLS, "user"}
    plain = {"user": raw("u")}
    assert without_controls(plain) == plain
    assert without_controls(plain) is not plain


def test_the_first_of_models_stands_for_a_model() -> None:
    assert model_of({"models": raw(["a", "b"])}) == "a"
    assert model_of({"model": raw("m"), "models": raw(["a"])}) == "m"
    for fields in ({"models": raw([])}, {"models": raw("a")}, {"models": raw([1])}, {"models": raw(None)}):
        with pytest.raises(BadRequest, match="'model' is missing"):
            model_of(fields)
