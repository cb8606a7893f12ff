"""Simulated rooms and sounds. Everything that comes from here is simulated and says so."""
