"""Batch APIs of providers: many requests handed in at once for less, their answers fetched within a day."""
