"""Conversations of thousands of rounds under a cap of context."""

from tokenworks.batches.recipes.dialogue.talking import Dialogue

RECIPE = Dialogue()
