"""Code files from a list of specifications."""

from tokenworks.batches.recipes.generate.coding import Generate

RECIPE = Generate()
