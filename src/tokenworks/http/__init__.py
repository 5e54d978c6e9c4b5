"""The data plane: an HTTP/1.1 server and an upstream pool as asyncio protocols.

Callbacks, not coroutines, carry a request; llhttp (through httptools) parses both sides.
"""
