"""Running things elsewhere: child processes, a queue of them, Ray tasks."""
