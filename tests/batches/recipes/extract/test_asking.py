from tokenworks.batches.recipes.extract.asking import form, messages
from tokenworks.batches.recipes.extract.fields import Leaf, of_schema

_, SCHEMA = of_schema(
    {
        "properties": {
            "total": {"type": "number"},
            "currency": {"enum": ["EUR"]},
            "lines": {"type": "array", "items": {"properties": {"item": {"type": "string"}}}},
        }
    }
)
PAGES = [{"page": 39, "rows": ["(in millions)", "Revenue 5 6"]}, {"page": 40, "rows": ["Tax 1 2"]}]


def test_the_request_says_how_to_cite_and_marks_the_pages() -> None:
    rules, told = messages(
        "Income statement", [Leaf("revenue", "number", "All sales")], SCHEMA, PAGES, None, ()
    )
    assert all(word in rules["content"] for word in ('"page"', '"quote"', '"scale"', "brackets", "null"))
    assert "- revenue: All sales" in told["content"] and "newest fiscal year" in told["content"]
    assert "[page 39]\n(in millions)\nRevenue 5 6\n\n[page 40]\nTax 1 2" in told["content"]
    assert "Correct this" not in told["content"]


def test_a_year_and_the_problems_of_the_last_answer_are_told() -> None:
    told = messages("", [Leaf("a", "number")], SCHEMA, PAGES, 2015, ("a: page 7 was not shown",))[1][
        "content"
    ]
    assert (
        "fiscal year 2015" in told and "- a: page 7 was not shown" in told and told.startswith("Extraction")
    )


def test_the_form_is_short_and_whole() -> None:
    assert form(SCHEMA) == (
        '{"total": FIGURE, "currency": TEXT with a value of "EUR", null, "lines": [{"item": TEXT}, …]}'
    )
    assert form(SCHEMA) in messages("", [], SCHEMA, PAGES, None, ())[1]["content"]
