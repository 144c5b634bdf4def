"""The queue of annotate jobs, without Qt."""
