"""What was learned of a site: its own thresholds, from its own normal sound. docs/learning-on-site.md explains it."""

from trad_array.site.record import Levels, Site, apply_site
from trad_array.site.site_file import read_site, write_site

__all__ = ["Levels", "Site", "apply_site", "read_site", "write_site"]
