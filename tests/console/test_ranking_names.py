import pytest

from tokenworks.console.ranking_names import Names
from tokenworks.console.strings import LANGUAGES, Strings
from tokenworks.rankings.views import VIEWS
from tokenworks.routing.task import TASKS

STRINGS = Strings.load(strict=True)


@pytest.mark.parametrize(
    ("column", "value", "english", "chinese"),
    [
        ("country", "CN", "China", "中国"),
        ("country", "", "Unknown", "未知"),
        ("country", "unknown", "Unknown", "未知"),
        ("weights", "open", "Open", "开放"),
        ("category", "code", "Programming", "编程"),
        ("language", "de", "German", "德语"),
        ("language", "tlh", "tlh", "tlh"),
        ("app", "", "No app named", "未注明应用"),
        ("app", "code", "code", "code"),
        ("author", "unknown", "Unknown", "未知"),
        ("author", "<b>", "<b>", "<b>"),
        ("model", "others", "All others", "其他"),
    ],
)
def test_names_are_in_the_readers_language(column: str, value: str, english: str, chinese: str) -> None:
    assert Names(STRINGS, "en").name(column, value) == english
    assert Names(STRINGS, "zh").name(column, value) == chinese


def test_every_view_column_and_task_has_a_name_in_every_language() -> None:
    wanted = {f"view_{name}" for name in VIEWS} | {f"task_{task}" for task in TASKS}
    wanted |= {f"col_{column.name}" for view in VIEWS.values() for column in view.columns}
    wanted -= {"col_title", "col_key_id"}
    for language in LANGUAGES:
        t = Names(STRINGS, language).t
        assert all(t(f"rankings.{name}") for name in wanted)
    tables = [{key for key in STRINGS.tables[each] if key.startswith("rankings.")} for each in LANGUAGES]
    assert tables[0] == tables[1]
