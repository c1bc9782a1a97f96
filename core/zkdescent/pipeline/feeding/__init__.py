"""Feeds: deploy one, make its rounds, keep it."""
