"""Figures as plain dicts for Plotly, and pages that show them. Pure."""
