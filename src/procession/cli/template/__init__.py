"""From a template and values to the command line of a job."""
