"""From events to alarms that a control room can trust: levels and latches, health of the array, evidence, outputs."""
