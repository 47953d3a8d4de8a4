"""Tools of this repository; nothing here runs in an installation."""
