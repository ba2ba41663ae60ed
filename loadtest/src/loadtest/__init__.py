"""Locust for the sandbox: closed-loop users, a recorder of whole runs, and the pages that show them."""
