"""Rankings: who uses how much of what, for days, weeks and months. Reads the store only."""
