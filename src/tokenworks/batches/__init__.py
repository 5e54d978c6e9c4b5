"""Bulk work: many requests as one durable job, and recipes that turn documents into requests and back."""
