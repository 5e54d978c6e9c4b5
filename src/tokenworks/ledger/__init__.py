"""What every request cost: a journal per worker, a store, and the drainer between them."""
