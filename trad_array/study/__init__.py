"""Where should the microphones go? Studies over simulated rooms; everything that comes from here is simulated."""
