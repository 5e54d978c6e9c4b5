"""Pictures as URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from wire_answers import IMAGES

from tokenworks.wire.conversation import Image
from tokenworks.wire.data_url import image_of, url_of


@given(IMAGES)
def test_there_and_back(image: Image) -> None:
    assert image_of(url_of(image)) == image


@pytest.mark.parametrize(
    ("url", "image"),
    [
        ("https://a/b.png", Image(url="https://a/b.png")),
        ("data:image/png;base64,iVBO,R", Image(media_type="image/png", data="iVBO,R")),
        ("data:;base64,", Image()),
        ("data:text/plain,hello", Image(url="data:text/plain,hello")),
        ("data:image/png;base64", Image(url="data:image/png;base64")),
        ("", Image()),
    ],
)
def test_what_a_url_holds(url: str, image: Image) -> None:
    assert image_of(url) == image
