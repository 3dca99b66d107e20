"""A task and a recurrent cell for errorflow."""
