"""The front door: gRPC in, the store behind it. Nothing here knows RQ or a job type by name."""
