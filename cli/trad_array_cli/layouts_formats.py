"""`trad-array layouts import` and `export`: microphones from and for other programs."""

from pathlib import Path

import click

from trad_array_cli.options import metres, out_option, temperature_option
from trad_array_cli.report import say

FORMATS = ("acoular", "odas", "csv")

force_option = click.option("--force", is_flag=True, help="Overwrite the file.")


@click.command("import")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@out_option(metavar="LAYOUT.toml", what="Layout file to write.")
@click.option("--like", metavar="NAME|FILE.toml", help="Layout whose cells, room, air and guards are taken.")
@click.option(
    "--cells",
    type=click.Path(path_type=Path),
    metavar="CELLS.csv",
    help="Cells instead of those of --like: columns name,x,y,z (m, of the valve), and pack.",
)
@click.option("--format", "file_format", type=click.Choice(FORMATS), help="Of the file; without it what it looks like.")
@click.option(
    "--origin",
    "origin_m",
    default="0,0,0",
    metavar="X,Y,Z",
    callback=metres,
    help="Where the origin of the file is in the layout, m; the axes must be parallel.",
)
@click.option("--id", "layout_id", metavar="NAME", help="Name of the layout; without it that of its file.")
@click.option(
    "--provenance",
    type=click.Choice(["assumed", "measured"]),
    default="assumed",
    show_default=True,
    help="How the positions came about.",
)
@temperature_option()
@force_option
def import_command(
    source: Path,
    out: Path,
    like: str | None,
    cells: Path | None,
    file_format: str | None,
    origin_m: tuple[float, float, float],
    layout_id: str | None,
    provenance: str,
    temperature_c: float | None,
    force: bool,
) -> None:
    """Make a layout with the microphones of an acoular XML, ODAS cfg or CSV file.

    The file has no cells: they come with the room, the air and the guards from the layout --like, whose microphones are
    dropped, or from --cells. Positions are taken as metres, x along a row of cells, y across the rows, z up; nothing is
    turned or scaled. What is lost or assumed is said.

    \b
    Examples:
      trad-array layouts import array.xml -o my-array.toml --like pack-corners --origin 3,1.2,1.4
      trad-array layouts import mics.csv -o my-array.toml --cells cells.csv
    """
    from trad_array_geometry.formats import import_layout, read_mic_file
    from trad_array_geometry.formats.exporting import require_free
    from trad_array_geometry.layout_writer import write_checked

    if like is None and cells is None:
        raise click.UsageError("expected --like or --cells: the file has microphones only")
    require_free(out, overwrite=force)
    found = read_mic_file(source, format=file_format)
    made = import_layout(
        found,
        layout_id=layout_id or out.stem.encode("utf-8", "replace").decode(),
        like=like,
        cells=cells,
        origin_m=origin_m,
        temperature_c=temperature_c,
        provenance=provenance,
    )
    write_checked(out, made.text)
    say(f"written: {out}: {made.n_mics} microphones of {found.name}; {made.origins}")
    _say_notes(made.notes)


@click.command("export")
@click.argument("name", metavar="NAME|FILE.toml")
@out_option(metavar="FILE", what="File to write: .xml (acoular), .cfg (ODAS) or .csv.")
@click.option("--format", "file_format", type=click.Choice(FORMATS), help="Without it what the file's name says.")
@click.option(
    "--origin",
    "origin_m",
    default="0,0,0",
    metavar="X,Y,Z",
    callback=metres,
    help="Point of the layout that becomes the origin of the file, m.",
)
@force_option
def export_command(
    name: str, out: Path, file_format: str | None, origin_m: tuple[float, float, float], force: bool
) -> None:
    """Write the microphones of a layout for acoular, ODAS or a table.

    Metres, along the layout's axes. CSV keeps all that a layout says of its microphones; ODAS keeps channels and
    position sigmas, acoular positions and names. Reference microphones go into CSV only. What is lost is said.

    \b
    Examples:
      trad-array layouts export pack-corners -o pack.xml
      trad-array layouts export my-array.toml -o my-array.cfg --origin 3,1.2,1.4
    """
    from trad_array_geometry import load_layout
    from trad_array_geometry.formats import export_mics, format_of_name, write_mic_file

    layout = load_layout(name)
    made = export_mics(layout, file_format or format_of_name(out), origin_m=origin_m)
    write_mic_file(out, made.text, overwrite=force)
    say(f"written: {out}: {made.n_mics} microphones of {name}")
    _say_notes(made.notes)


def _say_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        say(f"note: {note}")
