"""Locust as the sandbox's cockpit: closed-loop users, a recorder of whole runs, and the pages that show them."""
