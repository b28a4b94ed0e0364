"""monitor: watches news feeds and tells people when something they care about happens."""

__version__ = "0.1.0"
