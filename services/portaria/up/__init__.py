"""The whole system on one machine: the embedded Redis, the parts, and who looks after them."""
