"""What drives the sandbox and reads it: the command line, run documents and their analysis."""
