"""The use cases of the register, one module each."""
