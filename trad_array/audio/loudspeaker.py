"""Play a sound through one device while all microphones of another listen."""

import time
from collections.abc import Callable
from threading import Thread

import numpy as np

from trad_array.audio.capture_rule import CaptureFormat, RecoveryRule
from trad_array.audio.captured import Captured
from trad_array.audio.sound_card import SoundCard, device_index, port_audio, port_audio_words
from trad_array.errors import DeviceError
from trad_array.records import FloatArray

# s, of listening before the sound is played and after it was; a room may ring, a driver may be late (our choice).
BEFORE_S, AFTER_S = 0.3, 0.7
_USUAL = RecoveryRule()


def play_and_listen(
    sound: FloatArray,
    *,
    play_device: str,
    device: str,
    format: CaptureFormat,
    n_mics: int,
    rule: RecoveryRule = _USUAL,
    clock: Callable[[], float] = time.monotonic,
) -> FloatArray:
    """What the microphones hear while `sound`, (n,) at the capture rate, is played; (n_mics, n), full scale = 1.

    Raises
    ------
    ConfigError
        If the channel map does not fit the microphones.
    DeviceError
        If a device is not there, cannot be opened or hangs, or sound was lost meanwhile.
    """
    card = SoundCard(device, format, n_mics=n_mics, rule=rule, clock=clock)
    player = _Player(sound, play_device, fs=format.samplerate_hz)
    most_s = len(sound) / format.samplerate_hz + BEFORE_S + AFTER_S + rule.give_up_s
    heard: list[FloatArray] = []
    try:
        card.open()
        began_s, done_s = clock(), None
        for piece in card.pieces():
            now = clock()
            if now - began_s > most_s:
                raise DeviceError(
                    f"loudspeaker {play_device!r}: expected to play within {most_s:.0f} s, found it hangs"
                )
            if not isinstance(piece, Captured):
                continue
            if piece.lost:
                raise DeviceError(f"sound card {device!r}: expected no gap during the test, found {piece.lost} samples")
            heard.append(piece.full_scale())
            if piece.end >= BEFORE_S * card.fs:
                player.begin()
            done_s = now if done_s is None and player.done else done_s
            if player.trouble:
                raise DeviceError(player.trouble)
            if done_s is not None and now - done_s >= AFTER_S:
                break
    finally:
        card.close()
    return np.concatenate(heard, axis=1)


class _Player:
    """A thread that plays, and may be left behind when its device hangs."""

    def __init__(self, sound: FloatArray, device: str, *, fs: int) -> None:
        self._sound, self._device, self._fs = sound, device, fs
        self._thread: Thread | None = None
        self.trouble = ""

    def begin(self) -> None:
        """Play, once."""
        if self._thread is None:
            self._thread = Thread(target=self._play, name="loudspeaker", daemon=True)
            self._thread.start()

    @property
    def done(self) -> bool:
        return self._thread is not None and not self._thread.is_alive()

    def _play(self) -> None:
        sd = port_audio()
        try:
            index = device_index(self._device, way="output")
            stream = sd.OutputStream(device=index, samplerate=self._fs, channels=1, dtype="float32")
            stream.start()
            stream.write(np.ascontiguousarray(self._sound[:, None], np.float32))
            stream.stop()
            stream.close()
        except DeviceError as trouble:
            self.trouble = str(trouble)
        except (sd.PortAudioError, ValueError) as trouble:
            self.trouble = (
                f"loudspeaker {self._device!r}: expected to play one channel at {self._fs} Hz, "
                f"found: {port_audio_words(trouble)}"
            )
