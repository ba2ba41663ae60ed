"""Lessons: known phenomena as tests that run. One file each in `lessons/`, held to `Lesson`."""
