"""trad-array hears a lithium-battery cell fail."""
