"""The annotate page: the job queue in the window."""
