"""What is done with the access log, one module per use case."""
