"""The verdict: what limited a run, by rules over its account. Pure.

`facts` has the figures that rules read, `rules` a rule a file, `judge` chooses among what they find.
"""
