"""A prompt over each row of a table."""

from tokenworks.batches.recipes.map_rows.mapping import MapRows

RECIPE = MapRows()
