"""Alerts: made from matches, shown to people, written for programs."""
