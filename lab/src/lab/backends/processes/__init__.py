"""The sandbox as local processes: a foreground supervisor, asked over a unix socket."""
