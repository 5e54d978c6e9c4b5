"""What would this plan earn? Real usage is replayed against it."""
