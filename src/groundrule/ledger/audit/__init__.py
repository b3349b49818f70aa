"""Audit: everything an outsider needs to check a log, a receipt or a log's conduct over time, and nothing else.

This folder and the modules it imports (errors, canon, instant, signing and the formats of the ledger) need the standard
library and `cryptography` only, so that they can be lifted out and read on their own.

- `fsck` checks every byte of a log folder.
- `receipts` verifies a receipt offline and says what it proves.
- `monitor` remembers what a log showed before and reports whatever does not fit.
- `source` reads a log from a folder; a log is a function from path to bytes, so other places are as easy.
"""
