"""OpenAI's legacy completions of a text: a wire of callers only."""
