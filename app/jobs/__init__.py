"""The queue of annotate jobs."""
