"""The error tree. Every message names the thing, what was expected and what was found.

TradArrayError
  LayoutError     a layout file cannot be used                (also ValueError)
  ConfigError     settings that do not go together            (also ValueError)
  AudioError      wrong channels, rate, length, NaN           (also ValueError)
  WeightsError    a model file is damaged or does not fit     (also ValueError)
  DeviceError     no such sound card, or it fell silent
  StoreError      events cannot be kept: disk full, read-only or gone, or another monitor writes there
  OutputError     an output did not take a message
  ControlError    no watch answers, or it refuses
  WorkerError     a process or a cluster that computes dies again and again, or does not answer
  MissingExtra    a package that this step needs is not installed
"""

from trad_array_geometry import LayoutError, TradArrayError


class ConfigError(TradArrayError, ValueError):
    """Settings cannot be used together, or one of them is out of range."""


class AudioError(TradArrayError, ValueError):
    """Sound cannot be used: wrong channels, rate or length, NaN, truncated, not audio."""


class WeightsError(TradArrayError, ValueError):
    """A model file is damaged, of the wrong kind, or does not fit the features."""


class DeviceError(TradArrayError):
    """A sound card is not there, cannot be opened, or gives nothing.

    hopeless : nothing in this process can bring it back, since the audio library itself hangs; the process should end
        with an error and be started again by whoever looks after it
    """

    def __init__(self, message: str, *, hopeless: bool = False) -> None:
        super().__init__(message)
        self.hopeless = hopeless


class StoreError(TradArrayError):
    """What is to be kept cannot be written or read; the message names the path and the cause."""


class OutputError(TradArrayError):
    """An output did not take a message; it will be offered again."""


class ControlError(TradArrayError):
    """No running watch answers, or it refuses what was asked."""


class WorkerError(TradArrayError):
    """A process or a cluster that computes dies again and again, or does not answer."""


class MissingExtra(TradArrayError):
    """A package that this step needs is not installed; the message says which extra brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f'{package} is not installed: pip install "trad-array[{extra}]"')
        self._made_of = package, extra

    def __reduce__(self) -> tuple[type["MissingExtra"], tuple[str, str]]:
        # Comes whole out of a worker process; else it would be made of its message.
        return MissingExtra, self._made_of


__all__ = [
    "AudioError",
    "ConfigError",
    "ControlError",
    "DeviceError",
    "LayoutError",
    "MissingExtra",
    "OutputError",
    "StoreError",
    "TradArrayError",
    "WeightsError",
    "WorkerError",
]
