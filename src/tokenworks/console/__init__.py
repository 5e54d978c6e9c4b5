"""Pages for people: what the server does and did, and the switches that administrators need."""
