"""How the parameters move: descent, schedules, stopping rules and the runs they give."""
