"""The HTTP surface beside the hot paths, one file a family, as an ordinary FastAPI application."""
