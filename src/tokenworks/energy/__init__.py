"""What a token costs physically: work, time, watts, joules and money of serving models."""
