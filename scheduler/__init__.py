"""When things happen: rings, calendars, audiences and quotas."""
