"""JSON Schemas of what the hot paths take and give, a file a protocol. Unlisted fields are passed on."""
