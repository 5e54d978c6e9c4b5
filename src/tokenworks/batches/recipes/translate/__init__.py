"""Translates texts and books: split into chapters and paragraphs, checked, put together again."""

from tokenworks.batches.recipes.translate.job import Translate

RECIPE = Translate()

__all__ = ["RECIPE", "Translate"]
