"""`trad-array learn`: thresholds of a site, from hours of its normal sound."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date as calendar
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trad_array_cli.learned_words import learned_json, learned_lines
from trad_array_cli.listening import ChainChoice, chain_options, with_progress
from trad_array_cli.main import BAD_INPUT, OK
from trad_array_cli.options import json_option, out_option
from trad_array_cli.report import emit, say

if TYPE_CHECKING:
    from trad_array.audio.files import Source
    from trad_array.chain import Chain
    from trad_array.detection.calibration import Calibration
    from trad_array.records import Block
    from trad_array.site import Site
    from trad_array.site.learning import Learned, Wish
    from trad_array.site.normal_sound import Listener
    from trad_array.site.record import LearnedFrom

STOPPED = 130


@dataclass(frozen=True, slots=True)
class Plan:
    """A recording to be heard: what it is, how long, s, and how much of it earlier sessions heard, whole s."""

    source: "Source"
    digest: str
    duration_s: float
    from_s: int = 0


@click.command()
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...")
@chain_options
@out_option(metavar="SITE.toml", what="File for what was learned; an existing one only when it is that of --add-to.")
@click.option(
    "--max-false-alarms-per-day",
    "alarms_per_day",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="N",
    help="Everyday sounds a day that may be taken for a cell; without it as before, at first 0.1.",
)
@click.option(
    "--max-alerts-per-day",
    "alerts_per_day",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="N",
    help="Sounds a day that may be taken for an event at all, else the trigger is raised; as before, at first 1000.",
)
@click.option(
    "--add-to",
    "old_path",
    type=click.Path(path_type=Path),
    metavar="OLD.toml",
    help="Add to what was learned before; what is old counts less and less.",
)
@click.option("--force", is_flag=True, help="With too little sound, take the careful end of what is known.")
@click.option(
    "--all-normal", is_flag=True, help="What looks like a cell here is everyday sound: somebody has listened."
)
@click.option("--accept-rise", is_flag=True, help="What has become louder is no leak: somebody has looked.")
@click.option("--date", metavar="YYYY-MM-DD", help="Date to write into the file; without it today.")
@json_option("one object")
def command(
    choice: ChainChoice,
    recordings: tuple[str, ...],
    channel_map: tuple[int, ...] | None,
    out: Path,
    alarms_per_day: float | None,
    alerts_per_day: float | None,
    old_path: Path | None,
    force: bool,
    all_normal: bool,
    accept_rise: bool,
    date: str | None,
    as_json: bool,
) -> int:
    """Set the thresholds of a site from hours of its normal sound.

    Hears everyday sound with the ordinary chain, and sets the threshold of "from a cell" so that such sounds exceed it
    as rarely as wanted. Use the file with `localize --site` and `monitor --site`. With too little sound for the rate
    it says how many hours are missing and exits with 3; what was heard is kept, also after Ctrl-C, and --add-to goes on
    from there. Sounds that look like a cell that vents are reported and left out. What is normal must not creep: a
    microphone whose hiss band (2 to 7 kHz) has become louder than before is refused.

    \b
    Examples:
      trad-array learn week/*.flac --layout row-corners -o site.toml --max-false-alarms-per-day 0.1
      trad-array learn june/*.flac --layout row-corners --add-to site.toml -o site.toml
      trad-array monitor --replay night.wav --layout row-corners --site site.toml
    """
    from trad_array.site.learning import refitted, wish_of
    from trad_array.site.normal_sound import Listener
    from trad_array.site.record import calibrated

    today = _date(date)
    if choice.config.site is not None:
        raise click.UsageError(f"--config: expected no site, for that is what is learned, found {choice.config.site}")
    chain = choice.chain()
    old = _old(old_path, chain)
    _require_free(out, old_path)
    wish = wish_of(old, alarms_per_day, alerts_per_day, force=force, all_normal=all_normal, accept_rise=accept_rise)
    plans = _plans(recordings, chain, channel_map, old)
    if not plans and old is not None:
        if all_normal:
            raise click.UsageError("--all-normal: expected a recording that was not learned yet, found none")
        return _told(refitted(old, chain, wish=wish), out, Listener(chain), as_json=as_json)
    calibration = _calibration(chain, plans) if old is None else old.calibration
    listener = Listener(calibrated(chain, calibration))
    stopped = _listen(listener, plans)
    if not sum(listener.heard_s):
        say("nothing was heard, nothing is written")
        return STOPPED
    learned = _learn(listener, plans, calibration, wish, today, old)
    code = _told(learned, out, listener, as_json=as_json)
    return STOPPED if stopped else code


def _told(learned: "Learned", out: Path, listener: "Listener", *, as_json: bool) -> int:
    """Write what was learned and say it; gives back the exit code."""
    from trad_array.site import write_site

    write_site(out, learned.site)
    if as_json:
        emit(learned_json(learned, clips=len(listener.names), faults=listener.faults))
    else:
        for line in learned_lines(learned, clips=len(listener.names), faults=listener.faults):
            click.echo(line)
    say(f"written: {out}")
    if learned.refused:
        stay = ", and the thresholds stay as they were" if learned.site.gate else ""
        say(f"trad-array: {learned.refused}; what was heard is kept{stay}, go on with --add-to {out}")
    return BAD_INPUT if learned.refused else OK


def _date(text: str | None) -> str:
    try:
        return calendar.fromisoformat(text).isoformat() if text else calendar.today().isoformat()
    except ValueError:
        raise click.BadParameter(f"expected YYYY-MM-DD, found {text!r}", param_hint="--date") from None


def _old(path: Path | None, chain: "Chain") -> "Site | None":
    from trad_array.site import read_site
    from trad_array.site.record import gate_of, require_same, trigger_of

    gate_of(chain), trigger_of(chain)
    if path is None:
        return None
    old = read_site(path)
    require_same(old, chain, name=str(path))
    return old


def _require_free(out: Path, old_path: Path | None) -> None:
    """Before hours of listening: the result must have a place to go."""
    from trad_array.errors import ConfigError

    if out.exists() and (old_path is None or not out.samefile(old_path)):
        raise ConfigError(f"{out}: expected a name that is free, or that of --add-to, found a file")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"{out}: no such folder: {out.parent}")


def _plans(
    recordings: tuple[str, ...], chain: "Chain", channel_map: tuple[int, ...] | None, old: "Site | None"
) -> list[Plan]:
    """Every recording, opened once: a file that cannot be used is told of before the others are heard for hours."""
    from trad_array.audio.files import RecordingReader, find_source
    from trad_array.errors import AudioError
    from trad_array.site.digest import digest_of

    heard = {recording.digest: recording.heard_s for recording in old.recordings} if old else {}
    plans: list[Plan] = []
    for text in recordings:
        source = find_source(text, channels=chain.layout.mic_channels, channel_map=channel_map)
        with RecordingReader(source, fs=chain.features.fs) as reader:
            duration_s = reader.duration_s
        digest = digest_of(source.files)
        if any(plan.digest == digest for plan in plans):
            raise AudioError(f"{text}: expected each recording once, found it twice")
        plan = Plan(source, digest, duration_s, int(heard.get(digest, 0.0)))
        if digest in heard and plan.from_s >= int(duration_s):
            say(f"{text}: learned already, left out")
            continue
        if plan.from_s:
            say(f"{text}: the first {plan.from_s} s were learned already, going on from there")
        plans.append(plan)
    return plans


def _calibration(chain: "Chain", plans: list[Plan]) -> "Calibration":
    from trad_array.site.normal_sound import calibrate

    return calibrate(chain, _beginnings(chain, plans))


def _beginnings(chain: "Chain", plans: list[Plan]) -> "Iterator[Iterator[Block]]":
    """The first minutes of every six hours of every recording."""
    from trad_array.audio.files import RecordingReader
    from trad_array.site.normal_sound import CALIBRATE_EVERY_S, CALIBRATE_S

    for plan in plans:
        with RecordingReader(plan.source, fs=chain.features.fs) as reader:
            for from_s in range(0, max(1, int(plan.duration_s)), CALIBRATE_EVERY_S):
                yield islice(reader.blocks(from_s=from_s), CALIBRATE_S)


def _listen(listener: "Listener", plans: list[Plan]) -> bool:
    """Hear all recordings; whether a person stopped it."""
    from trad_array.audio.files import RecordingReader

    try:
        for plan in plans:
            with ExitStack() as stack:
                reader = stack.enter_context(RecordingReader(plan.source, fs=listener.chain.features.fs))
                stream = reader.blocks(from_s=plan.from_s)
                listener.hear(plan.source.name, with_progress(stream, total_s=plan.duration_s, label=plan.source.name))
    except KeyboardInterrupt:
        say(f"stopped after {sum(listener.heard_s) / 3600:.2f} h; what was heard is kept")
        return True
    return False


def _learn(
    listener: "Listener", plans: list[Plan], calibration: "Calibration", wish: "Wish", date: str, old: "Site | None"
) -> "Learned":
    from importlib.metadata import version

    from trad_array.site.learning import learn

    heard = zip(plans, listener.heard_s, strict=False)
    recordings = [_heard(plan, heard_s) for plan, heard_s in heard]
    return learn(
        listener,
        recordings=recordings,
        calibration=calibration,
        wish=wish,
        date=date,
        version=version("trad-array"),
        old=old,
    )


def _heard(plan: Plan, heard_s: float) -> "LearnedFrom":
    from trad_array.site.record import LearnedFrom

    return LearnedFrom(Path(plan.source.name).name, plan.digest, plan.from_s + heard_s)
