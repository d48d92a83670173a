"""What a submission must be, and what its type adds to it: the same for a door and for a test."""
