"""The oversight report of a home: counted from its history, its registers and its log."""
