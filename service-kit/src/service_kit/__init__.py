"""Plumbing that the services and the lab share; it knows nothing of what any of them is for.

exits              exit codes, and exceptions that end a program with one of them and a message
command            `python -m service [--check | --config | --help]`
settings_errors    settings from the environment, or one line for each mistake
settings_change    settings changed by the body of a PUT, or a status and one line for each mistake
variables          the environment variables behind a settings model; name_match: the one a misspelt name means
listening          listening sockets, and the line about a port in use
timer_queue        callbacks and waits that are never early; timerfd: what drives them
process_figures    what the kernel counts for a process: descriptors, backlog overflows, CPU of the host and its limit
histogram          recorded times, quantiles, and differences of two snapshots
uvicorn_server     a uvicorn server among others in one process
"""
