"""Benign users: what they do, and how often."""
