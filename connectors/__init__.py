"""Ears: one file per platform. Imports schemas only."""
