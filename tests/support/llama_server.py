"""llama.cpp's own HTTP server, the one that ``llama-server`` is: ``python llama_server.py MODEL.gguf KEY``.

Prints its address, and ends with its standard input.
"""

from __future__ import annotations

import importlib
import os
import sys


def main(path: str, key: str) -> None:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    library = importlib.import_module("xllamacpp")
    params = library.CommonParams()
    params.model.path = path
    params.model_alias = {"smol"}
    params.n_parallel, params.n_ctx = 2, 1024
    params.endpoint_metrics = True
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.api_keys = [key]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = library.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
