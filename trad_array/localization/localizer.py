"""What every localizer looks like. Adding one takes one file: see docs/extending.md."""

from typing import Protocol, runtime_checkable

from trad_array.records import Block, CellMap
from trad_array_geometry import Layout


@runtime_checkable
class Localizer(Protocol):
    """Says which cell a stretch of sound came from."""

    def __call__(self, cut: Block, layout: Layout, *, speed_of_sound: float, onset: int | None = None) -> CellMap:
        """Map one cut.

        Parameters
        ----------
        cut : Block, samples of shape (layout.n_mics, n), holding one sound
        layout : Layout; only microphones of role "array" are used
        speed_of_sound : float, m/s
        onset : int or None
            Sample index at which the event began, if the cut holds sound from before it: the background.

        Returns
        -------
        CellMap, its onset being the one given, or else the first sample of the cut

        Raises
        ------
        AudioError
            If the cut is too short for the array.
        """
        ...
