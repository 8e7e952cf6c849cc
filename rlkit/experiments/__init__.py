"""What the chapters measure: one module for each experiment, and the stored results of the long ones.

`sweeps` lists and runs the long ones, `stored` reads their results, and `curves` and `statistics` are what they share.
`plan` lists the runs of an experiment without making them, and `spread` makes them on a cluster.
"""
