"""The faults of the data port: what an upstream may do to a client in place of a plain answer.

Every class here with an `apply` of its own is a fault; its name in a rule is the class's in upper case: LimitData is
LIMIT_DATA. To add one, add a class to a module, or a module. `runtime` reads the rules, decides which requests are
affected, and gives a fault access to the connection. Names are those of WireMock, Envoy or Toxiproxy where they have
one; the docstring names it.

Faults are of HTTP/1.1. Over HTTP/2 no rule applies, and a request that asks for a fault gets 400.
"""
