"""One fit: what is fitted, to what, how, and who is told."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from trad_array.learning.frames import Corpus
from trad_array.learning.options import TrainingOptions


def _nothing(*_: object) -> None:
    return


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told what while training goes on.

    reading : segments read and their total
    epoch : epochs done, their total, and the mean loss of the last
    note : one line for a person
    """

    reading: Callable[[int, int], None] = _nothing
    epoch: Callable[[int, int, float], None] = _nothing
    note: Callable[[str], None] = _nothing


@dataclass(frozen=True, slots=True)
class Job:
    """What a function of `learning.kinds.KINDS` is given.

    kind : short name of the scorer
    options : how it is fitted
    corpus : frames of the recordings to fit on, see `learning.frames`
    watch : who is told
    seeds : of the first weights, and of the order of samples
    checkpoint : file that keeps the state after every epoch, or None
    digests : digest of the content of every recording, by its name
    validation : frames of the recordings that tell when to stop, or None
    """

    kind: str
    options: TrainingOptions
    corpus: Corpus
    watch: Watch
    seeds: tuple[int, int]
    checkpoint: Path | None
    digests: Mapping[str, str]
    validation: Corpus | None = None

    @property
    def fingerprint(self) -> str:
        """Of settings, seeds and data: an interrupted fit with another one is not taken up again."""
        settings = {
            "kind": self.kind,
            "options": asdict(self.options),
            "seeds": list(self.seeds),
            "data": dict(self.digests),
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
