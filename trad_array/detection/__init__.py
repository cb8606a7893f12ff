"""Scores to detections: one scale for all channels, one voice for the array, a trigger with two thresholds."""
