"""One engine without a server: the real process with the real model."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import psutil
import pytest

from tokenworks.config.settings import EngineSettings
from tokenworks.engines import single as module
from tokenworks.engines.llama_cpp import Launched
from tokenworks.engines.single import Single, Streamed, running
from tokenworks.errors import ConfigError, Unavailable

HELLO = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4, "temperature": 0}


def test_an_engine_answers_tells_its_cache_and_ends(small: EngineSettings) -> None:
    with running("small", small) as single:
        process = psutil.Process(single.pid)
        answer = single.chat(HELLO)
        stream = single.stream({**HELLO, "ignore_eos": True}, batch=True)
        assert single.cache_mib() == pytest.approx(22.5, abs=0.1)  # 2 slots of 512 tokens, f16
        with pytest.raises(Unavailable, match=r"^engine small: .*messages"):
            single.chat({"messages": 1})
    assert answer["usage"]["completion_tokens"] == 4
    assert stream.tokens == 4 and len(stream.gaps_s) == 3
    assert 0 < stream.ttft_s < 60 and stream.tokens_per_s > 0
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    with pytest.raises(Unavailable, match="engine small has ended"):
        single.chat(HELLO)


def test_an_engine_that_can_not_start_says_why(small: EngineSettings, tmp_path: Path) -> None:
    gone = msgspec.structs.replace(small, path=str(tmp_path / "no.gguf"))
    with pytest.raises(ConfigError, match="is missing"), running("small", gone):
        pass
    odd = msgspec.structs.replace(small, kv_cache_type="q8_0", flash_attention="off")
    with pytest.raises(ConfigError, match="flash_attention must not be"), running("small", odd):
        pass


def test_the_size_of_every_cache_is_added_up(tmp_path: Path) -> None:
    """Models with windowed layers have two."""
    log = tmp_path / "log"
    log.write_text(
        "0.1 I llama_kv_cache: size =   45.00 MiB (  2048 cells,  30 layers)\n"
        "0.1 I llama_kv_cache:        CPU KV buffer size =    45.00 MiB\n"
        "0.2 I llama_kv_cache: size =    5.50 MiB (  512 cells,  6 layers)\n"
    )
    single = Single("x", Launched(port=1, pid=1), "k", log)
    assert single.cache_mib() == 50.5


def test_an_engine_that_dies_amid_an_answer_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:

        def dies() -> None:
            for _ in range(2):
                caller, _ = door.accept()
                with caller:
                    caller.recv(65536)
                    caller.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\ndata: {"content":"a"}\n\n')
                    caller.shutdown(socket.SHUT_WR)
                    while caller.recv(65536):  # to leave what was sent unread would reset the connection
                        pass

        thread = threading.Thread(target=dies)
        thread.start()
        single = Single("x", Launched(port=door.getsockname()[1], pid=1), "k", tmp_path / "log")
        with pytest.raises(Unavailable, match=r"^engine x has ended: "):
            single.chat(HELLO)
        with pytest.raises(Unavailable, match="broke off after 1 tokens"):  # else it would look fast
            single.stream(HELLO)
        thread.join()


def test_a_process_that_ends_before_it_reads_is_one_line(
    small: EngineSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stillborn(settings: EngineSettings, log: object) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"], stdin=pipe, stdout=pipe)
        process.wait()
        return process

    monkeypatch.setattr(module, "_start", stillborn)
    with pytest.raises(ConfigError, match=r"ended while it started \(exit status 3\)"), running("x", small):
        pass


def test_one_token_has_no_speed() -> None:
    assert Streamed(0.1, 1, 5.0, 5.0).tokens_per_s == 0
    assert Streamed(0.1, 5, 5.0, 6.0).tokens_per_s == 4
