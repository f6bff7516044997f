"""`nightporter lab drill`: an installer's acceptance run, on a copy; and the line of processes it runs on."""
