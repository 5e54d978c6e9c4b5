"""Offline work on recorded outcomes: reading, splitting, training, scoring. Never in a request's way.

Needs the extra ``tokenworks[route]`` (pyarrow, scikit-learn, scipy).
"""
