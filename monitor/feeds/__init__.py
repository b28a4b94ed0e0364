"""Feeds: from what a server answers to entries, and which of them are new."""
