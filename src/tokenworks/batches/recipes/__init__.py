"""Documents into requests and answers back into documents: one recipe each."""
