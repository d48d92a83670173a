"""What is true without any input or output: states, errors, retry, job types, seals, ids, time."""
