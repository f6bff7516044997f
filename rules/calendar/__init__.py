"""What happens by the clock on the wall: arming by schedule, doors that are open in office hours."""
