"""The demonstration world: synthetic people, their documents, a bank, and a scripted journey."""
