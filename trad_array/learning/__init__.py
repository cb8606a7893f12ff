"""Fitting and evaluating scorers on folders of recordings; the only floor that knows torch."""
