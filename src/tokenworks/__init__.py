"""Tokenworks: one API in front of every large language model a team can reach."""

__version__ = "0.1.0"
