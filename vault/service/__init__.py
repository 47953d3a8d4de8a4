"""One module per use case: receive, file, open, delete, verify signatures, export, sweep."""
