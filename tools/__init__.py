"""What `make` needs to look after this repository; no part of the service."""
