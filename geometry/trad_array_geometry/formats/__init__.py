"""Microphones of other programs' files, to a layout and back: acoular XML, ODAS cfg, CSV.

All three are in metres and right-handed, as layouts are; none has cells, a room or the air. The files may come from
anybody: they are limited in size, and whatever they hold is a usable answer or one `LayoutError`.
"""

from trad_array_geometry.formats.exporting import Exported, export_mics, write_mic_file
from trad_array_geometry.formats.finding import format_of_name, read_mic_file
from trad_array_geometry.formats.importing import Imported, import_layout
from trad_array_geometry.formats.rows import FORMATS, MicFile, MicRow

__all__ = [
    "FORMATS",
    "Exported",
    "Imported",
    "MicFile",
    "MicRow",
    "export_mics",
    "format_of_name",
    "import_layout",
    "read_mic_file",
    "write_mic_file",
]
