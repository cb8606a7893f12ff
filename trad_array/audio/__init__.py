"""Sound in: files now, the sound card later, all as the same blocks."""
