"""The calling patterns of the seeds, one file each: what people write when a FastAPI app has to call another service.

A module here with a `VERDICT` and a `build(upstream)` is a pattern, served at `/-/patterns/{its name}/{path}`; to add
one, add a file. `build` stands for the body of the author's module: limits, time-outs and the address come from the
proxy's settings, everything else is written as its author means it. `pattern_runtime` opens, calls and counts them.
"""
