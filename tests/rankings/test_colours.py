"""Colours that stay the same from week to week."""

from tokenworks.rankings import colours


def test_a_country_keeps_its_colour_whoever_leads() -> None:
    first = colours.places(["CN", "US"], countries=True)
    later = colours.places(["US", "FR", "CN", "ZZ"], countries=True)
    assert first["CN"] == later["CN"] and first["US"] == later["US"]
    assert len(set(later.values())) == 4, "and nobody else has it"


def test_what_is_beyond_the_palette_or_unknown_is_grey() -> None:
    places = colours.places([f"author-{at}" for at in range(20)] + ["unknown", "others", ""])
    assert [places[f"author-{at}"] for at in range(8)] == list(range(8))
    assert {places["author-8"], places["unknown"], places["others"], places[""]} == {-1}
    assert colours.colour(-1) == colours.REST and colours.colour(0) == colours.PALETTE[0]
