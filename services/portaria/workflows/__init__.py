"""What a workflow is: its tree checked, flattened into jobs and joins, planned, sealed."""
