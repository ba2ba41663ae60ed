"""The JSON documents of the services as types: what proxy, mock and link answer under `/-/`.

They are parsed once, where they arrive. Fields that are not read here are ignored, and what a service may leave out has
a default; an answer of another shape is an `UnexpectedAnswer`.
"""
