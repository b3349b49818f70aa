"""Rules: text to rulebook, compile to columns, decide, explain, compare, analyse. Sees evidence, never geometry."""
