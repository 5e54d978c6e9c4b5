"""One connection to a server, kept as long as it lives."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from model_server import model_server

from tokenworks.engines.server_client import ServerClient, why


def test_a_connection_is_kept_and_made_again_after_the_server_was() -> None:
    with model_server(key="k") as server:
        client = ServerClient(server.url, "k")
        assert client.get("/v1/models")[0] == 200
        first = client._connection
        assert client.get("/nothing")[0] == 404 and client._connection is first
        server.down()
        with pytest.raises(OSError):
            client.get("/health")
        server.up()
        assert client.get("/health")[0] == 200
        server.down()
        server.up()
        assert client.get("/health")[0] == 200, "it was closed meanwhile, so it is asked once more"
        client.close()
        other = ServerClient(server.url, "other")
        assert other.get("/v1/models")[0] == 401
        other.close()


def test_a_path_of_the_url_stands_before_every_path() -> None:
    with model_server() as server:
        server.routes["/gpu/health"] = 200, "x"
        client = ServerClient(f"{server.url}/gpu/")
        assert client.get("/health") == (200, b"x")
        client.close()


def test_what_is_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-x\r\n\r\n")

        threading.Thread(target=answer).start()
        client = ServerClient(f"http://127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(ConnectionError, match="answers no HTTP"):
            client.get("/health")


def test_one_that_hangs_is_given_up_and_can_be_interrupted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(TimeoutError) as caught:
            ServerClient(url, timeout_s=0.1).get("/health")
        assert why(caught.value) == "does not answer in time"
        client = ServerClient(url, timeout_s=30)
        threading.Timer(0.2, client.abort).start()
        began = time.monotonic()
        with pytest.raises(OSError):
            client.get("/health")
        assert time.monotonic() - began < 5
        with pytest.raises(ConnectionAbortedError):
            client.get("/health")


def test_reasons_are_in_words() -> None:
    with pytest.raises(OSError) as caught:
        ServerClient("http://127.0.0.1:1").get("/health")
    assert why(caught.value) == "refuses connections"
    assert why(OSError(113, "No route to host")) == "no route to host"
    assert why(ConnectionError("answers no HTTP")) == "answers no http"
