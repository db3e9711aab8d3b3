"""The kinds of files that can be masked, each as `Format`."""
