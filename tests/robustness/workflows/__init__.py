"""Random workflows, and a plain model of what must become of them.

The model knows the contract's messages and nothing else: neither the client nor what runs the jobs.
"""
