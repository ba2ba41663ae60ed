"""The client libraries, one module each, behind one interface."""
