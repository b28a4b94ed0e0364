"""Stories: which articles tell of the same event, be they copies of each other or reports in other languages."""
