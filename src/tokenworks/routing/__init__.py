"""Which endpoints may serve a request, and in which order."""
