"""The words that tell tasks."""

from tokenworks.routing.cues import IDEOGRAPHIC, PAIRS, WORDS
from tokenworks.routing.features import normalise
from tokenworks.routing.task import TASKS


def test_cues_speak_for_tasks_that_exist() -> None:
    told = [each for table in (WORDS, PAIRS, IDEOGRAPHIC) for row in table.values() for each in row]
    assert {task for task, _ in told} == set(TASKS)
    assert all(weight > 0 for _, weight in told)


def test_cues_are_written_as_texts_are_read() -> None:
    for word in [*WORDS, *PAIRS, *IDEOGRAPHIC]:
        assert normalise(word) == word
    assert all(pair.count(" ") == 1 for pair in PAIRS), [pair for pair in PAIRS if pair.count(" ") != 1]
