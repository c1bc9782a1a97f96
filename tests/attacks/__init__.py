"""Attacks, one file each. Every one fails, and beside it stands what an honest party does."""
