"""What to expect of a run before it is made, from its settings and a calibration alone. Pure.

`closed_network` and `open_queue` hold the formulas, `workload` what they are applied to, `forecast` the result,
`closed_load` and `open_load` how it is made.
"""
