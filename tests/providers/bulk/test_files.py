"""What is particular to the way of files."""

from __future__ import annotations

import json

from handing_in import PATHS, lined, requests

from tokenworks.providers.bulk.files import TAG, Files
from tokenworks.providers.scripted import Script, ScriptedProvider


async def test_one_file_and_one_batch_with_our_tag() -> None:
    async with ScriptedProvider() as provider, lined(provider.base_url) as line:
        way = Files(line)
        batch_id = await way.submit("tag", PATHS["files"], requests("tag", 2, "line\n--tag--\r\n {}"))
        upload, order = provider.requests
        assert upload.path == "/v1/files" and "boundary=tag" in upload.headers["content-type"]
        said = [json.loads(line) for line in provider.stage.bulk.files["file-000001"].splitlines()]
        assert [each["custom_id"] for each in said] == ["tag-0", "tag-1"]
        assert said[1]["method"] == "POST" and said[1]["url"] == PATHS["files"]
        assert said[1]["body"]["messages"][0]["content"] == "line\n--tag--\r\n 1"
        asked = json.loads(order.raw)
        assert asked["metadata"] == {TAG: "tag"} and asked["completion_window"] == "24h"
        assert batch_id == "batch_000001"


async def test_it_is_found_behind_many_others(monkeypatch) -> None:
    monkeypatch.setattr("tokenworks.providers.bulk.files.PAGE", 2)
    async with ScriptedProvider(Script(bulk_delay_s=60)) as provider, lined(provider.base_url) as line:
        way = Files(line)
        ids = [await way.submit(f"t{n}", PATHS["files"], requests(f"t{n}", 1)) for n in range(6)]
        assert await way.find("t0", 0.0) == ids[0]
        assert await way.find("t9", 0.0) == ""
