"""The watch: sound in, messages out; the chain with health, alarm logic, evidence and outputs around it."""
