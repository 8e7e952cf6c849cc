"""What the chapters measure: one module for each experiment, and the stored results of the long ones.

`sweeps` lists the long ones and makes them again; `stored` reads them; `curves` and `statistics` are what they share.
"""
