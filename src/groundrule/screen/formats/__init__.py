"""One module per published format: bytes in, entries out, every broken row told; none guesses what it does not find."""
