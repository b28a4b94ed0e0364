"""Articles: the text of a page, its language, its sentences."""
