"""The roots of all errors of trad-array.

TradArrayError
  LayoutError     a layout file cannot be used                (also ValueError)

The floors above hang their own errors under the same root: see `trad_array.errors`.
"""


class TradArrayError(Exception):
    """Root of every error that trad-array raises on purpose; its message is fit to be shown to a person."""


class LayoutError(TradArrayError, ValueError):
    """A layout file or a geometry cannot be used."""
