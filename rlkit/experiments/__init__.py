"""What the chapters measure: one module an experiment, and what is stored of the long ones."""
