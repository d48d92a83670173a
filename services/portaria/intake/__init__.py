"""From a request to what the store takes, the same for the door and for the scheduler."""
