"""Things with a life: what is started, runs beside the requests, and is stopped in order."""
