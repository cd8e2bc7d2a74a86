"""Work from file to file: what the commands do, callable from Python."""
