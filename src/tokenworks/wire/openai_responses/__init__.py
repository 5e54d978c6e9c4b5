"""OpenAI's responses: ``request``, ``answer`` and ``stream`` translate, ``relay`` passes on."""
