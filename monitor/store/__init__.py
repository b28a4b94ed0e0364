"""What outlives a process: a Redis server of our own or the user's, feed state, and the streams of alerts."""
