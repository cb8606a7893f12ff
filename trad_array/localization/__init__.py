"""Arrival times to a probability for every cell."""
