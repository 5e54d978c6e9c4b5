"""Requests of a batch that go to a provider's own batch API, at its price for those who can wait."""
