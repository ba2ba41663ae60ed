"""What to expect of a run before it is made, from its settings and a calibration alone. Pure.

`closed_network`, `open_queue` and `wait_tail` hold the formulas, `workload` what they are applied to, `closed_load` and
`open_load` how. `from_settings` makes a workload of reported settings; `prediction` is what is shown and kept,
`outcome` what became of it, `promise` what a change would bring.
"""
