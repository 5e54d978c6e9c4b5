"""Anthropic's messages: ``request``, ``answer`` and ``stream`` translate, ``relay`` passes on."""
