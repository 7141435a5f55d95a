"""``vera serve``: a page on the clinic's own machine, for people who do not use a shell."""
