"""Figures out of documents: pages found, figures read by a model, every one checked against its page."""

from tokenworks.batches.recipes.extract.extraction import RECIPE
from tokenworks.batches.recipes.extract.pages import pages_only

__all__ = ["RECIPE", "pages_only"]
