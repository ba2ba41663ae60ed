"""What users do: a kind of user a module of `kinds`, named as in LAB_USER_KIND.

`kind` defines one, `catalogue` finds them all and reads a text, `sender` makes the requests, `locust_user` is the user
that Locust starts. All but the last two do without Locust, which patches the whole process on import.
"""
