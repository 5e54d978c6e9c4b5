from tokenworks.providers.scripted.frame import data_event, named_event
from tokenworks.schema import Usage


def test_an_event_is_one_block_of_lines() -> None:
    assert data_event({"a": "x\ny"}).data == b'data: {"a":"x\\ny"}\n\n'
    named = named_event({"type": "ping"}, Usage(1), last=True)
    assert named.data == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert (named.usage, named.last, named.partial) == (Usage(1), True, False)
