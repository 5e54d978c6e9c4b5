"""OpenAI's embeddings, the same on both sides."""
