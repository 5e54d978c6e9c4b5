"""OpenAI's chat completions: ``request``, ``answer`` and ``stream`` translate, ``relay`` passes on."""
