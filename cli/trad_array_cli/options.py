"""Options that several commands share, each spelled and explained once."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]


def layout_option(*, required: bool = True, default: str | None = None) -> Callable[[F], F]:
    """`--layout`: a shipped name or a TOML file."""
    option = partial(
        click.option,
        "--layout",
        "layout_name",
        metavar="NAME|FILE.toml",
        help="Shipped layout (see `trad-array layouts list`) or a layout file.",
    )
    # To click, a default of None is a default: it would make up for the missing option.
    return option(required=required) if default is None else option(default=default, show_default=True)


def config_option() -> Callable[[F], F]:
    """`--config`: settings of a file, over which those of the command line stand."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        metavar="FILE.toml",
        help="Settings, see `trad-array config`; what is given on the command line counts more.",
    )


def seed_option() -> Callable[[F], F]:
    """`--seed`: every random thing follows from it."""
    return click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same result."
    )


def json_option(what: str = "one object a line") -> Callable[[F], F]:
    """`--json`: machine-readable results on standard output."""
    return click.option("--json", "as_json", is_flag=True, help=f"Results as JSON on standard output, {what}.")


def out_option(*, metavar: str, what: str, required: bool = True) -> Callable[[F], F]:
    """`-o/--out`: where the result goes."""
    return click.option(
        "-o", "--out", "out", type=click.Path(path_type=Path), metavar=metavar, required=required, help=what
    )


def model_option() -> Callable[[F], F]:
    """`--model`: a fitted scorer instead of the default one."""
    return click.option(
        "--model",
        "model_path",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Model file written by `trad-array train`; without it the `excess` scorer, which needs no training.",
    )


def temperature_option() -> Callable[[F], F]:
    """`--temperature-c`: of the air, when it was not what the layout says."""
    return click.option(
        "--temperature-c", type=float, metavar="T", help="Temperature of the air; without it the layout's."
    )


def metres(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[float, float, float]:
    """Callback of an option X,Y,Z: a place, m."""
    try:
        x, y, z = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"expected three numbers in m like 0.5,-0.4,0.1, found {value!r}") from None
    if not all(map(math.isfinite, (x, y, z))):
        raise click.BadParameter(f"expected three finite numbers in m, found {value!r}")
    return x, y, z


def channel_map_option() -> Callable[[F], F]:
    """`--channel-map`: which channel of a file belongs to which microphone."""
    return click.option(
        "--channel-map",
        metavar="N,N,...",
        callback=_channel_map,
        help="Channel of the file, counted from 1, for each microphone in the order of the layout file.",
    )


def _channel_map(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    parts = value.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"expected channel numbers from 1 like 1,2,3,4, found {value!r}")
    channels = tuple(int(part) for part in parts)
    if len(set(channels)) < len(channels):
        raise click.BadParameter(f"expected each channel once, found {value!r}")
    return channels
