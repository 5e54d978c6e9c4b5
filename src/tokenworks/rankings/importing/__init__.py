"""Files of usage that somebody else counted: CSV or JSON of dates, models and tokens → rows of the ledger.

All or nothing: the first thing that can't be read is one error with file, line and column, and no row.
"""

from tokenworks.rankings.importing.files import MAX_BYTES, parse, read

__all__ = ["MAX_BYTES", "parse", "read"]
