"""The kinds of users: to add one, add a module here with a subclass of `Kind`."""
