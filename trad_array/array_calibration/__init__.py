"""Where the microphones really are and how late their channels: found from sounds made at known places."""
