"""Remote upstreams: where to send, with which credentials, and what differs between them."""
