"""Listen to a device in a process of its own: tells every piece as a JSON line, keeps the samples; ends with its input.

listen.py DEVICE SAMPLES.npz '{"format": {...}, "rule": {...}, "slow_s": 0}'
"""

import json
import sys
import time
from threading import Thread

import numpy as np

from trad_array.audio.capture_rule import CaptureFormat, RecoveryRule
from trad_array.audio.captured import NoSound
from trad_array.audio.sound_card import SoundCard
from trad_array.errors import DeviceError


def tell(**fields):
    sys.stdout.write(json.dumps({"at_s": time.monotonic()} | fields) + "\n")
    sys.stdout.flush()


def main(device, keep, settings):
    settings = json.loads(settings)
    form = dict(settings["format"])
    form["channel_map"] = tuple(form["channel_map"])
    card = SoundCard(
        device, CaptureFormat(**form), n_mics=len(form["channel_map"]), rule=RecoveryRule(**settings["rule"])
    )

    def close_when_told():
        sys.stdin.read()
        began = time.monotonic()
        card.close()
        tell(kind="closed", took_s=time.monotonic() - began)

    waiter = Thread(target=close_when_told, daemon=True)
    waiter.start()
    heard = []
    try:
        for piece in card.pieces():
            if isinstance(piece, NoSound):
                tell(kind="none", for_s=piece.for_s, reason=piece.reason)
                continue
            heard.append(piece)
            tell(kind="sound", start=piece.start, end=piece.end, lost=piece.lost, queued_s=piece.queued_s)
            time.sleep(settings.get("slow_s", 0.0) if len(heard) == 1 else 0.0)
    except DeviceError as trouble:
        tell(kind="trouble", text=str(trouble), hopeless=trouble.hopeless)
        return 1
    counts, drift = card.counts, card.drift
    tell(
        kind="end", lost=counts.lost, dropped=counts.dropped, reopened=counts.reopened, overflows=counts.overflows,
        drift_ppm=drift.ppm if drift else None, sure_ppm=drift.sure_ppm if drift else None,
    )  # fmt: skip
    if heard:
        np.savez(keep, samples=np.concatenate([p.samples for p in heard], axis=1))
    waiter.join(5.0)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
