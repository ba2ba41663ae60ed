"""The faults of the data port, one file each: what an upstream does to its callers when it does not simply answer.

A module here with a `Fault` is a fault, and its name is the file's in upper case; to add one, add a file. `harness`
reads the rules, decides which request is struck, and does what a fault asks for to a connection. Names are those of
WireMock, Envoy or Toxiproxy where they have one; the docstring says whose.

Faults are of HTTP/1.1: over another server, HTTP/2's for one, rules strike nobody and a request that asks gets 400.
"""
