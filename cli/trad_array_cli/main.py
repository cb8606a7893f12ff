"""The `trad-array` command: finds the sub-command, and turns errors into one line and an exit code."""

import errno
import sys
from collections.abc import Mapping

import click

from trad_array_cli.lazy import LazyGroup

OK, RUNTIME_ERROR, USAGE_ERROR, BAD_INPUT, SOME_FAILED = 0, 1, 2, 3, 4
ALARM_FOUND, MISFIT_FOUND, FAULT_FOUND = 10, 11, 12

# Name of each command, and the line about it in `trad-array --help`. The module of the same name (- becomes _) is
# imported only when the command runs.
COMMANDS: Mapping[str, str] = {
    "demo": "Hear a simulated cell vent, name it, draw it; hear an air tool, and raise no alarm.",
    "localize": "Find events in recordings and say which cell each came from.",
    "monitor": "Watch a stream and raise alarms.",
    "soak": "Listen without a word, and say what a watch would have cried.",
    "status": "Say how a running watch is.",
    "ack": "Acknowledge what a watch sounds.",
    "silence": "Silence what a watch sounds.",
    "reset": "Let go of a latched alarm.",
    "disable": "Take a cell, a microphone or an output out of the alarm for a while.",
    "enable": "End a disablement or a test.",
    "test-mode": "Begin a test of the alarm: alarms are marked and do not sound.",
    "events": "List what a watch has kept, read its log, lock events.",
    "devices": "List sound cards, or try one: levels, clock, what is lost.",
    "faults": "List the faults that a watch shows, and within which time.",
    "selftest": "Check every microphone with a chirp from a loudspeaker.",
    "learn": "Set the thresholds of a site from hours of its normal sound.",
    "heatmap": "Draw the cells of an event by probability.",
    "spectrogram": "Draw recordings as mel spectrograms, side by side.",
    "config": "Show, check and describe files of settings.",
    "layouts": "List, show, draw, check, import and export array layouts.",
    "calibrate": "Find where the microphones really are, or whether a recording fits the layout.",
    "simulate": "Make recordings in simulated rooms.",
    "train": "Fit a scorer on a folder of recordings.",
    "evaluate": "Compare fitted scorers as the paper does.",
    "reliability": "Draw how true the probabilities of a layout's maps are.",
    "study": "Where should the microphones go? Simulate, compare, search.",
}
# Commands that live together in a module, under their own names.
_TOGETHER = dict.fromkeys(("status", "ack", "silence", "reset", "disable", "enable", "test-mode"), "operate")


def _where(name: str) -> tuple[str, str]:
    """Module and attribute of a command."""
    underscored = name.replace("-", "_")
    return _TOGETHER.get(name, underscored), underscored if name in _TOGETHER else "command"


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"trad-array {version('trad-array')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    lines=COMMANDS,
    where=_where,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Say which.")
def cli() -> None:
    """Hears a lithium-battery cell fail.

    Four microphones around a row or a pack of cells: trad-array hears the safety valve open, works out from the
    arrival times which cell it was, and raises an alarm.

    \b
    Try it:
      trad-array demo --out demo
      trad-array localize demo/recording.wav --layout pack-corners --heatmap cells.png

    Exit codes: 0 fine, 1 runtime error, 2 usage, 3 input that cannot be used, 4 some inputs failed,
    10 an alarm was found and --fail-on alarm was given, 11 `calibrate check` or `selftest` found that something is
    not as the layout says, 12 `status --check` found a fault.
    """


def main() -> None:
    """Entry point of the `trad-array` script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    try:
        code = cli.main(args=arguments, prog_name="trad-array", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else OK
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as trouble:
        trouble.show()
        return trouble.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone; nothing is left to say, not even by the interpreter at exit.
        sys.stdout = None
        return OK
    except OSError as trouble:
        click.echo(f"trad-array: {_os_message(trouble)}", err=True)
        return RUNTIME_ERROR
    except Exception as trouble:
        return _report(trouble)


def _report(trouble: Exception) -> int:
    """Say one line about one of our own errors; anything else is a bug and is raised again."""
    from trad_array_geometry.errors import TradArrayError

    if not isinstance(trouble, TradArrayError):
        raise trouble
    click.echo(f"trad-array: {trouble}", err=True)
    return BAD_INPUT if isinstance(trouble, ValueError) else RUNTIME_ERROR


def _os_message(trouble: OSError) -> str:
    what = "no space left on the disk" if trouble.errno == errno.ENOSPC else (trouble.strerror or str(trouble))
    return f"{trouble.filename}: {what}" if trouble.filename else what
