"""Who is on a sanctions list: published lists read strictly, names compared, matches explained.

1. `formats` reads what publishers publish; `lists` says which format a file has and makes a `model.ListSnapshot` of it.
2. A snapshot keeps every entry with the place it came from, and every row that could not be used with the reason.
3. Names and matching work on `model.ListEntry` alone, whatever the format was.

Nothing here decides anything: a match is evidence, and a person disposes of it. Snapshots are kept by `store.sanctions`.
"""
